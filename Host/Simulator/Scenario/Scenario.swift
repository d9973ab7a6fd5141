/// What is simulated: a deployment, who asks it for what, what goes wrong, and what must hold all the same.
package struct Scenario: Sendable, Equatable {
  /// Path of a folder of manifests.
  package var deployment: String
  package var nodes: Int?
  package var neighbours: Int?
  package var minutes: Double = 1
  /// The seed if none is named.
  package var seed: UInt64?
  /// Clients ask for so many things at most, all together.
  package var operations: Int?
  package var faults: Set<FaultKind> = FaultKind.usual
  package var clients: [ClientPlan] = []
  package var steps: [Step] = []
  package var rules: [Rule] = []

  package init(deployment: String) { self.deployment = deployment }

  package var duration: Int64 { Int64(minutes * 60_000_000_000) }
}

/// Clients that ask for the same things, each one thing at a time.
package struct ClientPlan: Sendable, Equatable {
  package struct Request: Sendable, Equatable {
    /// A request by HTTP goes to this listener: then `method` is GET, POST, PUT or DELETE, and `words` are a path and
    /// a body.
    package var listener: String?
    package var role: String
    package var method: String
    /// `{1..3}` stands for a number between these, `{unique}` for one that is never there again, `{answered:id}` for
    /// one of the values that the field `id` had in JSON that was answered before.
    package var words: [String]
  }

  package var count = 1
  package var pause: ClosedRange<Int64> = 50_000_000...500_000_000
  package var timeout: Int64 = 2_000_000_000
  package var requests: [Request] = []
}

/// A fault that is told to happen, as it stands in the scenario: `at 30s crash one for 5s`.
package struct Step: Sendable, Equatable {
  package var line: Int
  package var words: [String]
}

/// What must hold.
package enum Rule: Sendable, Equatable {
  /// Clients' reads and writes look as if each had happened at one moment between its beginning and its end.
  case linearizable(read: String, write: String)
  /// Among all that is published of a topic, one value of a field goes with each value of another.
  case one(field: String, per: String, topic: String)
  /// A field of a topic never falls on any one node.
  case rising(field: String, topic: String)
  /// So long after the last fault every role runs on every node.
  case running(within: Int64)
  /// So long after the last fault all nodes give the same answer to a call.
  case same(role: String, method: String, within: Int64)

  /// How long after the last fault it is looked at.
  var within: Int64? {
    switch self {
    case .running(let within), .same(_, _, let within): within
    case .linearizable, .one, .rising: nil
    }
  }
}
