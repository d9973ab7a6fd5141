/// Why a history is not linearizable, for whoever has to find out how it came about.
package struct Explanation: Sendable, Equatable, CustomStringConvertible {
  /// How many operations of one kind are told of.
  private static let mostOfAKind = 4

  package let key: String
  /// The operation that has no place, as an operation and in words.
  package let culprit: String
  /// What the register could have when it happened.
  package let possible: [String]
  /// The others that tell what is wrong, in the order of their starts, each with what it means for the culprit.
  package let others: [String]

  init(_ key: String, _ history: RegisterHistory, stuck: LinearizationSearch.Stuck, initial: String) {
    self.key = key
    let read = history.sources[stuck.item]
    culprit = read.words
    let possible = Set(history.values.filter { stuck.values.contains($0.value) }.keys)
    self.possible = possible.sorted()
    let (start, end) = (read.startPlace, read.endPlace!)
    var found: [History.Operation] = []
    func add(_ some: some Sequence<History.Operation>) {
      let known = Set(found.map(\.startPlace))
      found += some.lazy.filter { !known.contains($0.startPlace) && $0.startPlace != start }.suffix(Self.mostOfAKind)
    }
    let before = history.sources.filter { $0.startPlace < end }
    // Who wrote what was read; who wrote or read what should have been; and who was at it at the same time.
    add(before.filter { $0.request == .write(read.answer!) })
    add(before.filter { possible.contains($0.answer ?? $0.written ?? initial) && $0.isOver(by: start) })
    add(before.filter { !$0.isOver(by: start) })
    others = found.sorted { $0.startPlace < $1.startPlace }.map { other in
      other.words + (other.isOver(by: start) ? ", before it" : ", at the same time")
    }
    wasWritten = read.answer == initial || before.contains { $0.written == read.answer }
  }

  private let wasWritten: Bool

  package var description: String {
    let values = possible.map { "`\($0)`" }.joined(separator: " or ")
    let what =
      wasWritten
      ? "whatever the order of the others, the value was \(values)"
      : "nobody had begun to write that; the value was \(values)"
    let place = key.isEmpty ? "" : "key `\(key)`: "
    return (["\(place)\(culprit): \(what)"] + others.map { "  \($0)" }).joined(separator: "\n")
  }
}

extension History.Operation {
  fileprivate var written: String? { if case .write(let value) = request { value } else { nil } }
  fileprivate func isOver(by place: Int) -> Bool { endPlace.map { $0 < place } ?? false }
}
