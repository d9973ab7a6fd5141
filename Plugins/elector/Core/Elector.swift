public import NodeKit

/// An elector without its surroundings: it is told what happens and when, and says what is to be done about it.
public protocol Elector {
  /// Who leads, as far as this node knows, and in which term.
  var standing: Standing { get }
  /// When `tick` is wanted at the latest.
  var nextTick: Int64 { get }
  /// What is to be done, in this order. Asking takes it.
  mutating func takeEffects() -> [Effect]

  mutating func tick(_ now: Int64)
  mutating func received(_ message: ElectorMessage, from node: Int, _ now: Int64)
  mutating func linkChanged(_ node: Int, isUp: Bool, _ now: Int64)
  /// The ballot of the last `store` is on the disk.
  mutating func stored(_ ballot: Ballot, _ now: Int64)
  /// Leads no more and lets another take over; `rests` is how long this node is no candidate. False if it does not
  /// lead.
  mutating func stepDown(_ why: String, to successor: Int?, rests: Int64, _ now: Int64) -> Bool
  /// What another build can go on with; nil if there is nothing, or it has to begin anew.
  func state(_ now: Int64) -> JSON?
  /// Which links are up, when nobody was told of what has changed.
  mutating func linksAre(_ up: Set<Int>, _ now: Int64)
  /// Lets go of what an earlier build, or run, of this node may have led, so that nobody waits for its lease to end.
  mutating func letGo()
}

extension Elector {
  public func state(_ now: Int64) -> JSON? { nil }
  public mutating func letGo() {}
}

public enum Effect: Sendable, Equatable {
  case send(ElectorMessage, to: Int)
  /// To the disk; `stored` is called then.
  case store(Ballot)
  /// `standing` has changed.
  case changed
  /// The leadership is sure until then.
  case renewed(until: Int64)
  case log(String)
}

/// What must never be forgotten: the latest term that this node has voted in, and for whom.
public struct Ballot: Sendable, Equatable {
  public var term: UInt64
  public var vote: Int?

  public init(term: UInt64 = 0, vote: Int? = nil) { (self.term, self.vote) = (term, vote) }
}

public struct Standing: Sendable, Equatable {
  public enum State: String, Sendable { case following, asking, waiting, polling, voting, leading }

  public var state = State.following
  public var leader: Int?
  public var term: UInt64 = 0

  public init() {}
}

/// A node of the cluster that takes part.
struct Member: Sendable {
  var rank: Rank
  /// Nil while there is no link.
  var upSince: Int64?
  /// How many nodes it was linked with when it last said so.
  var reach: UInt16 = 0
  /// When the latest question was asked that it has answered.
  var acknowledged: Int64?
}
