import Glibc
import HostRuntime
import NodeValues
import Testing
import TestPorts

/// Three nodes that commit transactions, as processes of their own. The file `stop-ID` tells a build of the coordinator
/// that stops at which step.
final class Banks {
  let machine = Machine()
  let ports = freePorts(3)
  private let isMajority: Bool
  private let plugins: String
  private let resource: String
  private let isOneThread: Bool

  struct Missing: Error, CustomStringConvertible { var description: String }

  /// - Parameters:
  ///   - resource: the role that they change.
  ///   - isOneThread: links and roles of a node are on one loop.
  init(
    majority isMajority: Bool, plugins: String = Place.products, resource: String = "role: ledger",
    isOneThread: Bool = false
  ) {
    (self.isMajority, self.plugins, self.resource, self.isOneThread) = (isMajority, plugins, resource, isOneThread)
  }

  /// - Parameter wires: the node is in a network of its own.
  func start(_ id: Int, in wires: Wires? = nil) throws -> Child {
    func address(_ of: Int) -> String { wires == nil ? "127.0.0.1" : Wires.address(of: of, from: id) }
    let peers = (1...3).map { "\($0): \"\(address($0)):\(ports[$0 - 1])\"" }.joined(separator: ", ")
    machine.write(
      "bank-\(id).yaml",
      """
      nodehost: 1
      node: { id: \(id), name: bank-\(id), address: 127.0.0.1, state: ./state-\(id) }
      cluster: { name: banks, key: "${BANKS_KEY}", peers: { \(peers) }\(isOneThread ? ", own_loop: off" : "") }
      loops: \(isOneThread ? "1" : "auto")
      listen: { peers: { address: "\(wires == nil ? "127.0.0.1" : "0.0.0.0"):\(ports[id - 1])" } }
      plugins: { folders: ["\(plugins)", "\(Place.products)", "\(machine.folder)"], hot_swap: on }
      roles:
        \(isMajority ? "- { role: elector, config: { hold_down_ms: 60000 } }" : "")
        - { \(resource) }
        - role: coordinator
          config: { \(isMajority ? "elector: elector" : "node: 1"), vote_ms: 500, doubt_ms: 200 }
      """)
    let words = (wires?.inside(id) ?? []) + [Place.nodehost, "bank-\(id).yaml"]
    let node = machine.child(
      words[0], Array(words.dropFirst()),
      environment: [
        "BANKS_KEY=" + String(repeating: "5c", count: 24), "NODEHOST_STOPS=\(machine.path("stop-\(id)"))",
      ])
    try node.waits(for: "node: ready after")
    return node
  }

  // MARK: What nodes say

  func value(_ id: Int, _ words: String...) -> JSON? {
    let said = machine.hostctl(["--node", "bank-\(id)", "call"] + words + ["--json", "--timeout", "4000"])
    return said.code == 0 ? (try? JSON(parsing: said.output))?["value"] : nil
  }

  func state(_ id: Int) -> JSON { value(id, "coordinator", "state") ?? .null }

  /// Who coordinates, linked with so many, itself among them.
  func coordinator(linked: Int = 3, among ids: [Int] = [1, 2, 3]) throws -> Int {
    var found = 0
    try eventually("\(linked) nodes have a coordinator") {
      found =
        ids.first { id in
          let state = state(id)
          return state["phase"] == "ready" && state["linked"]?.array?.count ?? 0 >= linked
        } ?? 0
      return found > 0
    }
    return found
  }

  func eventually(_ what: String, _ body: () throws -> Bool) throws {
    let end = EventLoop.now() + Int64(Child.patienceMilliseconds) * 1_000_000
    while EventLoop.now() < end {
      if try body() { return }
      usleep(20_000)
    }
    throw Missing(description: "\(what): never happened; \((1...3).map { state($0) })")
  }

  /// A proposal that sets a key on all nodes, or on some.
  static func proposal(_ id: String, _ key: String, nodes: [Int]? = nil, resource: String = "ledger") -> String {
    let place = nodes.map { ",\"nodes\":\($0)" } ?? ""
    let change = "{\"resource\":\"\(resource)\",\"key\":\"\(key)\"\(place),\"change\":{\"add\":1}}"
    return "{\"id\":\"\(id)\",\"changes\":[\(change)]}"
  }

  /// All that a node's ledger has.
  func ledger(_ id: Int) -> JSON? { value(id, "ledger", "list", "", "", "1000")?["entries"] }
}
