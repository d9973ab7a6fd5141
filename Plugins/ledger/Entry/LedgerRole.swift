import LedgerCore
import NodeKit

/// Keeps values that only transactions change.
@main
final class LedgerRole: Role, HealthReporting, Stateful {
  static let about = About(
    "ledger", version: "1.0.0",
    "Keeps JSON values and numbers under keys, which the transactions of a coordinator change.")
  static let needs: [Need] = [.store]
  static let methods = [
    Method(
      "get(key)", "The value of a key, its version, and the transaction that changed it last.", idempotent: true, get),
    Method("list(prefix,after,limit)", "A page of the keys that begin so, after that one.", idempotent: true, list),
    Method("prepare(transaction,changes)", "For the coordinator: whether it can be done.", idempotent: true, prepare),
    Method("commit(transaction,changes)", "For the coordinator: does it.", idempotent: true, commit),
    Method("abort(transaction,changes)", "For the coordinator: it will not be done.", idempotent: true, abort),
  ]

  private let ledger: Ledger

  init(_ context: RoleContext, _ config: LedgerSettings) { ledger = Ledger(context, config) }

  func start() throws { try ledger.start() }
  func health() -> Health { ledger.health() }

  func get(_ key: String) throws -> JSON { try ledger.get(key) }
  func list(_ prefix: String, _ after: String, _ limit: Int) throws -> JSON { try ledger.list(prefix, after, limit) }
  func prepare(_ transaction: String, _ changes: PassedJSON) throws -> PassedJSON {
    try ledger.prepare(transaction, changes)
  }
  func commit(_ transaction: String, _ changes: PassedJSON, _ reply: Reply<PassedJSON>) throws {
    try ledger.commit(transaction, changes, reply)
  }
  func abort(_ transaction: String, _ changes: PassedJSON) -> PassedJSON { ledger.abort(transaction, changes) }

  // All of it is in its store.
  static let stateVersion = 1
  func save() -> String { "" }
  func load(_ state: String, version: Int) {}
}
