/// Finds what somebody probably meant: the known word that the fewest typing mistakes lead to.
public func nearestWord(to word: String, among known: some Sequence<String>) -> String? {
  // A third of the letters wrong is a slip; more is another word.
  let limit = max(1, word.utf8.count / 3)
  // Comparing takes time by the product of both lengths, and a word of quite another length is none of these.
  let alike = known.filter { abs($0.utf8.count - word.utf8.count) <= limit }
  let near = alike.map { (word: $0, mistakes: typingMistakes(from: word, to: $0)) }.filter { $0.mistakes <= limit }
  return near.min { ($0.mistakes, $0.word) < ($1.mistakes, $1.word) }?.word
}

/// Letters added, left out, changed or swapped with their neighbour (optimal string alignment).
func typingMistakes(from left: String, to right: String) -> Int {
  let left = Array(left.lowercased().utf8), right = Array(right.lowercased().utf8)
  var beforeLast = [Int](repeating: 0, count: right.count + 1)
  var last = Array(0...right.count)
  for i in left.indices {
    var row = [i + 1]
    for j in right.indices {
      var best = min(last[j + 1] + 1, row[j] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
      if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] { best = min(best, beforeLast[j - 1] + 1) }
      row.append(best)
    }
    (beforeLast, last) = (last, row)
  }
  return last[right.count]
}
