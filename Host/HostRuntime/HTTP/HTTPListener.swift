import CNodeABI
import HostCore
import Synchronization

/// What a listener counts; shown by the node's metrics.
final class ServerCounts: Sendable {
  let connections: MetricSeries
  let refused: MetricSeries
  let requests: MetricSeries
  let failures: MetricSeries

  init(_ metrics: MetricRegistry, node: String, listener: String) {
    func counter(_ name: String, _ help: String) -> MetricSeries {
      // No role can have taken the name: what begins with `nodehost_` is the host's.
      metrics.series(.counter, name, help: help, labels: [("node", node), ("listener", listener)], bounds: [])!
    }
    connections = counter("nodehost_http_connections_total", "Connections taken.")
    refused = counter("nodehost_http_connections_refused_total", "Connections refused because there were too many.")
    requests = counter("nodehost_http_requests_total", "Requests.")
    failures = counter("nodehost_http_failures_total", "Requests answered with a 5xx or broken off.")
  }
}

/// A port of the manifest that speaks HTTP, with a share on each loop.
final class HTTPListener: @unchecked Sendable {
  let name: String
  /// Where it stands in the manifest.
  let place: String
  let limits: ServerLimits
  /// Beside HTTP/1.1.
  let speaksHTTP2: Bool
  /// Whether it tells how the node is.
  let servesStatus: Bool
  let tls: TLSSource?
  let accessLog: AccessLog?
  let watcher: (@Sendable (EndedRequest) -> Void)?
  let address: SocketAddress
  let counts: ServerCounts
  let isReady = Atomic<Bool>(false)
  /// Connections that are there.
  let open = Atomic<Int>(0)
  private let log: LogHub
  private let entries = Mutex(Entries())
  private var shards: [ListenerShard] = []

  private struct Entry {
    var id: UInt64
    var method: String
    var pattern: RoutePattern
    var target: any RequestTarget
    /// The role that was here and may come back; nil: it is here.
    var absent: String?
  }

  private struct Entries {
    var all: [Entry] = []
    var next: UInt64 = 1
  }

  init(_ plan: Listener, loops: [EventLoop], services: NodeServices, place: String? = nil, speaksHTTP2: Bool = true)
    throws(NetworkFailure)
  {
    name = plan.name
    self.speaksHTTP2 = speaksHTTP2
    self.place = place ?? "listen.\(plan.name)"
    limits = ServerLimits(plan)
    servesStatus = plan.status
    log = services.log
    counts = ServerCounts(services.metrics, node: services.nodeName, listener: plan.name)
    let connections = services.connections
    if let files = plan.tls, connections.usesTLS {
      tls = try TLSSource { () throws(NetworkFailure) in
        try TLSContext.server(files, protocols: (speaksHTTP2 ? [TLSContext.http2] : []) + [TLSContext.http1])
      }
    } else {
      tls = nil
    }
    watcher = connections.watcher
    accessLog =
      watcher == nil
      ? try plan.accessLog.map { path throws(NetworkFailure) in try AccessLog(path, services.log) } : nil
    let port = try connections.open(plan.address, shares: loops.count, isSecure: plan.tls != nil)
    address = port.address
    shards = loops.enumerated().map { ListenerShard(self, port, place: $0, loop: $1) }
  }

  var loops: [EventLoop] { shards.map(\.loop) }

  /// Reads certificate and key again. Returns why they could not be used; then the old ones stay.
  func reloadTLS() -> String? {
    do throws(NetworkFailure) {
      try tls?.reload()
      return nil
    } catch { return "\(place): \(error.words); the old certificate stays in use" }
  }

  func start() { for shard in shards { shard.loop.post { shard.start() } } }

  func trouble(_ failure: NetworkFailure) { log.write(NH_LOG_ERROR, role: "", "\(place): \(failure.words)") }

  func shard(on loop: EventLoop) -> ListenerShard? { shards.first { $0.loop === loop } }

  // MARK: Routes

  /// Nil if another target has the same method and pattern.
  func add(method: String, _ pattern: RoutePattern, _ target: any RequestTarget) -> UInt64? {
    put([pattern], method: method, target)
  }

  /// One target for several patterns, perhaps in the place of another: each request sees the old or the new, and never
  /// none. Nil if another target has one of them.
  func put(
    _ patterns: [RoutePattern], method: String = "", _ target: any RequestTarget, replacing old: UInt64? = nil
  ) -> UInt64? {
    entries.withLock { entries in
      let id = entries.next
      var changed = entries.all
      if let old { changed.removeAll { $0.id == old } }
      for pattern in patterns { changed.append(Entry(id: id, method: method, pattern: pattern, target: target)) }
      guard let routes = Self.routes(changed, number: id) else { return nil }
      entries = Entries(all: changed, next: id + 1)
      publish(routes)
      return id
    }
  }

  func remove(_ id: UInt64) { change { $0.removeAll { $0.id == id } } }

  /// In the place of what is removed, until the role is back or its name is forgotten: who asks is told to come again,
  /// and not that there is no such thing.
  func remove(_ id: UInt64, keptFor role: String, by target: any RequestTarget) {
    change { entries in
      for place in entries.indices where entries[place].id == id {
        (entries[place].target, entries[place].absent) = (target, role)
      }
    }
  }

  func forget(_ role: String) { change { $0.removeAll { $0.absent == role } } }

  private func change(_ body: (inout [Entry]) -> Void) {
    entries.withLock { entries in
      body(&entries.all)
      if let routes = Self.routes(entries.all, number: entries.next) { publish(routes) }
      entries.next += 1
    }
  }

  /// Nil if two are at the same place; whoever is absent has none there.
  private static func routes(_ entries: [Entry], number: UInt64) -> Routes? {
    var table = RouteTable()
    for (place, entry) in entries.enumerated() where entry.absent == nil {
      guard table.insert(method: entry.method, entry.pattern, place) else { return nil }
    }
    for (place, entry) in entries.enumerated() where entry.absent != nil {
      _ = table.insert(method: entry.method, entry.pattern, place)
    }
    return Routes(number: number, table: table, targets: entries.map(\.target))
  }

  /// Each loop has its own copy, which it reads without asking anybody.
  private func publish(_ routes: Routes) {
    for shard in shards {
      if shard.loop.isCurrent { shard.use(routes) } else { shard.loop.post { shard.use(routes) } }
    }
  }

  /// The services of gRPC, each with the role that serves it; the host's own have none.
  var rpcServices: [(service: String, role: String?)] {
    entries.withLock { entries in
      entries.all.compactMap { entry in
        (entry.target as? any RpcServing).map { ($0.service, $0.roleName) }
      }
    }
  }

  // MARK: The end

  /// `done` comes on the loop of the last connection to end.
  func close(_ done: @escaping @Sendable () -> Void) {
    let open = Countdown(shards.count, done)
    for shard in shards { shard.loop.post { shard.close { open.down() } } }
  }

  /// The process is gone. Targets hold their roles, and those the node's services, which hold this.
  func vanish() {
    entries.withLock { $0.all = [] }
    for shard in shards { shard.vanish() }
  }

  func cutShort() { for shard in shards { shard.loop.post { shard.cutShort() } } }
}

/// Tells when all of several have come to their end.
final class Countdown: Sendable {
  private let left: Atomic<Int>
  private let done: @Sendable () -> Void

  init(_ count: Int, _ done: @escaping @Sendable () -> Void) {
    left = Atomic(count)
    self.done = done
  }

  func down() { if left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { done() } }
}
