/// How long electors wait for what, in nanoseconds.
public struct Timing: Sendable, Equatable {
  /// Between two heartbeats of the leader.
  public var heartbeat: Int64
  /// How long a follower that hears nothing stays with its leader, and lets nobody else be elected. In quorum mode the
  /// leader is sure of its leadership for a little less than that from the last heartbeat that a majority has heard.
  public var lease: Int64
  /// How long nodes of higher rank, and voters, have to answer.
  public var answer: Int64
  /// How long a node of higher rank that has answered has to become the leader.
  public var coordinator: Int64
  /// How long a node of higher rank that came back is linked before the leader hands over to it.
  public var holdDown: Int64
  /// By how many parts in a thousand the clocks of two nodes may differ in speed.
  public var skewPermille: Int64

  public init(
    heartbeat: Int64, lease: Int64, answer: Int64, coordinator: Int64, holdDown: Int64, skewPermille: Int64 = 20
  ) {
    (self.heartbeat, self.lease, self.answer, self.coordinator) = (heartbeat, lease, answer, coordinator)
    (self.holdDown, self.skewPermille) = (holdDown, skewPermille)
  }

  private static let millisecond: Int64 = 1_000_000

  /// One building: a leader that dies is missed for about half a second.
  public static let lan = Timing(
    heartbeat: 50 * millisecond, lease: 400 * millisecond, answer: 100 * millisecond, coordinator: 300 * millisecond,
    holdDown: 10_000 * millisecond)
  /// Several cities: a leader that dies is missed for three to five seconds, but pauses of a second and more pass.
  public static let wan = Timing(
    heartbeat: 400 * millisecond, lease: 3000 * millisecond, answer: 800 * millisecond,
    coordinator: 2000 * millisecond, holdDown: 60_000 * millisecond)

  /// How long the leader is sure to lead after it sent the last heartbeat that a majority has answered: on the fastest
  /// follower's clock the lease is not over by then.
  var surely: Int64 { lease / 1000 * (1000 - skewPermille) }

  /// What does not fit together.
  public var problem: String? {
    if lease < 3 * heartbeat { return "lease_ms must be three times heartbeat_ms at least, so that one may be lost" }
    if coordinator < answer { return "coordinator_ms must be answer_ms at least" }
    return nil
  }
}
