/// Why a history is not linearizable, for whoever has to find out how it came about.
package struct Explanation: Sendable, Equatable, CustomStringConvertible {
  /// How many operations of one kind are told of, and how many values.
  private static let mostOfAKind = 4
  /// How many values are tried, the last ones that were written.
  private static let mostValues = 16

  package let key: String
  /// The read with the first answer that cannot be, in words.
  package let culprit: String
  /// What it could have been answered.
  package let possible: [String]
  /// The others that tell what is wrong, in the order of their starts.
  package let others: [String]
  private let wasWritten: Bool

  /// The whole is known to be broken.
  init(_ key: String, _ operations: [History.Operation], initial: String, stepLimit: Int) {
    func isBroken(_ some: [History.Operation]) -> Bool {
      var search = LinearizationSearch(RegisterHistory(some, initial: initial), stepLimit: stepLimit)
      return search.run() == false
    }
    let ends = operations.compactMap(\.endPlace).sorted()
    // What is broken stays so, whatever follows.
    var (whole, broken) = (0, ends.count)
    while broken - whole > 1 {
      let middle = (whole + broken) / 2
      if isBroken(operations.upTo(ends[middle - 1])) { broken = middle } else { whole = middle }
    }
    // A write can always stand last, so that it is a read that breaks it.
    let before = operations.upTo(ends[broken - 1])
    let place = before.firstIndex { $0.endPlace == ends[broken - 1] }!
    let read = before[place]
    self.key = key
    culprit = read.words
    var possible: [String] = []
    for value in Self.values(before, initial) where possible.count < Self.mostOfAKind {
      var other = before
      other[place].answer = value
      if !isBroken(other) { possible.append(value) }
    }
    self.possible = possible.sorted()
    let told = Self.places(of: before, read, possible)
    others = operations.filter { told.contains($0.startPlace) }.map {
      $0.words + ($0.isOver(by: read.startPlace) ? ", before it" : ", at the same time")
    }
    wasWritten = read.answer == initial || before.contains { $0.written == read.answer }
  }

  /// What there was at first, and what was written last.
  private static func values(_ operations: [History.Operation], _ initial: String) -> [String] {
    var found: [String] = [initial]
    for operation in operations.reversed() where found.count < mostValues {
      if let value = operation.written, !found.contains(value) { found.append(value) }
    }
    return found
  }

  /// Who wrote what was read; who wrote or read what could be; and who was at it at the same time.
  private static func places(
    of before: [History.Operation], _ read: History.Operation, _ possible: [String]
  ) -> Set<Int> {
    let rest = before.filter { $0.startPlace != read.startPlace }
    let earlier = rest.filter { $0.isOver(by: read.startPlace) }
    let kinds = [
      rest.filter { $0.written == read.answer },
      earlier.filter { possible.contains($0.written ?? $0.answer ?? "") },
      rest.filter { !$0.isOver(by: read.startPlace) && ($0.written ?? $0.answer) != nil },
    ]
    return Set(kinds.flatMap { $0.suffix(mostOfAKind).map(\.startPlace) })
  }

  package var description: String {
    let place = key.isEmpty ? "" : "key `\(key)`: "
    let reason = wasWritten ? "no order of the others allows it" : "nobody had begun to write that"
    let values = possible.map { "`\($0)`" }.joined(separator: " or ")
    return (["\(place)\(culprit): \(reason); it could be \(values)"] + others.map { "  \($0)" }).joined(separator: "\n")
  }
}

extension History.Operation {
  fileprivate var written: String? { if case .write(let value) = request { value } else { nil } }
  fileprivate func isOver(by place: Int) -> Bool { endPlace.map { $0 < place } ?? false }
}

extension [History.Operation] {
  /// What was known when the end at this place had come.
  fileprivate func upTo(_ place: Int) -> [History.Operation] {
    lazy.filter { $0.startPlace < place }.map { operation in
      guard let end = operation.endPlace, end > place else { return operation }
      var open = operation
      (open.end, open.endPlace, open.answer) = (nil, nil, nil)
      return open
    }
  }
}
