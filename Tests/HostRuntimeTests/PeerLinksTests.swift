import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// How links come up, go down, and do not come up.
@Suite struct PeerLinksTests {
  @Test(arguments: [true, false]) func aNodeThatComesBackIsLinkedAgain(ownLoop: Bool) throws {
    let nodes = LinkedNodes([1, 2], ownLoop: ownLoop)
    nodes.linked((1, 2))
    nodes.stop(2)
    nodes.awaits(1, "downs", 1)
    #expect(nodes.complaints(1, "the link to node 2 (node-2) is down: node 2 ends") == 1)
    nodes.start(2)
    nodes.linked((1, 2))
    nodes.awaits(1, "ups", 2)
    #expect(nodes.peer(1, 2)?.links == 2)
  }

  @Test func oneReachableDirectionIsEnough() throws {
    // 1 listens nowhere, and 2 does not know where it is; then the other way round.
    for (dialler, other) in [(1, 2), (2, 1)] {
      let nodes = LinkedNodes()
      nodes.start(other, peers: "\(dialler): \"127.0.0.1:\(nodes.ports[3])\"")
      nodes.start(dialler, listens: false)
      nodes.linked((1, 2))
    }
  }

  @Test func bothMayDialAtOnce() throws {
    for _ in 0..<3 {
      let nodes = LinkedNodes([2, 1])
      nodes.linked((1, 2))
      usleep(300_000)
      #expect(nodes.peer(1, 2)?.links == 1 && nodes.peer(2, 1)?.links == 1, "\(nodes.report(1))")
    }
  }

  @Test func anotherKeyIsSaidOnBothSidesOnce() throws {
    let nodes = LinkedNodes([1])
    nodes.start(2, cluster: "name: demo, key: \"${B}\"")
    eventually("both say so") {
      nodes.complaints(1, "it has another key") > 0 && nodes.complaints(2, "it has another key") > 0
    }
    usleep(500_000)
    #expect(!nodes.isUp(1, 2) && !nodes.isUp(2, 1))
    // Each side meets it as the one who dials and as the one who is dialled.
    #expect(nodes.complaints(1, "it has another key") == 1 && nodes.complaints(2, "it has another key") == 1)
    #expect(nodes.peer(1, 2)?.lastError == "it has another key; cluster.key must be the same on all nodes")
  }

  @Test func anotherClusterIsSaidOnBothSides() throws {
    let nodes = LinkedNodes([1])
    nodes.start(2, cluster: "name: other, key: \"${A}\"", listens: false)
    eventually("both say so") {
      nodes.complaints(1, "it is of the cluster `other`, not `demo`") > 0
        && nodes.complaints(2, "it is not of the cluster `other`") > 0
    }
    #expect(nodes.report(1).strangers.map(\.address) == ["127.0.0.1"])
    #expect(!nodes.isUp(2, 1))
  }

  @Test func twoNodesWithOneIdAreToldApart() throws {
    let nodes = LinkedNodes([1, 2])
    nodes.linked((1, 2))
    nodes.start(2, place: 3, key: 3)
    eventually("the one that knows both says so") { nodes.complaints(1, "two nodes have the id 2") > 0 }
    eventually("the one that is refused says so") { nodes.complaints(3, "two nodes have the id 2") > 0 }
    usleep(500_000)
    #expect(nodes.peer(1, 2)?.links == 1 && nodes.isUp(2, 1), "the first stays linked")
    #expect(nodes.complaints(1, "two nodes have the id 2") == 1)
  }

  @Test func anAddressThatLeadsElsewhereIsSaid() throws {
    let nodes = LinkedNodes()
    // 1 takes itself for 2, and 2 for 3.
    let itself = "2: \"127.0.0.1:\(nodes.ports[0])\", 3: \"127.0.0.1:\(nodes.ports[1])\""
    nodes.start(1, peers: itself)
    nodes.start(2, peers: "1: \"127.0.0.1:\(nodes.ports[3])\"")
    eventually("it says so") { nodes.complaints(1, "this address leads back to node 1 itself") == 1 }
    eventually("it says so") { nodes.complaints(1, "at the address of node 3 is node 2 (node-2)") == 1 }
  }

  @Test func aNodeThatIsNotInTheListIsRefused() throws {
    let nodes = LinkedNodes()
    nodes.start(1, peers: "3: \"127.0.0.1:\(nodes.ports[2])\"")
    nodes.start(2)
    let words = "node 2 (node-2) is not among the cluster.peers of node 1 (node-t)"
    eventually("both say so") { nodes.complaints(1, words) == 1 && nodes.complaints(2, words) == 1 }
  }

  @Test func aPartitionIsFoundByItsSilence() throws {
    let nodes = LinkedNodes([1, 2])
    nodes.linked((1, 2))
    nodes.cut(1, 2)
    nodes.awaits(1, "downs", 1)
    nodes.awaits(2, "downs", 1)
    usleep(300_000)
    #expect(!nodes.isUp(1, 2) && nodes.peer(1, 2)?.state == "cut" && nodes.peer(1, 2)?.cut == ["incoming", "outgoing"])
    nodes.cut(1, 2, heals: true)
    nodes.linked((1, 2))
    #expect(try nodes.flood(1, 2, count: 10, size: 20) == 10)
    nodes.awaits(2, "messages", 10)
  }

  @Test func oneWayIsEnoughForThat() throws {
    let nodes = LinkedNodes([1, 2])
    nodes.linked((1, 2))
    nodes.cut(2, 1, .incoming)
    nodes.awaits(2, "downs", 1)
    nodes.awaits(1, "downs", 1)
    nodes.cut(2, 1, heals: true)
    nodes.linked((1, 2))
  }

  @Test func peersComeAndGoWithoutTheOthers() throws {
    let nodes = LinkedNodes([1, 2, 3])
    nodes.linked((1, 2), (1, 3), (2, 3))
    let two = ClusterSettings.Peer(id: 2, address: Endpoint(host: "127.0.0.1", port: nodes.ports[1]))
    let three = ClusterSettings.Peer(id: 3, address: Endpoint(host: "127.0.0.1", port: nodes.ports[2]))
    nodes[1].onControl { $0.adoptPeers([two]) }
    eventually("3 is gone") { !nodes.isUp(3, 1) && nodes.report(1).peers.map(\.id) == [2] }
    #expect(nodes.peer(1, 2)?.links == 1)
    eventually("3 knows why") {
      nodes.peer(3, 1)?.lastError.contains("not among the cluster.peers of node 1") == true
    }
    nodes[1].onControl { $0.adoptPeers([two, three]) }
    nodes.linked((1, 3))
    #expect(nodes.peer(1, 2)?.links == 1)
  }

  @Test func onlyTLS13IsSpoken() throws {
    let nodes = LinkedNodes([1])
    func client(_ options: [String]) -> String {
      run(["timeout", "5", "openssl", "s_client", "-connect", "127.0.0.1:\(nodes.ports[0])"] + options).output
    }
    #expect(client(["-tls1_2"]).contains("alert protocol version"))
    #expect(client(["-tls1_3"]).contains("handshake failure"))
    // Whoever knows the key gets in, with its name and in no other way.
    let key = ClusterKey.derive(Secret(String(repeating: "A", count: 40)), cluster: "demo")
    let hex = key.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    let identity = ["-psk", hex, "-psk_identity", "nodehost.peers/1:demo:2", "-ciphersuites", "TLS_AES_128_GCM_SHA256"]
    let linked = client(["-tls1_3"] + identity)
    #expect(linked.contains("Reused, TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256"), "\(linked)")
    #expect(
      client(["-tls1_3", "-psk", hex.replacing("0", with: "1")] + identity.dropFirst(2)).contains("illegal parameter"))
  }

  @Test func certificatesNameTheNodes() throws {
    let folder = Place.temporaryFolder()
    defer { run(["rm", "-rf", folder]) }
    let made = run([
      "sh", "-ec",
      """
      cd \(folder)
      openssl req -x509 -newkey ed25519 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 2
      for id in 1 2 3; do
        openssl req -newkey ed25519 -nodes -keyout $id.key -out $id.csr -subj /CN=x
        name=$id; [ $id = 3 ] && name=7
        printf 'subjectAltName=DNS:node-%s.demo' $name > ext
        openssl x509 -req -in $id.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext -out $id.pem -days 2
      done
      """,
    ])
    try #require(made.code == 0, "\(made.output)")
    func cluster(_ id: Int) -> String {
      let files = "certificate: \(folder)/\(id).pem, key: \(folder)/\(id).key, authority: \(folder)/ca.pem"
      return "name: demo, tls: { \(files) }"
    }
    let nodes = LinkedNodes()
    for id in 1...3 { nodes.start(id, cluster: cluster(id)) }
    nodes.linked((1, 2))
    #expect(try nodes.flood(1, 2, count: 10, size: 100) == 10)
    nodes.awaits(2, "messages", 10)
    let words = "the certificate of node 3 (node-3) is not for node-3.demo"
    eventually("both say so") { nodes.complaints(1, words) == 1 && nodes.complaints(3, words) >= 1 }
    #expect(!nodes.isUp(1, 3) && !nodes.isUp(3, 1))
  }
}
