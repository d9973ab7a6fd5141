/// A transaction at one of its participants.
final class LocalTransaction {
  enum Stage {
    /// Others have its keys.
    case waiting
    /// The resources are asked whether they can.
    case asking
    /// Its record is on the way to the disk.
    case writing
    case prepared
    /// Its outcome is known, and is carried out when those are that it follows.
    case following
    /// The resources carry out the outcome.
    case ending
    /// A person has decided here; what is true is not known yet.
    case held
  }

  var transaction: Transaction
  var stage = Stage.waiting
  /// Who asked, and is told the vote.
  var asker: Int
  /// Resources that have yet to answer, and those of the shares that agreed.
  var unanswered = 0
  var agreed: [Int] = []
  var refusal: String?
  /// All that agreed count a commit from when they are told, so others may have its keys while it is carried out.
  var overlaps = false
  /// Those that were being carried out with some of its keys when it was prepared, and still are; and who has prepared
  /// so behind it.
  var behind: Set<String> = []
  var followers: [String] = []
  var decision: Decision?
  /// This node has voted no.
  var isRefused = false
  /// The others went on without it.
  var isLeftOut = false
  var heuristic: Heuristic?
  /// Who is told that the outcome has been carried out.
  var tellers: [Int] = []
  var preparedAt: Int64 = 0
  var preparedWall: Int64 = 0
  // While in doubt.
  var askAt = Int64.max
  var rounds = 0
  var refusals: Set<Int> = []
  /// Shares whose resources have agreed and may have forgotten it, having been started anew: they are asked again
  /// before they are told what becomes of it. And those of them that are being asked.
  var forgotten: Set<Int> = []
  var reminding: Set<Int> = []
  // While a resource does not do what it should.
  var retryAt = Int64.max
  var failures = 0
  var failed: [Int] = []

  init(_ transaction: Transaction, asker: Int) { (self.transaction, self.asker) = (transaction, asker) }

  var id: String { transaction.id }
  /// It voted no, and the others may do without it: what it thinks is not the outcome.
  var hasOnlyRefused: Bool { isRefused && transaction.needed < transaction.members.count }
  var isInDoubt: Bool { (stage == .prepared || stage == .held) && decision == nil }
  var outcome: Outcome? { decision?.outcome ?? heuristic?.outcome }

  var record: PreparedRecord {
    var record = PreparedRecord(transaction)
    (record.preparedAt, record.decision, record.heuristic) = (preparedWall, decision, heuristic)
    record.behind = behind.sorted()
    return record
  }
}
