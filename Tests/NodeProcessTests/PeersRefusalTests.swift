import Glibc
import HostCore
import NodeValues
import Testing

/// Nodes that must not be linked: both sides say why, in the log and in `hostctl peers`.
@Suite struct PeersRefusalTests {
  let cluster = Cluster()
  private var machine: Machine { cluster.machine }

  /// That the node has written the words once, and shows them.
  private func expect(
    _ node: Child, _ name: String, says words: String, place: SourceLocation = #_sourceLocation
  ) throws {
    try node.waits(for: words, place: place)
    var shown = ""
    cluster.eventually("\(name) shows it: \(words)", place: place) {
      shown = machine.hostctl("--node", name, "peers").output
      return shown.contains("note: ") && shown.contains(words)
    }
    usleep(300_000)
    let times = node.errors.split(separator: words, omittingEmptySubsequences: false).count - 1
    #expect(times <= 2, "an error that stays is not written again and again:\n\(node.errors)", sourceLocation: place)
  }

  @Test func anotherKey() throws {
    #expect(machine.hostctl("key", "new", "other.key").code == 0)
    let first = try cluster.start(1), second = try cluster.start(2) { $0.proof = "key: \"${file:./other.key}\"" }
    for (node, name) in [(first, "node-1"), (second, "node-2")] {
      try expect(node, name, says: "it has another key; cluster.key must be the same on all nodes")
      #expect(!node.errors.contains("linked with node"))
    }
  }

  @Test func anotherClusterName() throws {
    let first = try cluster.start(1), second = try cluster.start(2) { $0.cluster = "prod" }
    try expect(first, "node-1", says: "it is of the cluster `prod`, not `demo`")
    try expect(second, "node-2", says: "it is of the cluster `demo`, not `prod`")
    #expect(!first.errors.contains("linked with node") && !second.errors.contains("linked with node"))
  }

  @Test func twoNodesWithOneId() throws {
    let first = try cluster.start(1), second = try cluster.start(2)
    try cluster.awaitLinks([1, 2])
    let twin = try cluster.start(2) {
      $0.name = "twin"
      $0.listens = cluster.address(3)
      $0.peers[3] = nil
    }
    let words = "two nodes have the id 2"
    try expect(first, "node-1", says: words)
    try expect(twin, "twin", says: words)
    #expect(twin.errors.contains("change node.id of one of them") && first.errors.contains("node-2 and twin"))
    #expect(try cluster.peers(1)[2]?["links"] == 1 && cluster.isUp(2, 1), "the first one stays linked")
    #expect(cluster.flood(1, 2, count: 10) == 10)
    try cluster.eventually("and gets its messages") { try cluster.seen(2, "messages") == 10 }
    #expect(second.endedAlready() == nil)
  }

  @Test func anAddressOfItsOwn() throws {
    let node = try cluster.start(1) { $0.peers = [2: cluster.address(1)] }
    try expect(node, "node-1", says: "this address leads back to node 1 itself; see cluster.peers")
  }

  @Test func anAddressOfAnotherNode() throws {
    let first = try cluster.start(1) { $0.peers = [2: cluster.address(2), 3: cluster.address(2)] }
    let second = try cluster.start(2)
    let words = "at the address of node 3 is node 2 (node-2); see cluster.peers"
    try expect(first, "node-1", says: words)
    try second.waits(for: words)
    try cluster.awaitLinks([1, 2])
  }

  @Test func aNodeThatNobodyKnows() throws {
    let first = try cluster.start(1) { $0.peers[2] = nil }
    let second = try cluster.start(2)
    let words = "node 2 (node-2) is not among the cluster.peers of node 1 (node-1)"
    try expect(first, "node-1", says: words)
    try expect(second, "node-2", says: words)
  }

  @Test func aKeyAndACertificate() throws {
    let made = Certificates(in: machine, names: [1: "node-1.demo"])
    #expect(made.code == 0, "\(made.output)")
    let first = try cluster.start(1) { $0.proof = Certificates.tls(1) }, second = try cluster.start(2)
    try expect(first, "node-1", says: "it has no certificate; all nodes must have")
    try expect(second, "node-2", says: "it proves itself by a certificate, and this node by a key")
    #expect(!first.errors.contains("linked with node") && !second.errors.contains("linked with node"))
  }

  @Test func certificatesOfNodes() throws {
    let made = Certificates(in: machine, names: [1: "node-1.demo", 2: "node-2.demo", 3: "node-7.demo"])
    #expect(made.code == 0, "\(made.output)")
    let nodes = try (1...3).map { id in try cluster.start(id) { $0.proof = Certificates.tls(id) } }
    try cluster.awaitLinks([1, 2])
    #expect(try machine.json("--node", "node-1", "peers")["proof"]?.string == "certificates")
    #expect(cluster.flood(1, 2, count: 100) == 100)
    try cluster.eventually("they have come") { try cluster.seen(2, "messages") == 100 }
    let words = "the certificate of node 3 (node-3) is not for node-3.demo"
    try expect(nodes[0], "node-1", says: words)
    try expect(nodes[2], "node-3", says: words)

    // Its certificate is exchanged; a reload is enough, and no other link notices.
    let another = Certificates(in: machine, names: [3: "node-3.demo"], keepsAuthority: true)
    #expect(another.code == 0, "\(another.output)")
    nodes[2].send(SIGHUP)
    try cluster.awaitLinks([1, 2, 3])
    #expect(try cluster.peers(1)[2]?["links"] == 1)
  }

  @Test func certificatesOfAnotherAuthority() throws {
    #expect(Certificates(in: machine, names: [1: "node-1.demo"]).code == 0)
    machine.write("mine.pem", machine.text("ca.pem"))
    #expect(Certificates(in: machine, names: [2: "node-2.demo"]).code == 0)
    let first = try cluster.start(1) { $0.proof = Certificates.tls(1, authority: "mine.pem") }
    let second = try cluster.start(2) { $0.proof = Certificates.tls(2) }
    for (node, name) in [(first, "node-1"), (second, "node-2")] {
      // As the one that dials, and as the one that is dialled.
      try expect(node, name, says: "the other side's certificate is refused: self-signed certificate")
      try expect(node, name, says: "it does not trust the authority of this node's certificate; see cluster.tls")
      #expect(!node.errors.contains("linked with node"))
    }
  }
}

/// Certificates of an authority of the test's own, as an operator makes them.
private struct Certificates {
  var code: Int32
  var output: String

  init(in machine: Machine, names: [Int: String], keepsAuthority: Bool = false) {
    var script = "cd \(machine.folder)\n"
    if !keepsAuthority {
      script += "openssl req -x509 -newkey ed25519 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2\n"
    }
    for (id, name) in names {
      script += """
        openssl req -newkey ed25519 -nodes -keyout \(id).key -out \(id).csr -subj /CN=node
        echo subjectAltName=DNS:\(name) > \(id).ext
        openssl x509 -req -in \(id).csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile \(id).ext -days 2 \\
          -out \(id).pem

        """
    }
    (code, output) = run(["sh", "-ec", script])
  }

  static func tls(_ id: Int, authority: String = "ca.pem") -> String {
    "tls: { certificate: ./\(id).pem, key: ./\(id).key, authority: ./\(authority) }"
  }
}
