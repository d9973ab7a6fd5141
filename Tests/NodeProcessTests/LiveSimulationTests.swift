import Glibc
import HostRuntime
import SimulatedRoles
import Testing

/// `nodehost simulate --live`: the scenarios of simulated worlds, played by real processes.
@Suite struct LiveSimulationTests {
  private let machine = Machine()

  /// Everything that can be done to live processes, within seconds.
  private static let troubles = """
    faults none
    at 0.5s swap three register
    at 1s crash one for 1s
    at 1.5s slow two 60ms for 1s
    at 2.2s partition three for 1.5s
    at 2.5s cut one two for 500ms
    at 3s reload two
    at 4s blackout two three for 300ms
    at 4.2s break-links 0.01 for 200ms
    at 4.3s slow-disk one for 100ms
    """

  /// Of the register's nodes, with the plugin built so.
  private func start(_ broken: String? = nil, minutes: Double, _ lines: String, _ options: [String] = []) throws
    -> Child
  {
    machine.write(
      "register.sim",
      """
      deployment \(TestPlaces.repository)/Tests/Simulation/register
      minutes \(minutes)
      \(lines)
      clients 6 pause 5ms..50ms timeout 2s
        call register.write k{1..2} {unique}
        call register.read k{1..2}
      always linearizable register.read register.write
      """)
    return child(
      ["simulate", "register.sim", "--live"] + options,
      ["REGISTER_PLUGINS=\(try Register.build.folder(broken: broken))"])
  }

  private func child(_ words: [String], _ environment: [String] = []) -> Child {
    Child(
      Place.nodehost, words, folder: machine.folder, files: machine.path("live"),
      environment: environment + ["TMPDIR=\(machine.folder)"])
  }

  /// The node processes that this one has started.
  private func nodes(of process: pid_t) -> [pid_t] {
    filesIn("/proc").compactMap { pid_t($0) }.filter { other in
      let text = String(decoding: readFile("/proc/\(other)/stat", limit: 1 << 12) ?? [], as: UTF8.self)
      let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
      return fields.count > 1 && fields[0] != "Z" && fields[1] == "\(process)"
    }
  }

  private var folders: [String] { filesIn(machine.folder).filter { $0.hasPrefix("nodehost-live") } }

  @Test func theRightRegisterIsRightAmongRealProcesses() throws {
    let live = try start(minutes: 0.15, "\(Self.troubles)\nwithin 3s running", ["--seed", "1"])
    #expect(live.end() == 0, "\(live.output)\(live.errors)")
    #expect(live.output.hasPrefix("1 live run of 0.15 minutes: 0 failed; 8 faults; "), "\(live.output)")
    #expect(live.output.contains("left out: disks: the machine's own disk"))
    #expect(folders.isEmpty)
  }

  /// A partition is one: without a majority nobody is answered, and with it everybody.
  @Test func whoIsCutOffDoesNotAnswer() throws {
    let lines = "faults none\nat 0.3s partition three for 4s"
    let live = try start(minutes: 0.09, lines, ["--seed", "1", "--trace", "trace"])
    #expect(live.end() == 0, "\(live.output)\(live.errors)")
    let trace = machine.text("trace").split(separator: "\n")
    let late = trace.filter { $0.contains("did not answer in time") }
    #expect(late.count > 4 && late.allSatisfy { $0.contains("  three  ") }, "\(late)")
    #expect(trace.suffix(200).contains { $0.contains("  three  ") && $0.contains("gets answered") }, "it is healed")
  }

  /// Within ten seconds: half the nodes are cut off from the others all the time.
  @Test func aBrokenRegisterIsCaughtLive() throws {
    let live = try start(
      "SMALL_QUORUM", minutes: 0.17, "faults none\nat 1s partition three for 8s", ["--seed", "1", "--json"])
    #expect(live.end() == 1, "\(live.output)\(live.errors)")
    #expect(live.output.contains("\"rule\": \"linearizable register.read register.write\""), "\(live.output)")
    #expect(live.output.contains("\"live\": true") && folders.count == 1)
  }

  @Test(arguments: [SIGINT, SIGTERM, SIGKILL]) func noNodeOutlivesIt(_ signal: Int32) throws {
    let live = try start(minutes: 1, "faults none\nat 0s slow one 50ms for 60s")
    var started: [pid_t] = []
    for _ in 0..<2_000 where !folders.contains(where: { machine.exists(machine.path("\($0)/3/control.sock")) }) {
      usleep(5_000)
    }
    started = nodes(of: live.process)
    #expect(started.count == 3)
    live.send(signal)
    #expect(live.end() == (signal == SIGKILL ? 128 + SIGKILL : 1))
    for _ in 0..<2_000 where started.contains(where: { kill($0, 0) == 0 }) { usleep(1_000) }
    #expect(started.allSatisfy { kill($0, 0) != 0 })
    if signal != SIGKILL { #expect(live.output.hasPrefix("interrupted; ") && folders.isEmpty) }
  }

  /// By HTTP, at the ports that the manifests name, though all nodes are on one machine.
  @Test func usersFromOutsideAreAnswered() throws {
    let include = "\(Place.repository)/SDK/CNodeABI/include"
    let (code, output) = run([
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I", include, "-o",
      machine.path("libroutes.so"), "\(Place.repository)/Tests/Fixtures/routes.c",
    ])
    #expect(code == 0 && mkdir(machine.path("nodes"), 0o755) == 0, "\(output)")
    for id in 1...2 {
      machine.write(
        "nodes/\(id).yaml",
        """
        nodehost: 1
        node: { id: \(id), name: n\(id), state: \(machine.folder)/never }
        plugins: { folders: [\(machine.folder)] }
        listen: { data: { address: "0.0.0.0:38080" } }
        roles: [{ role: routes }]
        """)
    }
    machine.write(
      "users.sim",
      """
      deployment nodes
      minutes 0.04
      faults none
      clients 3 pause 5ms..20ms
      get /hello/{1..9}
      post /echo a body, number {unique}
      """)
    let live = child(["simulate", "users.sim", "--live", "--seed", "2", "--trace", "trace"])
    #expect(live.end() == 0, "\(live.output)\(live.errors)")
    #expect(machine.text("trace").contains("gets answered(\"200 a body, number 1\")"))
    #expect(!machine.text("trace").contains("unknown") && !machine.exists(machine.path("never")))
  }

  @Test func whatIsForSimulatedWorldsAloneIsRefused() throws {
    let live = try start(minutes: 1, "", ["--shrink", "--seed", "1"])
    #expect(live.end() == 64)
    #expect(live.errors.contains("--shrink is for simulated worlds"))
  }

  /// A role that does not start is told of at once, with its own words.
  @Test func aPluginThatIsMissingFailsTheRun() throws {
    machine.manifest(["role: nowhere"])
    let live = child(["simulate", "node.yaml", "--live", "--seed", "1", "--minutes", "0.3"])
    #expect(live.end() == 1)
    #expect(live.output.contains("`nowhere` is failed"), "\(live.output)\(live.errors)")
  }
}
