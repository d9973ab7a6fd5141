/// Something wrong in what the operator wrote, before lines and columns are worked out.
package struct Fault: Error, Sendable, Equatable {
  package enum Expectation: Sendable, Equatable {
    case unsaid
    /// One of these words; the nearest to `word` is suggested.
    case oneOf([String])
    /// Stands after "expected".
    case described(String)
  }

  /// Another place that has to do with it.
  package struct Related: Sendable, Equatable {
    package var place: SourcePlace
    package var message: String

    package init(_ message: String, at place: SourcePlace) {
      self.place = place
      self.message = message
    }
  }

  package var place: SourcePlace
  package var message: String
  package var expected: Expectation
  /// What was written where a known word should be.
  package var word: String?
  package var related: [Related]
  /// The line holds a secret, so it is not shown.
  package var isSecret = false

  package init(
    _ message: String, at place: SourcePlace, expected: Expectation = .unsaid, word: String? = nil,
    related: [Related] = []
  ) {
    self.place = place
    self.message = message
    self.expected = expected
    self.word = word
    self.related = related
  }
}

/// Collects faults, so that all are told at once.
package final class FaultLog {
  /// A text that is wrong from end to end is not worth more memory than this; only a page of it is printed anyway.
  package static let limit = 10_000

  private struct Identity: Hashable {
    var place: SourcePlace
    var message: String
  }

  private var faults: [Fault] = []
  private var seen: Set<Identity> = []
  private var settled: Set<SourcePlace> = []

  package init() {}

  /// The same fault comes once, however many aliases lead to it.
  package func add(_ fault: Fault) {
    guard faults.count < Self.limit, !settled.contains(fault.place) else { return }
    if seen.insert(Identity(place: fault.place, message: fault.message)).inserted { faults.append(fault) }
  }

  package func add(
    _ message: String, at place: SourcePlace, expected: Fault.Expectation = .unsaid, word: String? = nil,
    related: [Fault.Related] = []
  ) {
    add(Fault(message, at: place, expected: expected, word: word, related: related))
  }

  /// Ignores what would be said of this place from now on: it would only follow from what has been said.
  package func settle(_ place: SourcePlace) { settled.insert(place) }

  package var isEmpty: Bool { faults.isEmpty }
  package var count: Int { faults.count }

  /// In the order of the text.
  package var ordered: [Fault] {
    faults.enumerated().sorted { ($0.element.place, $0.offset) < ($1.element.place, $1.offset) }.map(\.element)
  }
}
