import NodeKit

@testable import CoordinatorCore

/// Some nodes with their protocols, in one hand: messages arrive in the order in which they were sent on each link,
/// disks take as long as a test wants, and resources answer as it says.
final class Bank {
  final class Node {
    let id: Int
    fileprivate(set) var core: CommitProtocol
    fileprivate var disk: [[UInt8]: [UInt8]] = [:]
    fileprivate var writes: [StoreWrite] = []
    /// Nothing comes to the disk.
    var isDiskHeld = false
    var isUp = true
    /// Why a resource refuses a transaction.
    var refusal: (String) -> String? = { _ in nil }
    var refusedResource = ""
    var isReader = false
    var isResourceDown = false
    /// It does not answer to an abort.
    var isResourceSlow = false
    fileprivate(set) var carriedOut: [String] = []
    fileprivate(set) var prepared: [String] = []
    /// All that the resources were asked, in order.
    fileprivate(set) var asked: [String] = []
    /// Their answers to `prepare`, or to `commit`, wait for ``Bank/answerHeld(at:)``.
    var isPrepareHeld = false
    var isCommitHeld = false
    /// They count a commit from when they are told.
    var overlaps = false
    fileprivate var held: [UInt64] = []
    fileprivate(set) var answers: [UInt64: Answer] = [:]
    fileprivate(set) var errors: [String] = []
    fileprivate(set) var messages: [CommitMessage] = []

    fileprivate init(_ id: Int, _ core: CommitProtocol) { (self.id, self.core) = (id, core) }

    func keys(_ prefix: String) -> [String] {
      disk.keys.map { String(decoding: $0, as: UTF8.self) }.filter { $0.hasPrefix(prefix) }.sorted()
    }
    func outcome(_ id: String) -> Outcome? { core.history[id]?.decision?.outcome }
  }

  private(set) var nodes: [Int: Node] = [:]
  private let deciders: [Int]
  private let fixed: Int?
  private(set) var now: Int64 = 1_000_000_000
  private var wires: [(from: Int, to: Int, message: CommitMessage)] = []
  private var cut: Set<[Int]> = []
  private var lastTicket: UInt64 = 0
  /// Messages that do not arrive.
  var loses: (CommitMessage, Int) -> Bool = { _, _ in false }

  /// `majority`: all decide, and the test plays the elector.
  init(_ count: Int = 3, majority: Bool = false) {
    fixed = majority ? nil : 1
    deciders = majority ? Array(1...count) : [1]
    for id in 1...count { nodes[id] = Node(id, core(id, count)) }
    for id in 1...count { start(id) }
    settle()
  }

  subscript(id: Int) -> Node { nodes[id]! }

  private func core(_ id: Int, _ count: Int) -> CommitProtocol {
    CommitProtocol(
      .init(me: id, members: Array(1...count), deciders: deciders, historyLimit: 100), seed: UInt64(id))
  }

  private func start(_ id: Int) {
    for other in nodes.keys.sorted() where other != id && nodes[other]!.isUp && !isCut(id, other) {
      tell(id) { $0.linkCame(other) }
      tell(other) { $0.linkCame(id) }
    }
    tell(id) { $0.start(fixed: fixed) }
  }

  private func tell(_ id: Int, _ body: (CommitProtocol) -> Void) {
    let node = nodes[id]!
    guard node.isUp else { return }
    node.core.happens(now, wall: now / 1_000_000) { body(node.core) }
    collect(node)
  }

  private func collect(_ node: Node) {
    let core = node.core
    for (to, message) in core.outbox {
      node.messages.append(message)
      // As it is written and read.
      wires.append((node.id, to, try! MessageCodec.decode(MessageCodec.encode([message]))[0]))
    }
    core.outbox = []
    for (ticket, answer) in core.answers { node.answers[ticket] = answer }
    core.answers = []
    for notice in core.notices { if case .error(let words) = notice { node.errors.append(words) } }
    core.notices = []
    if let write = core.takeWrite() { node.writes.append(write) }
    let calls = core.calls
    core.calls = []
    for call in calls { answer(call, node) }
  }

  private func answer(_ call: CommitProtocol.ResourceCall, _ node: Node) {
    var refusal = node.isResourceDown ? "it is down" : nil
    node.asked.append("\(call.verb) \(call.id)")
    if call.verb == .prepare && node.isPrepareHeld || call.verb == .commit && node.isCommitHeld {
      return node.held.append(call.number)
    }
    switch call.verb {
    case .prepare:
      node.prepared.append(call.id)
      refusal = refusal ?? (call.share.resource == node.refusedResource ? "no" : node.refusal(call.id))
    case .commit, .abort: if refusal == nil { node.carriedOut.append("\(call.verb) \(call.id)") }
    }
    if node.isResourceSlow, call.verb == .abort { return }
    tell(node.id) {
      $0.resourceAnswered(
        call.number, refusal: refusal, isReadOnly: node.isReader, overlaps: node.overlaps, isAway: node.isResourceDown)
    }
  }

  private func isCut(_ one: Int, _ other: Int) -> Bool { cut.contains([min(one, other), max(one, other)]) }

  /// Until nobody has anything more to say or to write.
  func settle() {
    while true {
      if !wires.isEmpty {
        let (from, to, message) = wires.removeFirst()
        if nodes[to]!.isUp, !isCut(from, to), !loses(message, to) { tell(to) { $0.receive(message, from: from) } }
      } else if let node = nodes.values.filter({ !$0.writes.isEmpty && !$0.isDiskHeld }).min(by: { $0.id < $1.id }) {
        sync(node)
      } else if nodes.values.contains(where: { $0.isUp && $0.core.write.isAwaited }) {
        // What nobody misses for a while comes to the disk then.
        now += CommitProtocol.soonTime
        for id in nodes.keys.sorted() { tell(id) { _ in } }
      } else {
        return
      }
    }
  }

  private func sync(_ node: Node) {
    let write = node.writes.removeFirst()
    for operation in write.operations {
      switch operation {
      case .put(let key, let value): node.disk[key] = value
      case .delete(let key): node.disk[key] = nil
      }
    }
    tell(node.id) { $0.written(write) }
  }

  func pass(seconds: Double) {
    for _ in 0..<Int(seconds * 20) {
      now += 50_000_000
      for id in nodes.keys.sorted() { tell(id) { $0.tick() } }
      settle()
    }
  }

  // MARK: What a test does

  @discardableResult
  func propose(_ proposal: String, at id: Int = 1, settles: Bool = true) -> UInt64 {
    lastTicket += 1
    let ticket = lastTicket
    tell(id) { $0.propose(proposal, patience: 10_000_000_000, .here(ticket: ticket)) }
    if settles { settle() }
    return ticket
  }

  func decision(_ ticket: UInt64, at id: Int = 1) -> Decision? {
    if case .decided(let decision, _) = self[id].answers[ticket] { decision } else { nil }
  }

  /// The elector says who leads.
  func elect(_ id: Int, term: UInt64, hear: [Int]? = nil) {
    for node in hear ?? nodes.keys.sorted() where node != id { tell(node) { $0.follow(id) } }
    tell(id) { $0.lead(term: term) }
    settle()
  }

  /// What was not on the disk is gone.
  func crash(_ id: Int) {
    let node = self[id]
    (node.isUp, node.writes, node.held) = (false, [], [])
    wires.removeAll { $0.from == id || $0.to == id }
    for other in nodes.keys.sorted() where other != id { tell(other) { $0.linkBroke(id) } }
    settle()
  }

  func restart(_ id: Int) throws {
    let node = self[id]
    node.core = core(id, nodes.count)
    for (key, value) in node.disk.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      try node.core.load(key, value)
    }
    (node.isUp, node.isDiskHeld) = (true, false)
    start(id)
    settle()
  }

  /// The role `r` of a node has been started anew.
  func restartResource(at id: Int) {
    tell(id) { $0.resourceBegan(["r"]) }
    settle()
  }

  func answerHeld(at id: Int, refusal: String? = nil, onlyFirst: Bool = false) {
    let held = onlyFirst ? Array(self[id].held.prefix(1)) : self[id].held
    self[id].held.removeFirst(held.count)
    for number in held { tell(id) { $0.resourceAnswered(number, refusal: refusal) } }
    settle()
  }

  func part(_ one: Int, _ other: Int) {
    cut.insert([min(one, other), max(one, other)])
    tell(one) { $0.linkBroke(other) }
    tell(other) { $0.linkBroke(one) }
    settle()
  }

  func heal(_ one: Int, _ other: Int) {
    cut.remove([min(one, other), max(one, other)])
    tell(one) { $0.linkCame(other) }
    tell(other) { $0.linkCame(one) }
    settle()
  }

  func resolve(_ transaction: String, _ outcome: Outcome, at id: Int) -> String? {
    var problem: String?
    tell(id) { problem = $0.resolve(transaction, outcome, "the test says so") }
    settle()
    return problem
  }

  func isCommitted(_ id: String, on nodes: [Int] = [1, 2, 3]) -> Bool {
    nodes.allSatisfy { self[$0].outcome(id) == .commit && self[$0].carriedOut.contains("commit \(id)") }
  }
}

extension String {
  /// A proposal that changes a key on all nodes, or on some.
  static func proposal(_ id: String? = nil, key: String = "k", nodes: [Int]? = nil, _ more: String = "") -> String {
    let name = id.map { "\"id\":\"\($0)\"," } ?? "", place = nodes.map { ",\"nodes\":\($0)" } ?? ""
    return "{\(name)\(more)\"changes\":[{\"resource\":\"r\",\"key\":\"\(key)\"\(place),\"change\":{\"add\":1}}]}"
  }
}
