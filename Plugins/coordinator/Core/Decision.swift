/// What becomes of a transaction.
enum Outcome: UInt8, Sendable {
  case commit = 1
  case abort

  /// As methods and log lines say it.
  var word: String { self == .commit ? "COMMIT" : "ABORT" }
}

/// What a node said when it was asked to prepare.
enum Vote: Sendable, Equatable {
  case yes
  /// It changes nothing, so the outcome is all the same to it.
  case readOnly
  case no(String)
  /// It was asked and did not answer in time; it may have voted all the same.
  case silent
  /// It was not linked, so it was not asked.
  case absent
  /// It was asked, and another's no came first.
  case unawaited

  var words: String {
    switch self {
    case .yes: "yes"
    case .readOnly: "read only"
    case .no(let reason): "no: \(reason)"
    case .silent: "silent"
    case .absent: "not linked"
    case .unawaited: "not waited for"
    }
  }

  var isFavourable: Bool { self == .yes || self == .readOnly }
  /// Its node may be prepared, and must learn the outcome.
  var mayBeYes: Bool { self == .yes || self == .silent || self == .unawaited }
}

/// An outcome, and how it came about.
struct Decision: Sendable, Equatable {
  struct NodeVote: Sendable, Equatable {
    var node: Int
    var vote: Vote
  }

  var id: String
  var outcome: Outcome
  var reason = ""
  /// Milliseconds since 1970.
  var began: Int64 = 0
  var votes: [NodeVote] = []
  /// Microseconds.
  var prepareTook: UInt32 = 0
  var decideTook: UInt32 = 0

  /// Nodes that must learn it.
  var listeners: [Int] { votes.filter { $0.vote.mayBeYes }.map(\.node) }
}
