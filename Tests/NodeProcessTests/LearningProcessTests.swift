import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing
import TestPorts

/// A server and three trainers as processes of their own.
@Suite(.serialized) struct LearningProcessTests {
  let machine = Machine()
  let ports = freePorts(4)
  private static let trainers = 3

  init() throws {
    let strategies = "{ role: strategy, config: {} }"
    for role in ["flserver", "strategy"] {
      // Copies, so that a swap finds a build that is not the tests' own.
      let (code, output) = run(["cp", "\(Place.products)/lib\(role).so", machine.folder])
      #expect(code == 0, "\(output)")
    }
    let places = (1...Self.trainers).map { "\"http://127.0.0.1:\(ports[$0])\"" }.joined(separator: ", ")
    machine.write(
      "server.yaml",
      """
      nodehost: 1
      node: { id: 100, name: server, address: 127.0.0.1, state: ./server }
      listen: { rest: { address: "127.0.0.1:\(ports[0])" } }
      plugins: { folders: [.], hot_swap: on }
      roles:
        - role: flserver
          config:
            listener: rest
            trainers_from: ""
            trainers: [\(places)]
            look_seconds: 0.2
            data: { shapes: { format: synthetic, count: 200, seed: 7, stream: 99 } }
        - \(strategies)

      """)
    for trainer in 1...Self.trainers {
      machine.write(
        "trainer-\(trainer).yaml",
        """
        nodehost: 1
        node: { id: \(trainer), name: trainer-\(trainer), address: 127.0.0.1, state: ./trainer-\(trainer) }
        listen: { data: { address: "127.0.0.1:\(ports[trainer])" } }
        plugins: { folders: [\(Place.products)] }
        roles:
          - role: trainer
            config:
              data: { shapes: { format: synthetic, count: 200, seed: 7, stream: \(trainer) } }

        """)
    }
  }

  private func document(_ session: String = "", _ change: (String) -> String = { $0 }) {
    machine.write(
      "session.yaml",
      change(
        """
        session_config:
          aggregator: fedavgm
          client_selection: all
        server_training_config:
          num_training_rounds: 6
          validation_dataset: shapes
        client_training_config:
          model_id: LeNet5
          dataset: shapes
          epochs: 2
          batch_size: 32
          learning_rate: 0.05

        """))
  }

  private func startServer() throws -> Child {
    let server = machine.start("server.yaml")
    try server.waits(for: "node: ready after")
    return server
  }

  private func startAll() throws -> Child {
    for trainer in 1...Self.trainers { try machine.start("trainer-\(trainer).yaml").waits(for: "node: ready after") }
    let server = try startServer()
    for _ in 0..<100 where try trainersThere() < Self.trainers { usleep(100_000) }
    return server
  }

  private func trainersThere() throws -> Int {
    try machine.json("--node", "server", "fl", "trainers").array?.count { !($0["data_sets"]?.array ?? []).isEmpty } ?? 0
  }

  @discardableResult
  private func fl(_ words: String...) -> (code: Int32?, text: String) {
    let result = machine.hostctl(["--node", "server", "fl"] + words)
    return (result.code, result.all)
  }

  /// The digest of the session's newest model.
  private func model(_ session: String) throws -> String {
    try machine.json("--node", "server", "fl", "status", session)["sha256"]?.string ?? ""
  }

  private func runs(_ session: String) throws -> String {
    let watched = fl("start", "session.yaml", "--session", session, "--watch")
    #expect(watched.code == 0 && watched.text.contains("round 6 of 6"), "\(watched.text)")
    return try model(session)
  }

  /// What a killed server has on its disk is all that it needs: the model has the same bits in the end, and so it has
  /// when the code was exchanged on the way.
  @Test func aSessionOutlivesKillsAndSwaps() throws {
    var server = try startAll()
    document()
    let calm = try runs("calm")
    #expect(try runs("again") == calm)

    #expect(fl("start", "session.yaml", "--session", "killed").code == 0)
    for pause in [150_000, 350_000, 80_000] as [UInt32] {
      usleep(pause)
      server.send(SIGKILL)
      _ = server.end()
      server = try startServer()
    }
    let watched = fl("watch", "killed")
    #expect(watched.code == 0, "\(watched.text)\(fl("history", "killed").text.suffix(2_000))")
    #expect(try model("killed") == calm)
    let events = fl("history", "killed").text
    #expect(events.contains("\"resumed\""))
    let made = events.split(separator: "\n").filter { $0.contains("\"event\":\"model\"") }
    #expect(made.count <= 6 && !made.contains { !$0.contains("\"updates\":3") }, "\(events)")

    #expect(fl("start", "session.yaml", "--session", "swapped").code == 0)
    for _ in 0..<3 {
      let swapped = machine.hostctl("--node", "server", "swap", "flserver")
      #expect(swapped.code == 0, "\(swapped.all)")
    }
    #expect(fl("watch", "swapped").code == 0)
    #expect(try model("swapped") == calm)
    #expect(!server.errors.contains("misuse"), "\(server.errors)")
  }

  @Test func sessionsAreSteered() throws {
    let server = try startAll()
    document()
    #expect(fl("start", "session.yaml", "--session", "steered", "--rounds", "100000").code == 0)
    usleep(500_000)
    let stopped = fl("stop", "steered", "--why", "enough")
    #expect(stopped.code == 0, "\(stopped.text)")
    #expect(fl("status", "steered").text.contains("stopped: enough"))
    let round = try machine.json("--node", "server", "fl", "status", "steered")["round"]?.int ?? 0
    let on = fl("resume", "steered", "--rounds", "\(round + 2)", "--watch")
    #expect(
      on.code == 0 && on.text.contains("round \(round + 2) of \(round + 2)"),
      "\(on.text)\(fl("history", "steered").text.suffix(3_000))")
    let over = fl("resume", "steered")
    #expect(over.code == 1 && over.text.contains("say how many there are to be"), "\(over.text)")

    // Begun with the model of another, it is no worse at once.
    let exported = fl("export", "steered", "-o", "steered.safetensors")
    #expect(exported.code == 0, "\(exported.text)")
    let (code, text) = run(["sha256sum", machine.path("steered.safetensors")])
    #expect(try code == 0 && text.hasPrefix(model("steered")))
    let from = fl(
      "start", "session.yaml", "--session", "from", "--rounds", "1", "--from", "steered.safetensors", "--server",
      "127.0.0.1:\(ports[0])", "--watch")
    #expect(from.code == 0, "\(from.text)")
    #expect(fl("history", "from").text.contains("\"model\":\"\(try model("steered"))\""))

    for (name, file) in [("png", "curve.png"), ("svg", "curve.svg")] {
      #expect(fl("plot", "steered", "from", "-o", file).code == 0, "\(name)")
    }
    #expect(run(["file", machine.path("curve.png")]).1.contains("PNG image data, 1920 x 800"))
    #expect(machine.text("curve.svg").hasSuffix("</svg>\n"))

    document { $0.replacingOnce("learning_rate", "learning_rat") }
    let wrong = fl("start", "session.yaml", "--session", "wrong")
    #expect(wrong.code == 1 && wrong.text.contains("session.yaml:12:17"), "\(wrong.text)")
    #expect(!server.errors.contains("misuse"), "\(server.errors)")
  }

  /// Somebody's own role chooses and combines; another build of it takes over between two rounds.
  @Test func rolesChooseAndCombine() throws {
    let server = try startAll()
    document {
      $0.replacingOnce("fedavgm", "role:strategy").replacingOnce("selection: all", "selection: role:strategy")
    }
    #expect(fl("start", "session.yaml", "--session", "own", "--rounds", "30").code == 0)
    usleep(200_000)
    #expect(machine.hostctl("--node", "server", "swap", "strategy").code == 0)
    let watched = fl("watch", "own")
    #expect(watched.code == 0, "\(watched.text)")
    let events = fl("history", "own").text.split(separator: "\n")
    let greatest = (1...Self.trainers).map { "127.0.0.1:\(ports[$0])" }.max()!
    #expect(!events.contains { $0.contains("\"asked\"") && $0.contains(greatest) })
    #expect(events.count { $0.contains("\"event\":\"model\"") && $0.contains("\"updates\":2") } == 30)
    #expect(!server.errors.contains("misuse"), "\(server.errors)")
  }

  /// As Flotilla's session script asks: the answer comes when the session is over.
  @Test func flotillasSessionScriptIsServed() throws {
    _ = try startAll()
    func post(_ body: String) -> (status: String, text: String) {
      machine.write("body.json", body)
      let (_, text) = run([
        "curl", "-s", "-m", "30", "-w", "\n%{http_code}", "-d", "@\(machine.path("body.json"))",
        "http://127.0.0.1:\(ports[0])/execute_command",
      ])
      let lines = text.split(separator: "\n")
      return (lines.last.map(String.init) ?? "", lines.dropLast().joined())
    }
    let config = """
      {"session_config": {"session_id": "x", "use_gpu": "None", "aggregator": "fedavg", "aggregator_args": "None",
        "client_selection": "all", "client_selection_args": "None", "checkpoint_interval": 1, "generate_plots": false},
       "benchmark_config": {"skip_benchmark": false, "model_id": "mlp", "bench_minibatch_count": 3},
       "server_training_config": {"num_training_rounds": 2, "validation_dataset": "shapes"},
       "client_training_config": {"model_id": "mlp", "model_class": "MLP", "epochs": 1, "dataset": "DATA",
        "batch_size": 16, "learning_rate": 0.01, "train_timeout_duration_s": 30, "loss_function": "crossentropy",
        "optimizer": "SGD"},
       "model_config": {"use_custom_dataloader": false, "custom_loader_args": "None", "model_args": {}}}
      """
    func command(_ id: String, data: String = "shapes") -> String {
      """
      {"session_id": "\(id)", "federated_learning_config": \(config.replacingOnce("DATA", data)), "restore": false, \
      "revive": false, "file": false}
      """
    }
    let done = post(command("flo"))
    #expect(done.status == "200" && done.text.contains("\"Session flo finished\""), "\(done.text)")
    #expect(fl("history", "flo").text.contains("\"timed\""))
    let nobody = post(command("flo-2", data: "faces"))
    #expect(nobody.status == "400" && nobody.text.contains("\"No active clients\""), "\(nobody.text)")
    #expect(fl("status", "flo-2").text.contains("there is no session `flo-2`"), "its name is free")
    document()
    #expect(fl("start", "session.yaml", "--session", "rest", "--rounds", "100000").code == 0)
    let stopped = run([
      "curl", "-s", "-m", "30", "-X", "POST", "http://127.0.0.1:\(ports[0])/sessions/rest/stop?why=enough",
    ])
    #expect(stopped.1.contains("\"end\":\"stopped: enough\""), "\(stopped.1)")
    let wrong = post("{}")
    #expect(wrong.status == "400" && wrong.text.contains("\"Invalid request\""), "\(wrong.text)")
  }
}

extension String {
  fileprivate func replacingOnce(_ old: String, _ new: String) -> String {
    guard let range = firstRange(of: old) else { return self }
    return self[..<range.lowerBound] + new + self[range.upperBound...]
  }
}
