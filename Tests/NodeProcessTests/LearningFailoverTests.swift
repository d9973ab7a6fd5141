import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing
import TestPorts

/// Three servers of which one leads, and two trainers: whoever is killed, another goes on with the session.
@Suite struct LearningFailoverTests {
  let machine = Machine()
  private let ports = freePorts(8)

  private func server(_ id: Int) throws -> Child {
    let peers = (1...3).map { "\($0): \"127.0.0.1:\(ports[$0 - 1])\"" }.joined(separator: ", ")
    let trainers = ports[6...].map { "\"http://127.0.0.1:\($0)\"" }.joined(separator: ", ")
    machine.write(
      "server-\(id).yaml",
      """
      nodehost: 1
      node: { id: \(id), name: server-\(id), address: 127.0.0.1, state: ./server-\(id) }
      cluster: { name: learning, key: "${file:./cluster.key}", peers: { \(peers) } }
      listen:
        peers: { address: "127.0.0.1:\(ports[id - 1])" }
        rest: { address: "127.0.0.1:\(ports[id + 2])" }
      plugins: { folders: [\(Place.products)] }
      roles:
        - { role: elector, config: { hold_down_ms: 60000 } }
        - role: flserver
          needs: [elector]
          config:
            { elector: elector, listener: rest, trainers_from: "", trainers: [\(trainers)], look_seconds: 0.2,
              data: { shapes: { format: synthetic, count: 200, seed: 7, stream: 99 } } }

      """)
    let server = machine.start("server-\(id).yaml")
    try server.waits(for: "node: ready after")
    return server
  }

  private func trainer(_ number: Int) throws {
    machine.write(
      "trainer-\(number).yaml",
      """
      nodehost: 1
      node: { id: \(10 + number), name: trainer-\(number), address: 127.0.0.1, state: ./trainer-\(number) }
      listen: { data: { address: "127.0.0.1:\(ports[5 + number])" } }
      plugins: { folders: [\(Place.products)] }
      roles:
        - role: trainer
          config: { data: { shapes: { format: synthetic, count: 200, seed: 7, stream: \(number) } } }

      """)
    try machine.start("trainer-\(number).yaml").waits(for: "node: ready after")
  }

  /// Asks whoever leads until somebody does.
  private func fl(_ words: String...) -> (node: Int, result: Machine.Result)? {
    for _ in 0..<200 {
      for id in 1...3 {
        let result = machine.hostctl(["--node", "server-\(id)", "fl"] + words)
        if result.code == 0 { return (id, result) }
      }
      usleep(100_000)
    }
    return nil
  }

  private func status(_ session: String) throws -> JSON {
    let asked = try #require(fl("status", session, "--json"), "nobody leads")
    return try JSON(parsing: asked.result.output)
  }

  private func ends(_ session: String) throws -> JSON {
    for _ in 0..<600 {
      let status = try status(session)
      if status["end"]?.string != nil { return status }
      usleep(50_000)
    }
    return try status(session)
  }

  @Test func anotherServerGoesOn() throws {
    #expect(machine.hostctl("key", "new", "cluster.key").code == 0)
    for number in 1...2 { try trainer(number) }
    var servers = try (1...3).map { try server($0) }
    machine.write(
      "session.json",
      """
      {"session_config": {"aggregator": "fedadam", "checkpoints_kept": 2}, "server_training_config":
      {"num_training_rounds": 30, "validation_dataset": "shapes", "least_updates": 2}, "client_training_config":
      {"model_id": "mlp", "dataset": "shapes", "epochs": 2, "learning_rate": 0.02, "train_timeout_duration_s": 5}}
      """)
    let begun = try #require(fl("start", "session.json", "--session", "calm"))
    let calm = try ends("calm")
    #expect(calm["end"] == "finished", "\(calm)")

    for id in 1...3 where id != begun.node {
      let other = machine.hostctl("--node", "server-\(id)", "fl", "list")
      #expect(other.code == 1 && other.errors.contains("node \(begun.node) leads; ask there"), "\(other.all)")
    }
    _ = try #require(fl("start", "session.json", "--session", "killed"))
    var leader = begun.node, seen: Int64 = 0
    for _ in 0..<2 {
      for _ in 0..<100 where seen < 30 {
        let now = try status("killed")["round"]?.int ?? 0
        #expect(now >= seen, "rounds go back")
        if now > seen + 1 {
          seen = now
          break
        }
      }
      leader = try #require(fl("list")).node
      servers[leader - 1].send(SIGKILL)
      _ = servers[leader - 1].end()
      let now = try status("killed")["round"]?.int ?? 0
      #expect(now >= seen, "rounds go back")
      seen = now
      servers[leader - 1] = try server(leader)
    }
    let killed = try ends("killed")
    #expect(killed["end"] == "finished" && killed["sha256"] == calm["sha256"], "\(killed)\n\(calm)")
    let exported = try #require(fl("export", "killed", "-o", "model.safetensors"))
    #expect(exported.result.code == 0)
    for server in servers { #expect(!server.errors.contains("misuse"), "\(server.errors)") }
  }
}
