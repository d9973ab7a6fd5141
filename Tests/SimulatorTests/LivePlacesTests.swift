import HostCore
import HostRuntime
import Testing

@testable import Simulator

/// Where the nodes of a live run are, and what becomes of what their manifests say.
@Suite struct LivePlacesTests {
  private func places() throws -> LivePlaces {
    let folder = SimulatedPlugins.temporaryFolder()
    defer { removeTree(folder) }
    for id in 1...2 {
      try writeText(
        "\(folder)/\(id).yaml",
        """
        nodehost: 1
        node: { id: \(id + 70), name: n\(id), address: 10.0.0.\(id), state: /var/lib/n\(id) }
        cluster: { key: "${file:not-here}", peers: { 71: "first:7400", 72: "10.0.0.2:7401" } }
        control: { socket: /run/n\(id).sock }
        listen:
          peers: { address: "10.0.0.\(id):750\(id)" }
          data: { address: "0.0.0.0:0" }
        roles: [{ role: a, config: { hosts: ["http://10.0.0.2:80/x", { to: "n1:9" }], count: 3 } }]
        """)
    }
    return LivePlaces(try Deployment(folder), folder: "/tmp/live", network: 9 << 8)
  }

  @Test func everyNodeHasAnAddressAndAFolderOfItsOwn() throws {
    let manifest = try places().plan(1, key: Secret("the key of this run")).manifest
    #expect(manifest.node.address == "127.9.0.2" && manifest.node.state == "/tmp/live/2")
    #expect(
      manifest.control.socket == "/tmp/live/2/control.sock" && manifest.cluster.key?.value == "the key of this run")
    #expect(manifest.listeners.map { "\($0.address)" } == ["127.9.0.2:7502", "127.9.0.2:49153"])
    // Peers are where their own listeners are.
    #expect(manifest.cluster.peers.map { "\($0.address)" } == ["127.9.0.1:7501", "127.9.0.2:7502"])
    let config = try #require(manifest.roles[0].config)
    #expect(config.rendered == "hosts:\n  - \"http://127.9.0.2:80/x\"\n  - to: \"127.9.0.1:9\"\ncount: 3\n")
  }

  @Test(arguments: [
    ("10.0.0.1", "127.9.0.1"), ("10.0.0.11", "10.0.0.11"), ("110.0.0.1", "110.0.0.1"), ("n2:80", "127.9.0.2:80"),
    ("n2", "n2"), ("first:1,n1:2", "127.9.0.1:1,127.9.0.1:2"), ("localhost:8080", "127.9.0.2:8080"),
    ("http://127.0.0.1:1/n1", "http://127.9.0.2:1/n1"), ("n22:80", "n22:80"), ("", ""),
  ])
  func addressesInConfigurationFollow(_ written: String, _ moved: String) throws {
    #expect(try places().moved(written, 1) == moved)
  }
}
