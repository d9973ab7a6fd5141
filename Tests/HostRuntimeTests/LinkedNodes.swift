import CSystem
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing
import TestPorts

/// Several nodes in this process, each with a role `mail`, linked over the loopback.
final class LinkedNodes {
  let ports: [UInt16]
  private(set) var nodes: [Int: LiveNode] = [:]

  static let quick: PeerTiming = {
    var timing = PeerTiming()
    timing.pingMilliseconds = 50
    timing.silenceMilliseconds = 400
    timing.courtesyMilliseconds = 30
    timing.probeMilliseconds = 200
    timing.patienceMilliseconds = 300
    timing.backoff = Backoff(firstMilliseconds: 20, mostMilliseconds: 100)
    return timing
  }()

  private let timing: PeerTiming
  private let ownLoop: Bool

  /// A key in words: `${A}` is another one than `${B}`.
  /// - Parameter ownLoop: links have it; otherwise all of a node is on one.
  init(
    _ ids: [Int] = [], cluster: String = "name: demo, key: \"${A}\"", timing: PeerTiming = LinkedNodes.quick,
    ownLoop: Bool = true
  ) {
    (self.timing, self.ownLoop) = (timing, ownLoop)
    ports = freePorts(4)
    for id in ids { start(id, cluster: cluster) }
  }

  deinit { nodes = [:] }

  /// Built once for all tests, beside the other products.
  private static let plugins: String = {
    let folder = "\(Place.products)/fixtures"
    let (code, output) = run([
      "sh", "-ec",
      "mkdir -p \(folder); cc -std=gnu11 -O1 -shared -fPIC -fvisibility=hidden -I "
        + "\(Place.repository)/SDK/CNodeABI/include -o \(folder)/libmailer.so "
        + "\(Place.repository)/Tests/Fixtures/mailer.c",
    ])
    precondition(code == 0, output)
    return folder
  }()

  subscript(id: Int) -> LiveNode { nodes[id]! }

  /// All nodes of the list know one another; `place` is whose port it opens, and `peers` may say it otherwise.
  @discardableResult
  func start(
    _ id: Int, place: Int? = nil, cluster: String = "name: demo, key: \"${A}\"", peers: String? = nil,
    listens: Bool = true, key: Int? = nil
  ) -> LiveNode {
    let place = place ?? id
    let all = (1...3).map { "\($0): \"127.0.0.1:\(ports[$0 - 1])\"" }.joined(separator: ", ")
    let listen = listens ? ["peers: { address: \"127.0.0.1:\(ports[place - 1])\" }"] : []
    let live = LiveNode(
      folders: [Self.plugins], ["{ role: mailer, name: mail, limits: { drain_ms: 100, swap_ms: 300 } }"], id: id,
      listen: listen,
      sections: "cluster: { \(cluster), peers: { \(peers ?? all) }\(ownLoop ? "" : ", own_loop: off") }"
        + (ownLoop ? "" : "\nloops: 1"), timing: timing)
    nodes[key ?? id] = live
    return live
  }

  func stop(_ id: Int) { nodes[id] = nil }

  func isUp(_ from: Int, _ to: Int) -> Bool { self[from].node.services.peers.line(UInt32(to))?.isUp == true }

  func linked(_ pairs: (Int, Int)..., place: SourceLocation = #_sourceLocation) {
    for (one, other) in pairs {
      eventually("\(one) and \(other) are linked", place: place) { isUp(one, other) && isUp(other, one) }
    }
  }

  func seen(_ id: Int, _ what: String) throws -> Int {
    guard case .value(.json(let text)) = try self[id].call("seen", on: "mail") else { return -1 }
    return try JSON(parsing: text)[what]?.int.map(Int.init) ?? -1
  }

  func seenText(_ id: Int, _ what: String) throws -> String {
    guard case .value(.json(let text)) = try self[id].call("seen", on: "mail") else { return "" }
    return try JSON(parsing: text)[what]?.string ?? ""
  }

  func awaits(_ id: Int, _ what: String, _ number: Int, place: SourceLocation = #_sourceLocation) {
    eventually("node \(id) has seen \(number) \(what)", place: place) { (try? seen(id, what)) == number }
  }

  func send(_ from: Int, _ to: Int, _ text: String, role: String = "", channel: UInt64 = 9, priority: UInt64 = 1) throws
    -> CallOutcome
  {
    try self[from].call(
      "send", [.unsigned(UInt64(to)), .text(role), .unsigned(channel), .unsigned(priority), .text(text)], on: "mail")
  }

  @discardableResult
  func flood(_ from: Int, _ to: Int, count: Int, size: Int, priority: UInt64 = 1) throws -> Int {
    let values: [Value] = [
      .unsigned(UInt64(to)), .text(""), .unsigned(priority), .int(Int64(count)), .int(Int64(size)),
    ]
    guard case .value(.int(let taken)) = try self[from].call("flood", values, on: "mail")
    else { return -1 }
    return Int(taken)
  }

  func report(_ id: Int) -> PeersReport {
    let report = Holder<PeersReport>(), done = Flag(), node = self[id].node
    guard let links = node.links else { return PeersReport() }
    let reference = UncheckedReference(links)
    node.peersLoop.post {
      var filled = PeersReport()
      reference.value.fill(&filled)
      report.put(filled)
      done.raise()
    }
    done.wait("the links report")
    return report.take() ?? PeersReport()
  }

  func peer(_ id: Int, _ other: Int) -> PeersReport.Peer? { report(id).peers.first { $0.id == other } }

  func cut(_ id: Int, _ other: Int, _ direction: PeerCut.Direction = .both, heals: Bool = false) {
    guard let links = self[id].node.links else { return }
    let reference = UncheckedReference(links)
    self[id].node.peersLoop.post {
      _ = reference.value.cut(PeerCut(id: UInt32(other), direction: direction, isCut: !heals))
    }
  }

  /// Lines of the log at warning or worse that contain the text.
  func complaints(_ id: Int, _ text: String) -> Int {
    self[id].log.lines(after: 0, limit: 10_000).count { $0.level >= 3 && $0.message.contains(text) }
  }
}
