import NodeKit

/// Moves money between accounts on different nodes, for worlds. It publishes what it is told, and proposes some of it
/// again under the same id.
@main
final class Teller: Role {
  static let about = About("teller", version: "1.0.0", "A client of the coordinator.")
  static let needs: [Need] = [.roles, .timer, .random, .bus]
  static let methods = [
    Method("move(from,to,amount)", "Moves so much from one account to another.", move),
    Method("count(number)", "Adds one to a counter on a majority of the nodes.", count),
    Method("write(page,number)", "Writes the number on a page that all nodes have, or tears the page out.", write),
  ]
  static let topics = [Topic("teller.told", "What became of a transaction: txid, outcome.")]

  private static let nodes = 3
  private static let tries = 3

  private let context: RoleContext
  private var number = 0
  private var life: UInt64 = 0

  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
  func start() { life = context.random.next() >> 40 }

  /// Each account has its node.
  private static func node(_ account: Int) -> Int { account % nodes + 1 }

  private static func change(_ account: Int, _ change: JSON) -> JSON {
    ["resource": "ledger", "key": .string("a\(account)"), "nodes": [JSON(node(account))], "change": change]
  }

  func move(_ from: Int, _ to: Int, _ amount: Int, _ reply: Reply<String>) {
    guard from != to else { return reply.send("nothing to move") }
    var changes = [Self.change(from, ["add": JSON(-amount), "min": -50]), Self.change(to, ["add": JSON(amount)])]
    // Somebody who only reads.
    if chance(4) { changes.append(Self.change(from + to + 7, ["check": true])) }
    var proposal: JSONObject = JSONObject([("changes", .array(changes))])
    if chance(2) { proposal["id"] = .string(newID()) }
    if chance(4) { proposal["wait"] = "applied" }
    propose(proposal, Self.tries, reply)
  }

  func count(_ number: Int, _ reply: Reply<String>) {
    let change: JSON = ["resource": "ledger", "key": .string("m\(number)"), "change": ["add": 1]]
    propose(
      JSONObject([("id", .string(newID())), ("need", "majority"), ("changes", [change])]), Self.tries, reply)
  }

  func write(_ page: Int, _ number: Int, _ reply: Reply<String>) {
    var change = JSONObject([chance(3) ? ("delete", true) : ("set", JSON(number))])
    if chance(3) { change["if"] = chance(2) ? ["absent": true] : ["version": 1] }
    let all: JSON = ["resource": "ledger", "key": .string("p\(page)"), "change": .object(change)]
    var proposal = JSONObject([("changes", [all])])
    if chance(2) { proposal["id"] = .string(newID()) }
    propose(proposal, Self.tries, reply)
  }

  private func newID() -> String {
    number += 1
    return "t\(context.nodeID)-\(life)-\(number)"
  }

  private func chance(_ one: UInt64) -> Bool { context.random.next() % one == 0 }

  private func propose(_ proposal: JSONObject, _ tries: Int, _ reply: Reply<String>) {
    do {
      try context.roles.call("coordinator", "propose", JSON.object(proposal), timeout: .seconds(2)) {
        [self] (answer: Result<JSON, RoleError>) in
        switch answer {
        case .success(let answer): told(answer, proposal, tries, reply)
        case .failure(let error):
          // Only what has an id may be proposed again.
          guard tries > 1, proposal["id"] != nil else { return reply.fail(error) }
          try context.timer.once(after: .milliseconds(100)) { [self] in propose(proposal, tries - 1, reply) }
        }
      }
    } catch { reply.fail(error) }
  }

  private func told(_ answer: JSON, _ proposal: JSONObject, _ tries: Int, _ reply: Reply<String>) {
    let outcome = answer["outcome"]?.string ?? "?"
    try? context.bus.publish("teller.told", ["txid": answer["txid"] ?? .null, "outcome": .string(outcome)] as JSON)
    guard tries > 1, proposal["id"] != nil, chance(3) else { return reply.send(outcome) }
    propose(proposal, 1, reply)
  }
}
