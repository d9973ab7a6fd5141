public import NodeKit

/// All that the nodes have agreed on: which versions there are, who gets which, and how far a rollout is. It changes as
/// a whole, by a transaction on all nodes, and each change counts `version` up by one; so one number never means two
/// states.
public struct RoutingState: Sendable, Equatable {
  static let versionLimit = 16
  static let ruleLimit = 32
  static let byteLimit = 64 << 10

  /// Of the service.
  public struct Release: Sendable, Equatable {
    public var id: String
    /// Where it answers; without one the node only says which version was chosen.
    public var url: String?
    public var share: Share
  }

  /// By what a user is always led to the same version.
  public enum Sticky: Sendable, Equatable {
    case header(String)
    case cookie(String)
    /// The user's address.
    case source
    /// A member of the request's JSON; only where there are no upstreams, since a body is not held up to be read.
    case member(String)
  }

  /// Requests with this header go to some of the versions only.
  public struct Rule: Sendable, Equatable {
    public enum Value: Sendable, Equatable { case any, exact(String), prefix(String) }
    var header: String
    var value: Value
    var versions: [String]
  }

  struct Mirror: Sendable, Equatable {
    var url: String
    var percent: Double
  }

  public var version: Int64 = 0
  /// The transaction that made it.
  public var transaction = ""
  public var timestampMs: Int64 = 0
  public var stable = ""
  public var canary: String?
  public var releases: [Release] = []
  public var sticky: Sticky?
  var rules: [Rule] = []
  var mirror: Mirror?
  public var rollout: Rollout?
  var freeze: [FreezeWindow] = []
  /// No rollout begins before.
  var coolUntilMs: Int64 = 0
  /// What has led to this state, and why.
  public var decision = Decision()

  public func release(_ id: String) -> Release? { releases.first { $0.id == id } }
  public func share(of id: String) -> Share { release(id)?.share ?? .none }
  public var hasUpstreams: Bool { releases.contains { $0.url != nil } }

  /// Gives a version this share; the others divide the rest as they have divided it so far in `proportions`. So users
  /// move only to the version whose share grows, and only from the one whose share falls.
  mutating func give(_ id: String, _ share: Share, proportions: [String: Int]) {
    let others = releases.indices.filter { releases[$0].id != id }
    let rest = Share(millionths: Share.whole.millionths - share.millionths)
    var weights = others.map { proportions[releases[$0].id] ?? 0 }
    if weights.allSatisfy({ $0 == 0 }) { weights = others.map { releases[$0].id == stable ? 1 : 0 } }
    for (place, part) in zip(others, Share.divide(rest, by: weights)) { releases[place].share = part }
    if let own = releases.firstIndex(where: { $0.id == id }) { releases[own].share = share }
  }
}

/// Why a state is as it is.
public struct Decision: Sendable, Equatable {
  static let whyLimit = 1_000
  static let numbersLimit = 8 << 10

  public enum Kind: String, Sendable, CaseIterable {
    /// The first state that the nodes have agreed on.
    case initial
    case start, step, finish, rollback, abort, promote, pause, resume, set
  }
  public var kind = Kind.initial
  /// The node, or who has asked it.
  public var by = ""
  public var why = ""
  /// What was counted and computed.
  public var numbers: JSON = .null

  public init(_ kind: Kind = .initial, by: String = "", why: String = "", numbers: JSON = .null) {
    (self.kind, self.by, self.why, self.numbers) = (kind, by, why, numbers)
  }
}
