import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing
import TestPorts

/// A cluster on one machine: nodes as processes of their own, as an operator runs them, each with a role `mail` that
/// counts what comes.
final class Cluster {
  let machine = Machine()
  let ports: [UInt16]

  init(ports count: Int = 3) {
    ports = freePorts(count)
    let made = machine.hostctl("key", "new")
    precondition(made.code == 0, made.all)
    let (code, output) = run([
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
      "\(Place.repository)/SDK/CNodeABI/include", "-o", machine.path("libmailer.so"),
      "\(Place.repository)/Tests/Fixtures/mailer.c",
    ])
    precondition(code == 0, output)
  }

  static let sharedKey = "key: \"${file:./cluster.key}\""

  /// The address of the node whose port is the nth.
  func address(_ place: Int) -> String { "127.0.0.1:\(ports[place - 1])" }

  /// How a node is named and finds the others. What is left out is as in a right cluster: the node n is `node-n`, at
  /// the nth port, and knows all the others.
  struct Plan {
    var id: Int
    var name: String
    var cluster = "demo"
    var proof = Cluster.sharedKey
    /// By id; the place of a port, or a whole address.
    var peers: [Int: String]
    var listens: String?

    init(_ id: Int, in cluster: Cluster) {
      self.id = id
      name = "node-\(id)"
      peers = Dictionary(uniqueKeysWithValues: cluster.ports.indices.map { ($0 + 1, cluster.address($0 + 1)) })
      listens = cluster.address(id)
    }
  }

  func write(_ plan: Plan) {
    let list = plan.peers.sorted { $0.key < $1.key }.map { "\($0.key): \"\($0.value)\"" }.joined(separator: ", ")
    let listen = plan.listens.map { "listen: { peers: { address: \"\($0)\" } }" } ?? ""
    machine.write(
      "\(plan.name).yaml",
      """
      nodehost: 1
      node: { id: \(plan.id), name: \(plan.name), address: 127.0.0.1, state: ./state-\(plan.name) }
      cluster: { name: \(plan.cluster), \(plan.proof), peers: { \(list) } }
      \(listen)
      plugins: { folders: [.] }
      roles:
        - { role: mailer, name: mail }
      """)
  }

  /// Starts a node, otherwise than a right one as `change` says. `through` is a program that becomes the node.
  @discardableResult
  func start(
    _ id: Int, _ options: [String] = [], through: [String] = [], _ change: (inout Plan) -> Void = { _ in }
  ) throws -> Child {
    var plan = Plan(id, in: self)
    change(&plan)
    write(plan)
    let words = through + ["\(Place.products)/nodehost", "\(plan.name).yaml"] + options
    let node = machine.child(words[0], Array(words.dropFirst()))
    try node.waits(for: "node: ready after")
    return node
  }

  // MARK: What nodes say

  func hostctl(_ node: Int, _ words: String...) -> Machine.Result {
    machine.hostctl(["--node", "node-\(node)"] + words)
  }

  func peers(_ node: String) throws -> [Int: JSON] {
    let list = try machine.json("--node", node, "peers")["peers"]?.array ?? []
    return Dictionary(uniqueKeysWithValues: list.map { (Int($0["id"]?.int ?? 0), $0) })
  }

  func peers(_ id: Int) throws -> [Int: JSON] { try peers("node-\(id)") }

  func isUp(_ from: Int, _ to: Int) throws -> Bool { try peers(from)[to]?["up"] == true }

  func seen(_ id: Int, _ what: String) throws -> Int64? {
    try machine.json("--node", "node-\(id)", "call", "mail", "seen")["value"]?[what]?.int
  }

  /// How many of so many messages the node took.
  func flood(_ from: Int, _ to: Int, count: Int, size: Int = 100) -> Int? {
    let sent = hostctl(from, "call", "mail", "flood", "\(to)", "", "1", "\(count)", "\(size)")
    return Int(sent.output.dropLast())
  }

  func awaitLinks(_ ids: [Int], place: SourceLocation = #_sourceLocation) throws {
    try eventually("all are linked", place: place) {
      try ids.allSatisfy { id in try ids.allSatisfy { try id == $0 || isUp(id, $0) } }
    }
  }

  func eventually(
    _ what: String, place: SourceLocation = #_sourceLocation, _ condition: () throws -> Bool
  ) rethrows {
    let deadline = EventLoop.now() + Int64(Child.patienceMilliseconds) * 1_000_000
    while EventLoop.now() < deadline {
      if try condition() { return }
      usleep(50_000)
    }
    Issue.record("\(what): never happened", sourceLocation: place)
  }
}
