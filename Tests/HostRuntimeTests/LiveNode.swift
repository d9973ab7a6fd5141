import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Synchronization
import Testing

/// A whole node inside the test: real loops, real plugins, no manifest and no control socket.
final class LiveNode {
  let folder = Place.temporaryFolder()
  let log = LogHub(least: .debug, writesToStandardError: false)
  let control = EventLoop(index: 0, name: "control")
  let node: Node
  private let thread: OwnThread

  /// Holds on to the fixture, whose folder goes with it.
  private let plugin: BrokenPlugin?
  private let server = Holder<UncheckedReference<ControlServer>>()
  var socket: String { "\(folder)/control.sock" }

  convenience init(_ plugin: BrokenPlugin, _ roles: [String]) {
    self.init(plugin, folders: [plugin.folder], roles)
  }

  /// A client of another test may have the port for a moment, or a node that has just ended.
  private static func openHub(of node: Node, _ timing: PeerTiming) -> PeerHub? {
    for _ in 0..<200 {
      do throws(NetworkFailure) { return try node.openHub(timing) } catch {
        guard error.words.contains("already in use") else { preconditionFailure(error.words) }
        usleep(50_000)
      }
    }
    preconditionFailure("the port of the node's links stays in use")
  }

  /// `roles` are entries of the manifest's `roles:`, in YAML, `listen` of its `listen:`, and `sections` other lines of
  /// it. Waits for readiness, unless told not to.
  init(
    _ plugin: BrokenPlugin? = nil, folders: [String], _ roles: [String], allowsChanges: Bool = true, id: Int = 1,
    listen: [String] = [], sections: String = "", timing: PeerTiming = PeerTiming(), waits: Bool = true
  ) {
    self.plugin = plugin
    let plan = Self.plan(folder, folders, roles, allowsChanges, id: id, listen: listen, sections)
    node = Node(plan, control: control, log: log, allowsOtherPlugins: false, executable: Place.nodehost)
    // As the program does.
    signal(SIGPIPE, SIG_IGN)
    do throws(NetworkFailure) { try node.openListeners() } catch { preconditionFailure(error.words) }
    thread = control.startThread()
    node.links = Self.openHub(of: node, timing)
    let ready = Flag()
    control.post { [node] in
      node.whenReady = { ready.raise() }
      node.start()
    }
    if waits { ready.wait("the node is ready") }
  }

  deinit {
    let ended = Flag()
    control.post { [node] in
      node.whenEnded = { ended.raise() }
      node.end()
    }
    ended.wait("the node has ended")
    if let server = server.take() { control.post { server.value.close() } }
    control.stop()
    thread.join()
    run(["rm", "-rf", folder])
  }

  /// Opens the control socket.
  func serve() throws {
    let server = try ControlServer(path: socket, loop: control, log: log) { [node] in node.answer($0, $1) }
    let reference = UncheckedReference(server)
    self.server.put(reference)
    control.post { reference.value.start() }
  }

  /// Asks the control socket with curl: the status and the JSON that it answered.
  func curl(_ arguments: [String]) throws -> (status: Int, body: JSON) {
    let (_, output) = run(
      ["curl", "-sS", "--max-time", "10", "--unix-socket", socket, "-w", "\n%{http_code}"] + arguments)
    let lines = output.split(separator: "\n")
    let status = try #require(lines.last.flatMap { Int($0) }, "\(output)")
    return (status, try JSON(parsing: lines.dropLast().joined(separator: "\n")))
  }

  /// A variable in `sections` is a key for a cluster, made of its name.
  static func plan(
    _ folder: String, _ folders: [String], _ roles: [String], _ allowsChanges: Bool = true, id: Int = 1,
    listen: [String] = [], _ sections: String = ""
  ) -> NodePlan {
    let text = """
      nodehost: 1
      node: { id: \(id), name: node-\(id == 1 ? "t" : "\(id)"), address: 127.0.0.1, state: \(folder) }
      plugins: { folders: [\(folders.joined(separator: ", "))] }
      log: { level: debug }
      \(sections)
      \(listen.isEmpty ? "" : "listen: { \(listen.joined(separator: ", ")) }")
      roles: [\(roles.joined(separator: ", "))]
      """
    let none = Interpolation(
      variable: { String(repeating: $0, count: 40) }, file: { _ in .failure(.init("is not there")) })
    do {
      let manifest = try ManifestFile.parse(Array(text.utf8), named: "\(folder)/test.yaml", values: none).manifest
      return NodePlan(
        manifest: manifest, path: "\(folder)/test.yaml", address: "127.0.0.1", loops: manifest.loops ?? 2,
        allowsChanges: allowsChanges)
    } catch {
      preconditionFailure("\(error)")
    }
  }

  /// An entry of the fixture's role: more members go behind.
  static func role(_ name: String = "b", plugin: String = "broken", _ more: String = "") -> String {
    let role = plugin.hasPrefix("hello") ? plugin : "broken"
    let comma = more.isEmpty ? "" : ", "
    return "{ role: \(role), name: \(name), plugin: \(plugin), restart: { policy: never }\(comma)\(more) }"
  }

  /// Runs on the control loop and waits for it.
  func onControl<Answer: Sendable>(_ work: @escaping @Sendable (Node) -> Answer) -> Answer {
    let answer = Holder<Answer>()
    let done = Flag()
    control.post { [node] in
      answer.put(work(node))
      done.raise()
    }
    done.wait("the control loop answers")
    return answer.take()!
  }

  func state(_ name: String = "b") -> RoleLifecycle.State? { onControl { $0.role(name)?.state } }

  func instance(_ name: String = "b") throws -> RoleInstance {
    try #require(node.services.directory.find(name), "\(name) runs")
  }

  /// Calls a method as another role or the control server would, and waits for the outcome.
  func call(
    _ method: String, _ values: [Value] = [], timeoutMilliseconds: Int64 = callMilliseconds, on name: String = "b"
  ) throws -> CallOutcome {
    let outcome = Holder<CallOutcome>()
    let done = Flag()
    let instance = try instance(name)
    let request = RoleCall(
      instance, try #require(instance.method(method)), PackedValues(values),
      deadline: EventLoop.now() + timeoutMilliseconds * 1_000_000
    ) {
      outcome.put($0)
      done.raise()
    }
    request.send()
    done.wait("\(method) ends")
    return outcome.take()!
  }

  /// Log lines of a level, without their times.
  func lines(_ level: UInt32) -> [String] {
    log.lines(after: 0, limit: 10_000).filter { $0.level == level }.map { "\($0.role): \($0.message)" }
  }
}

/// One value from one thread to another.
final class Holder<Content: Sendable>: Sendable {
  private let content = Mutex<Content?>(nil)
  func put(_ value: Content) { content.withLock { $0 = value } }
  func take() -> Content? { content.withLock { $0 } }
}

/// How long a test waits for what must come. Only a test that fails waits so long: under a sanitizer, on a machine that
/// does much else, a tenth of it may be needed.
let patienceMilliseconds: Int64 = 60_000
/// A call has less, so that the test still sees how it failed.
let callMilliseconds = patienceMilliseconds / 2

/// Whether the condition comes true while a test has patience.
func comesTrue(_ condition: () -> Bool) -> Bool {
  let deadline = EventLoop.now() + patienceMilliseconds * 1_000_000
  while !condition() {
    if EventLoop.now() > deadline { return false }
    usleep(1000)
  }
  return true
}

/// Raised once by somebody, waited for by the test.
final class Flag: Sendable {
  private let raised = Atomic<Bool>(false)
  func raise() { raised.store(true, ordering: .releasing) }

  func wait(_ what: String, place: SourceLocation = #_sourceLocation) {
    let wasRaised = comesTrue { raised.load(ordering: .acquiring) }
    #expect(wasRaised, "\(what)", sourceLocation: place)
  }
}

/// Waits until something is true.
func eventually(_ what: String, place: SourceLocation = #_sourceLocation, _ condition: () -> Bool) {
  if !comesTrue(condition) { Issue.record("\(what) never happened", sourceLocation: place) }
}
