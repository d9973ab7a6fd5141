/// What clients asked of registers, and what they were answered. Whoever records it says what happens in the order in
/// which it happens; the order counts, and the times are for the reader.
package struct History: Sendable {
  package private(set) var operations: [Operation] = []
  private var events = 0

  package init() {}

  package enum Request: Sendable, Equatable {
    case read
    case write(String)
  }

  package struct Operation: Sendable {
    package var client: Int
    package var key: String
    package var request: Request
    package var start: Int64
    /// Nil if the answer never came: it may have happened at any time since, or never.
    package internal(set) var end: Int64?
    /// What a read was answered.
    package internal(set) var answer: String?
    /// The places of its two ends among all ends of all operations.
    package let startPlace: Int
    package internal(set) var endPlace: Int?
    package fileprivate(set) var isWithdrawn = false
  }

  /// A client asks. What is returned names the operation to `end` and `withdraw`.
  package mutating func begin(_ client: Int, _ request: Request, key: String = "", at time: Int64) -> Int {
    let operation = Operation(client: client, key: key, request: request, start: time, startPlace: events)
    operations.append(operation)
    events += 1
    return operations.count - 1
  }

  /// A client is answered; a read with a value.
  package mutating func end(_ operation: Int, answer: String? = nil, at time: Int64) {
    precondition(operations[operation].end == nil, "an operation is answered once")
    let isRead = operations[operation].request == .read
    precondition(isRead == (answer != nil), "a read is answered with a value, and a write is not")
    operations[operation].end = time
    operations[operation].endPlace = events
    operations[operation].answer = answer
    events += 1
  }

  /// It has failed for certain and has not happened; whoever cannot tell leaves it without an end.
  package mutating func withdraw(_ operation: Int) { operations[operation].isWithdrawn = true }

  /// Those that count, by their keys.
  var byKey: [(key: String, operations: [Operation])] {
    Dictionary(grouping: operations.lazy.filter { !$0.isWithdrawn }, by: \.key).sorted { $0.key < $1.key }
      .map { ($0.key, $0.value) }
  }
}

extension History.Operation {
  /// "client 2's read (1.010 to 1.025 s), answered `a`"
  package var words: String {
    let begin = TimeText.seconds(start)
    let span = end.map { "\(begin) to \(TimeText.seconds($0)) s" } ?? "\(begin) s, never answered"
    switch request {
    case .write(let value): return "client \(client)'s write of `\(value)` (\(span))"
    case .read: return "client \(client)'s read (\(span))" + (answer.map { ", answered `\($0)`" } ?? "")
    }
  }
}
