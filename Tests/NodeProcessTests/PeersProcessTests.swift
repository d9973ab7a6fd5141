import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// Nodes as processes of their own, linked over the loopback, as an operator runs them.
@Suite struct PeersProcessTests {
  let machine = Machine()
  private let ports = freePorts(3)

  init() {
    let made = machine.hostctl("key", "new")
    precondition(made.code == 0, made.all)
    let (code, output) = run([
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
      "\(Place.repository)/SDK/CNodeABI/include", "-o", machine.path("libmailer.so"),
      "\(Place.repository)/Tests/Fixtures/mailer.c",
    ])
    precondition(code == 0, output)
  }

  private func manifest(_ id: Int, peers: [Int] = [1, 2, 3]) {
    let list = peers.map { "\($0): \"127.0.0.1:\(ports[$0 - 1])\"" }.joined(separator: ", ")
    machine.write(
      "\(id).yaml",
      """
      nodehost: 1
      node: { id: \(id), name: node-\(id), address: 127.0.0.1, state: ./state-\(id) }
      cluster: { name: demo, key: "${file:./cluster.key}", peers: { \(list) } }
      listen: { peers: { address: "127.0.0.1:\(ports[id - 1])" } }
      plugins: { folders: [.] }
      roles:
        - { role: mailer, name: mail }
      """)
  }

  private func start(_ id: Int, _ options: [String] = []) throws -> Child {
    manifest(id)
    let node = machine.child("\(Place.products)/nodehost", ["\(id).yaml"] + options)
    try node.waits(for: "node: ready after")
    return node
  }

  private func peers(_ id: Int) throws -> [Int: JSON] {
    let list = try machine.json("--node", "node-\(id)", "peers")["peers"]?.array ?? []
    return Dictionary(uniqueKeysWithValues: list.map { (Int($0["id"]?.int ?? 0), $0) })
  }

  private func seen(_ id: Int, _ what: String) throws -> Int64? {
    try machine.json("--node", "node-\(id)", "call", "mail", "seen")["value"]?[what]?.int
  }

  private func eventually(_ what: String, _ condition: () throws -> Bool) rethrows {
    for _ in 0..<200 {
      if try condition() { return }
      usleep(50_000)
    }
    Issue.record("\(what) never happened")
  }

  @Test func theKeyIsForNobodyElseAndIsNotOverwritten() throws {
    var status = stat()
    #expect(stat(machine.path("cluster.key"), &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(machine.text("cluster.key").utf8.count == 45, "32 bytes in base64 and a line feed")
    let again = machine.hostctl("key", "new")
    #expect(again.code == 1 && again.errors.contains("cannot write cluster.key: File exists"), "\(again.all)")
    let other = machine.hostctl("key", "new", "other.key")
    #expect(other.output.contains("${file:./other.key}") && machine.text("other.key") != machine.text("cluster.key"))
    #expect(machine.hostctl("key", "old").code == 64)
  }

  @Test func threeNodesAndAKill() throws {
    let nodes = try (1...3).map { try start($0) }
    try eventually("all are linked") { try (1...3).allSatisfy { try peers($0).values.allSatisfy { $0["up"] == true } } }
    #expect(machine.hostctl("--node", "node-1", "call", "mail", "flood", "2", "", "1", "500", "100").output == "500\n")
    try eventually("they have come") { try seen(2, "messages") == 500 }
    #expect(try seen(2, "disorder") == 0)

    let table = machine.hostctl("--node", "node-1", "peers")
    let lines = table.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(lines.first?.prefix(5) == ["ID", "NODE", "ADDRESS", "STATE", "SINCE"], "\(table.all)")
    #expect(
      lines.dropFirst().map { Array($0.prefix(4)) } == [
        ["2", "node-2", "127.0.0.1:\(ports[1])", "up"], ["3", "node-3", "127.0.0.1:\(ports[2])", "up"],
      ], "\(table.all)")
    let metrics = machine.hostctl("--node", "node-1", "metrics").output
    #expect(metrics.contains("nodehost_peer_up{node=\"node-1\",peer=\"2\"} 1"), "\(metrics)")

    nodes[1].send(SIGKILL)
    #expect(nodes[1].end() == 128 + SIGKILL)
    try eventually("it is missed") { try peers(1)[2]?["up"] == false && peers(3)[2]?["up"] == false }
    #expect(try peers(1)[3]?["up"] == true)
    #expect(machine.hostctl("--node", "node-1", "call", "mail", "flood", "2", "", "1", "1", "100").output == "0\n")
    let again = try start(2)
    try eventually("it is linked again") { try peers(1)[2]?["up"] == true && peers(3)[2]?["up"] == true }
    #expect(try peers(1)[2]?["links"] == 2 && peers(1)[3]?["links"] == 1)
    for node in [nodes[0], again, nodes[2]] { node.send(SIGTERM) }
    #expect(nodes[0].end() == 0 && again.end() == 0 && nodes[2].end() == 0)
  }

  @Test func linksAreCutOnlyInDevelopmentAndPeersChangeAtAReload() throws {
    _ = try (start(1), start(2, ["--dev"]))
    try eventually("they are linked") { try peers(1)[2]?["up"] == true }
    let refused = machine.hostctl("--node", "node-1", "peers", "cut", "2")
    #expect(refused.code == 1 && refused.errors.contains("run it with --dev"), "\(refused.all)")
    #expect(machine.hostctl("--node", "node-2", "peers", "cut", "1").output == "the link to node 1 is cut\n")
    #expect(try peers(2)[1]?["cut"] == ["incoming", "outgoing"])
    #expect(machine.hostctl("--node", "node-2", "peers", "heal", "1").output == "the link to node 1 is healed\n")
    #expect(try peers(2)[1]?["cut"] == [] && peers(2)[1]?["up"] == true)
    #expect(machine.hostctl("--node", "node-2", "peers", "cut", "9").errors.contains("no such node"))

    manifest(1, peers: [2])
    #expect(try machine.json("--node", "node-1", "reload")["needs_node_restart"] == [])
    try eventually("only 2 is left") { try peers(1).keys.sorted() == [2] }
    #expect(try peers(1)[2]?["links"] == 1)
  }

  @Test func aPortThatIsTakenIsNamed() throws {
    let first = try start(1)
    manifest(2)
    machine.write(
      "2.yaml",
      machine.text("2.yaml").replacing("address: \"127.0.0.1:\(ports[1])\"", with: "address: \"127.0.0.1:\(ports[0])\"")
    )
    let second = machine.nodehost("2.yaml")
    #expect(second.code == 1)
    #expect(
      second.errors
        == "nodehost: links to other nodes: cannot listen at 127.0.0.1:\(ports[0]): Address already in use; "
        + "see cluster and listen.peers in the manifest\n", "\(second.errors)")
    first.send(SIGTERM)
    #expect(first.end() == 0)
  }
}

/// Ports that nobody listens at.
private func freePorts(_ count: Int) -> [UInt16] {
  var sockets: [Int32] = []
  defer { for socket in sockets { close(socket) } }
  return (0..<count).map { _ in
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    sockets.append(descriptor)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        _ = bind(descriptor, $0, size)
        getsockname(descriptor, $0, &size)
      }
    }
    return UInt16(bigEndian: address.sin_port)
  }
}
