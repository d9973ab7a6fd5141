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

/// A port of the manifest's `listen` section that speaks HTTP, with a share on each loop.
final class HTTPListener: @unchecked Sendable {
  let name: String
  let limits: ServerLimits
  /// Whether it tells how the node is.
  let servesStatus: Bool
  let tls: TLSSource?
  let address: SocketAddress
  let counts: ServerCounts
  let isReady = Atomic<Bool>(false)
  private let log: LogHub
  private let routes = Mutex(Routes())
  private var shards: [ListenerShard] = []

  private struct Routes {
    var entries: [(id: UInt64, method: String, pattern: RoutePattern, target: any RequestTarget)] = []
    var next: UInt64 = 1
  }

  init(_ plan: Listener, loops: [EventLoop], services: NodeServices) throws(NetworkFailure) {
    name = plan.name
    var limits = ServerLimits()
    limits.body = plan.bodyLimit
    self.limits = limits
    servesStatus = plan.status
    log = services.log
    counts = ServerCounts(services.metrics, node: services.nodeName, listener: plan.name)
    if let files = plan.tls {
      tls = try TLSSource { () throws(NetworkFailure) in
        try TLSContext.server(files, protocols: [TLSContext.http2, TLSContext.http1])
      }
    } else {
      tls = nil
    }
    let sockets = try Acceptor.sockets(plan.address, count: loops.count)
    address = SocketAddress.local(of: sockets[0])!
    shards = zip(sockets, loops).map { ListenerShard(self, socket: $0, loop: $1) }
  }

  func start() { for shard in shards { shard.loop.post { shard.start() } } }

  func trouble(_ failure: NetworkFailure) { log.write(NH_LOG_ERROR, role: "", "listen.\(name): \(failure.words)") }

  // MARK: Routes

  /// Nil if another target has the same method and pattern.
  func add(method: String, _ pattern: RoutePattern, _ target: any RequestTarget) -> UInt64? {
    let added: (UInt64, RouteTable<any RequestTarget>)? = routes.withLock { routes in
      var table = Self.table(routes)
      guard table.insert(method: method, pattern, target) else { return nil }
      defer { routes.next += 1 }
      routes.entries.append((routes.next, method, pattern, target))
      return (routes.next, table)
    }
    guard let (id, table) = added else { return nil }
    publish(table)
    return id
  }

  func remove(_ id: UInt64) {
    publish(
      routes.withLock { routes in
        routes.entries.removeAll { $0.id == id }
        return Self.table(routes)
      })
  }

  private static func table(_ routes: Routes) -> RouteTable<any RequestTarget> {
    var table = RouteTable<any RequestTarget>()
    for entry in routes.entries { _ = table.insert(method: entry.method, entry.pattern, entry.target) }
    return table
  }

  /// Each loop has its own copy, which it reads without asking anybody.
  private func publish(_ table: RouteTable<any RequestTarget>) {
    for shard in shards {
      if shard.loop.isCurrent { shard.use(table) } else { shard.loop.post { shard.use(table) } }
    }
  }

  // MARK: The end

  /// `done` comes on the loop of the last connection to end.
  func close(_ done: @escaping @Sendable () -> Void) {
    let open = Countdown(shards.count, done)
    for shard in shards { shard.loop.post { shard.close { open.down() } } }
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
