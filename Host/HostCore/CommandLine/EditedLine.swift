/// A line that somebody types at a prompt: what each key makes of it, what was typed before, and what of it a terminal
/// shows. Knows of no terminal itself.
package struct EditedLine {
  package enum Key: Equatable {
    case text(Character)
    case left, right, home, end, up, down
    case backspace, delete, eraseWord, eraseToStart, eraseToEnd
  }

  /// So many lines are remembered.
  private static let historyLimit = 500

  private var characters: [Character] = []
  private var cursor = 0
  private var history: [String] = []
  /// Which line of the history is shown; one behind the last is the new one.
  private var place = 0
  private var draft: [Character] = []

  package init() {}

  package var text: String { String(characters) }
  package var isEmpty: Bool { characters.isEmpty }
  package var beforeCursor: String { String(characters[..<cursor]) }

  package mutating func press(_ key: Key) {
    switch key {
    case .text(let character):
      characters.insert(character, at: cursor)
      cursor += 1
    case .left: cursor = max(0, cursor - 1)
    case .right: cursor = min(characters.count, cursor + 1)
    case .home: cursor = 0
    case .end: cursor = characters.count
    case .up: show(place - 1)
    case .down: show(place + 1)
    case .backspace: erase(max(0, cursor - 1)..<cursor)
    case .delete: erase(cursor..<min(characters.count, cursor + 1))
    case .eraseWord: erase(startOfWord..<cursor)
    case .eraseToStart: erase(0..<cursor)
    case .eraseToEnd: erase(cursor..<characters.count)
    }
  }

  private mutating func erase(_ range: Range<Int>) {
    characters.removeSubrange(range)
    cursor = range.lowerBound
  }

  private var startOfWord: Int {
    var start = cursor
    while start > 0, characters[start - 1] == " " { start -= 1 }
    while start > 0, characters[start - 1] != " " { start -= 1 }
    return start
  }

  private mutating func show(_ new: Int) {
    guard (0...history.count).contains(new) else { return }
    if place == history.count { draft = characters }
    place = new
    characters = place == history.count ? draft : Array(history[place])
    cursor = characters.count
  }

  /// The line is typed: it is remembered, unless it was the last one too, and a new one begins.
  package mutating func enter() {
    let line = text
    if !line.isEmpty, line != history.last { history.append(line) }
    if history.count > Self.historyLimit { history.removeFirst() }
    clear()
  }

  package mutating func clear() {
    (characters, cursor, draft, place) = ([], 0, [], history.count)
  }

  /// Completes what stands before the cursor, whose last `length` characters are to become one of the candidates.
  /// Returns them if it cannot be told which.
  package mutating func complete(_ length: Int, with candidates: [String]) -> [String] {
    guard let first = candidates.first else { return [] }
    let common = candidates.dropFirst().reduce(Array(first)) { common, next in
      Array(zip(common, next).prefix { $0 == $1 }.map(\.0))
    }
    let isLonger = common.count > length
    if isLonger || candidates.count == 1 {
      erase(cursor - length..<cursor)
      for character in common { press(.text(character)) }
    }
    return isLonger || candidates.count == 1 ? [] : candidates
  }

  /// What fits into so many columns, with the cursor in it, and in which column that is.
  package func window(_ columns: Int) -> (text: String, cursor: Int) {
    var start = cursor, room = max(1, columns - 1)
    while start > 0, TextLayout.width(of: characters[start - 1]) <= room {
      start -= 1
      room -= TextLayout.width(of: characters[start])
    }
    let shown = String(characters[start..<cursor])
    return (TextLayout.clip(String(characters[start...]), to: max(1, columns)), TextLayout.width(of: shown))
  }
}
