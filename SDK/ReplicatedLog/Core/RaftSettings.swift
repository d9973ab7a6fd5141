/// How a ``Raft`` behaves. Times are nanoseconds.
package struct RaftSettings: Sendable {
  package var me: Int
  /// In order, and the same on all of them.
  package var members: [Int]
  /// A follower that has heard no leader for this long, and up to `electionSpread` more, asks for votes; until then it
  /// votes for nobody else.
  package var electionTimeout: Int64 = 300_000_000
  package var electionSpread: Int64 = 200_000_000
  package var heartbeat: Int64 = 75_000_000
  /// How long after a heartbeat that a majority answered its sender is still the only leader, by its own clock; 0
  /// asks a majority for each read.
  package var lease: Int64 = 240_000_000
  /// What a leader takes on before it is committed: more is refused.
  package var uncommittedLimit = 4_096
  /// What the log may take in memory: more is refused until a snapshot has cut it.
  package var logBytes = 64 << 20
  /// A snapshot is due after so many entries, or bytes of them.
  package var snapshotEntries = 10_000
  package var snapshotBytes = 8 << 20
  /// Entries that stay behind a snapshot, for followers that are not far behind.
  package var keptEntries = 1_000

  /// One message of entries, one commit of the store, one piece of a snapshot.
  var appendBytes = 512 << 10
  var writeBytes = 8 << 20
  #if BROKEN_OLD_TERM
    // Else the leader's own first entry goes with the earlier ones.
    package var batchEntries = 1
  #else
    package var batchEntries = 4_000
  #endif
  var pieceBytes = 256 << 10
  /// Messages of entries to one follower that wait for their answers.
  var inFlightLimit = 64
  /// The longest snapshot that is believed.
  var snapshotLimit = 32 << 20

  package init(me: Int, members: [Int]) { (self.me, self.members) = (me, members.sorted()) }

  var majority: Int { members.count / 2 + 1 }
  var others: [Int] { members.filter { $0 != me } }
}
