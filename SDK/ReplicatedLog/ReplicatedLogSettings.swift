internal import NodeKit

/// How a ``ReplicatedLog`` behaves. The defaults are for nodes of one network whose messages take a few milliseconds.
public struct ReplicatedLogSettings: Sendable, Equatable {
  /// A member that has heard no leader for a time between these begins an election. Longer: fewer needless elections
  /// where messages are slow. Shorter: a dead leader is replaced sooner. At least three heartbeats.
  public var electionTimeout: ClosedRange<Duration> = .milliseconds(300) ... .milliseconds(500)
  /// How often a leader is heard.
  public var heartbeat = Duration.milliseconds(75)
  /// How much faster than another member's clock one may run, in per cent. A leader trusts its lease that much less;
  /// 50 means that there is no lease, and each read asks a majority.
  public var clockSkewPercent = 10
  /// How long ``ReplicatedLog/propose(_:timeout:then:)`` waits if the caller does not say.
  public var timeout = Duration.seconds(5)
  /// A snapshot is taken after so many entries, or so many bytes of them.
  public var snapshotEntries = 10_000
  public var snapshotBytes = 8 << 20
  /// Entries that are kept behind a snapshot, so that a member that was away for a moment needs no snapshot.
  public var keptEntries = 1_000
  /// Proposals of this member that wait for their answers; more are refused.
  public var openLimit = 4_096
  /// Before all keys in the role's store that are the log's.
  public var storePrefix = "log/"
  /// Of its messages; the role's own take other channels.
  public var channel = 1

  public init() {}

  /// A proposal is no longer than this.
  public static let entryLimit = 1 << 20
  /// Nor is a snapshot longer than this.
  public static let snapshotLimit = 32 << 20

  func check() throws {
    try require(
      heartbeat >= .milliseconds(5) && electionTimeout.lowerBound >= heartbeat * 3,
      "an election timeout of \(electionTimeout.lowerBound) is less than three heartbeats of \(heartbeat), or those are "
        + "less than 5 ms; make it longer")
    try require(
      electionTimeout.upperBound > electionTimeout.lowerBound && electionTimeout.upperBound <= .seconds(600),
      "all members would stand at the same time, or never: make the election timeout a range of up to 600 s")
    try require((0...50).contains(clockSkewPercent), "a clock skew of \(clockSkewPercent) %; take 0 to 50")
    try require(timeout > .zero, "a timeout of \(timeout); take a longer one")
    try require(
      snapshotEntries > 0 && snapshotBytes > 0 && (0...snapshotEntries).contains(keptEntries),
      "snapshots after \(snapshotEntries) entries or \(snapshotBytes) bytes with \(keptEntries) entries kept; take "
        + "numbers above 0, and keep no more entries than a snapshot is taken after")
    try require((1...65_536).contains(openLimit), "\(openLimit) open proposals; take 1 to 65,536")
    try require((1...200).contains(storePrefix.utf8.count), "the store's prefix has 1 to 200 bytes")
  }

  private func require(_ truth: Bool, _ message: String) throws {
    if !truth { throw RoleError(.invalidArgument, "replicated log: \(message)") }
  }

  private static func nanoseconds(_ duration: Duration) -> Int64 {
    Moment(nanoseconds: 0).advanced(by: duration).nanoseconds
  }

  func raft(me: Int, members: [Int]) -> RaftSettings {
    var settings = RaftSettings(me: me, members: members)
    settings.electionTimeout = Self.nanoseconds(electionTimeout.lowerBound)
    settings.electionSpread = Self.nanoseconds(electionTimeout.upperBound) - settings.electionTimeout
    settings.heartbeat = Self.nanoseconds(heartbeat)
    // The leader's clock may be slow and a follower's fast by as much.
    settings.lease = settings.electionTimeout / 100 * Int64(100 - 2 * clockSkewPercent)
    settings.snapshotEntries = snapshotEntries
    settings.snapshotBytes = snapshotBytes
    settings.keptEntries = keptEntries
    settings.snapshotLimit = Self.snapshotLimit + (1 << 20)
    return settings
  }
}
