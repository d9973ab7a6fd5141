import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// The shipped manifests on three machines, each a network namespace of its own: a server, and two trainers that are
/// told no more than where it is.
@Suite struct LearningNetworkTests {
  let machine = Machine()

  private func start(_ manifest: String, _ words: [String], in wires: Wires, _ place: Int) throws -> Child {
    let name = place == 1 ? "server" : "trainer-\(place)"
    let settings = ["--set", "plugins.folders=[\(Place.products)]", "--set", "node.state=\(machine.folder)/\(name)"]
    let inside = wires.inside(place), path = "\(Place.repository)/manifests/flotilla/\(manifest)"
    let node = machine.child(
      inside[0], inside.dropFirst() + ["\(Place.products)/nodehost", path] + settings + words)
    try node.waits(for: "node: ready after")
    return node
  }

  private func fl(_ words: String...) -> Machine.Result { machine.hostctl(["--node", "flserver", "fl"] + words) }

  private func there() throws -> [String] {
    try machine.json("--node", "flserver", "fl", "trainers").array?
      .filter { $0["there"]?.bool == true && !($0["data_sets"]?.array ?? []).isEmpty }
      .compactMap { $0["id"]?.string }.sorted() ?? []
  }

  @Test(.enabled(if: Wires.canBeMade, "network namespaces are for root"))
  func aServerAndItsTrainersOnThreeMachines() throws {
    let wires = try Wires(machine)
    let gateway = ["node_timeout_seconds=2", "heartbeat_interval_seconds=1"]
    let server = try start(
      "server.yaml", gateway.flatMap { ["--set", "roles.gateway.config.\($0)"] }, in: wires, 1)
    #expect(server.errors.contains("trainers on other machines: nodehost manifests/flotilla/client.yaml --peer 1="))
    var trainers: [String] = []
    for place in 2...3 {
      let trainer = try start(
        "client.yaml",
        ["--peer", "1=\(Wires.address(of: 1, from: place))", "--set", "node.name=trainer-\(place)"], in: wires, place)
      let own = "\(Wires.address(of: place, from: 1)):50053"
      try trainer.waits(for: "others reach this node at \(own)")
      trainers.append(own)
    }
    for _ in 0..<200 where try there() != trainers { usleep(50_000) }
    #expect(try there() == trainers)
    let text = readFile("\(Place.repository)/manifests/flotilla/sessions/shapes.yaml", limit: 1 << 16) ?? []
    let document = machine.path("session.yaml")
    let quick = String(decoding: text, as: UTF8.self)
    machine.write("session.yaml", quick.replacing("timeout_duration_s: 60", with: "timeout_duration_s: 2"))
    let whole = fl("start", document, "--session", "whole", "--rounds", "3", "--watch")
    #expect(whole.code == 0, "\(whole.all)")

    // A machine is cut off in the middle of a session: its rounds fail, and the others go on.
    #expect(fl("start", document, "--session", "cut", "--rounds", "4000").code == 0)
    usleep(500_000)
    wires.set(1, 3, "down")
    func round() throws -> Int64 { try machine.json("--node", "flserver", "fl", "status", "cut")["round"]?.int ?? 0 }
    for _ in 0..<600 where try there() != [trainers[0]] { usleep(50_000) }
    #expect(try there() == [trainers[0]])
    let before = try round()
    wires.set(1, 3, "up")
    for _ in 0..<600 where try there() != trainers { usleep(50_000) }
    #expect(try there() == trainers)
    for _ in 0..<600 where try round() <= before + 3 { usleep(50_000) }
    #expect(try round() > before + 3)
    #expect(fl("stop", "cut").code == 0)
    #expect(!server.errors.contains("misuse"), "\(server.errors)")
  }
}
