import NodeKit

/// A resource that reserves in memory what it has prepared, and counts the outcomes of what it never was asked to.
@main
final class Vault: Role, Stateful {
  static let about = About("vault", version: "1.0.0", "A resource with reservations, for tests.")
  static let needs: [Need] = []
  static let methods = [
    Method("prepare(transaction,changes)", "Reserves it.", idempotent: true, prepare),
    Method("commit(transaction,changes)", "Does it.", idempotent: true, commit),
    Method("abort(transaction,changes)", "Lets it go.", idempotent: true, abort),
    Method("report()", "What is reserved and done in this life, and how many outcomes came unprepared.", report),
    Method("give_up()", "Fails.", giveUp),
  ]

  private let context: RoleContext
  private var reserved: Set<String> = []
  private var done: [String] = []
  private var unprepared = 0

  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

  func prepare(_ transaction: String, _ changes: PassedJSON) -> PassedJSON {
    reserved.insert(transaction)
    return PassedJSON(text: "{\"vote\":\"yes\"}")
  }

  func commit(_ transaction: String, _ changes: PassedJSON) -> PassedJSON { end("commit", transaction) }
  func abort(_ transaction: String, _ changes: PassedJSON) -> PassedJSON { end("abort", transaction) }

  private func end(_ what: String, _ transaction: String) -> PassedJSON {
    if reserved.remove(transaction) == nil { unprepared += 1 }
    done.append("\(what) \(transaction)")
    return PassedJSON(text: "{}")
  }

  func report() -> JSON {
    [
      "reserved": .array(reserved.sorted().map { .string($0) }), "done": .array(done.map { .string($0) }),
      "unprepared": JSON(unprepared),
    ]
  }

  func giveUp() { context.fail(.unavailable, "it was told to") }

  /// A new build begins with nothing, as if it could not read what the old one had.
  static let stateVersion = 1
  func save() -> String { "" }
  func load(_ state: String, version: Int) {}
}
