import Glibc
import HostCore
import HostRuntime
import NodeValues

/// The stage of a live run: processes on this machine, in real time.
final class LiveStage: Stage {
  /// Nothing takes longer, unless it hangs.
  private static let patience: Int64 = 20_000_000_000
  /// For all roles to run at the beginning.
  private static let rolesPatience: Int64 = 10_000_000_000
  /// Between two looks at whether the processes are still there, or there at last.
  private static let lookEvery: Int64 = 20_000_000

  let loop = LiveLoop()
  let trace = Trace()
  let nodeNames: [String]
  private(set) var nodes: [LiveNode] = []
  private(set) var failure: WorldFailure?
  var observers: [(Observation) -> Void] = []
  /// Told when a node answers, at its start and whenever it was started again.
  var cameUp: (LiveNode) -> Void = { _ in }

  init(_ deployment: Deployment, in places: LivePlaces, _ command: [String]) {
    nodeNames = deployment.names
    nodes = deployment.plans.indices.map { number in
      LiveNode(number, of: deployment, in: places, on: loop, command) { [unowned self] in observe($0, number) }
    }
  }

  /// When the play began, on the loop's clock: nodes are started before.
  private var beginning: Int64 = 0

  var now: Int64 { loop.now - beginning }
  func beginPlay() { beginning = loop.now }
  var nodeCount: Int { nodes.count }
  func at(_ time: Int64, _ work: @escaping () -> Void) { loop.at(time + beginning, work) }
  func isUp(_ node: Int) -> Bool { nodes[node].state == .up }

  func fail(_ rule: String, _ words: String, at time: Int64?) {
    guard failure == nil else { return }
    failure = WorldFailure(rule: rule, words: words, time: time ?? now)
    trace.note(.failure, now, -1, 0, "\(rule): \(words)")
  }

  private func observe(_ json: JSON, _ node: Int) {
    guard let role = json["role"]?.string, let topic = json["topic"]?.string, let text = json["text"]?.string else {
      return
    }
    trace.note(.event, now, node, 0, "\(role) publishes \(topic) \(text)")
    for observer in observers {
      observer(Observation(time: now, node: node, role: role, topic: topic, text: text))
    }
  }

  // MARK: Asking

  func ask(_ node: Int, _ request: ControlRequest, _ answer: @escaping (ControlReply) -> Void) {
    let exchange = nodes[node].ask(request, answer)
    loop.after(Self.patience) { [weak exchange] in exchange?.giveUp() }
  }

  func send(_ request: OutsideRequest, to node: Int, _ over: @escaping OutsideRequest.Over) -> Bool {
    guard let exchange = nodes[node].send(request, over) else { return false }
    loop.after(request.patience) { [weak exchange] in exchange?.giveUp() }
    return true
  }

  func findTrouble(of node: Int, _ told: @escaping (String?) -> Void) {
    guard isUp(node) else { return told("is down") }
    ask(node, .roles) { reply in
      guard case .json(let json, status: _) = reply else { return told("does not answer: \(reply)") }
      let roles = json["roles"]?.array ?? []
      let sick = roles.first { $0["state"]?.string != "running" }
      told(
        sick.map {
          "`\($0["name"]?.string ?? "")` is \($0["state"]?.string ?? "") \($0["reason"]?.string ?? "")"
        })
    }
  }

  // MARK: Processes

  /// At the beginning: every node is up, and its roles run.
  var isReady: Bool { ready.count == nodes.count }
  private var ready: Set<Int> = []

  func startAll() {
    for node in nodes {
      start(node)
      awaitRoles(of: node, until: now + Self.rolesPatience)
    }
  }

  private func awaitRoles(of node: LiveNode, until end: Int64) {
    loop.after(Self.lookEvery) { [self] in
      findTrouble(of: node.number) { [self] trouble in
        guard let trouble else {
          ready.insert(node.number)
          return
        }
        guard now < end else { return fail("start", "\(node.name): \(trouble); its log is \(node.logFile)") }
        awaitRoles(of: node, until: end)
      }
    }
  }

  func start(_ node: LiveNode) {
    trace.note(.boot, now, node.number, 0, "starts")
    if let problem = node.start() { return fail("start", "\(node.name) cannot be started: \(problem)") }
    look(for: node, until: loop.now + Self.patience)
  }

  private func look(for node: LiveNode, until end: Int64) {
    let process = node.process
    loop.after(Self.lookEvery) { [self] in
      guard node.process == process, node.state == .starting else { return }
      _ = node.ask(.version) { [self] reply in
        guard node.process == process, node.state == .starting else { return }
        if case .json = reply {
          node.cameUp()
          return cameUp(node)
        }
        // While it is stopped it cannot answer, and that is not its fault.
        guard loop.now < end || node.isStopped else {
          return fail("start", "\(node.name) does not answer after its start")
        }
        look(for: node, until: end)
      }
    }
  }

  /// Looks again and again whether a process has ended of which nobody wanted it.
  func watchProcesses() {
    for node in nodes {
      if let end = node.unexpectedEnd() { fail("no crash", "\(node.name): \(end); its log is \(node.logFile)") }
    }
    loop.after(Self.lookEvery) { [weak self] in self?.watchProcesses() }
  }

  func endAll() {
    for node in nodes { node.kill() }
    loop.end()
    observers = []
  }
}
