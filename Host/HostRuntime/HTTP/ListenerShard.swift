import Glibc
import HostCore
import Synchronization

/// How much of everything a listener's clients may take before they are refused.
struct ServerLimits: Sendable {
  var head = HeadLimits()
  /// Bytes of a request's body.
  var body = 1 << 30
  /// Connections at once, on all loops together.
  var connections = 10_000
  /// Requests at once on one connection of HTTP/2.
  var streams = 128
  /// Answers from this size on are compressed; nil: none.
  var compressFrom: Int?
  // Nanoseconds.
  /// From a request's first byte to the end of its head.
  var headTime: Int64 = 10_000_000_000
  /// Between two requests.
  var idle: Int64 = 75_000_000_000
  /// With less than `stallBytes` going either way while there is something to send or wanted.
  var stall: Int64 = 30_000_000_000
  static let stallBytes = 1_024
  /// Who has closed its side may wait so long for an answer that does not go forward.
  static let hangUp: Int64 = 5_000_000_000

  init(_ plan: Listener) {
    body = plan.bodyLimit
    compressFrom = plan.compressFrom
    connections = plan.limits.connections
    headTime = Int64(plan.limits.headMilliseconds) * 1_000_000
    idle = Int64(plan.limits.idleMilliseconds) * 1_000_000
    stall = Int64(plan.limits.stallMilliseconds) * 1_000_000
  }
}

/// A client's connection, whatever version of HTTP it speaks.
protocol ServerConnection: AnyObject {
  /// Where the shard keeps it.
  var place: Int { get set }
  var stream: Stream { get }
  /// Once a second: looks whether a limit of time has passed.
  func tick(_ now: Int64)
  /// The node ends: what is under way may end, nothing new begins.
  func shutdown()
}

/// When something last went forward, so that who sends a byte now and then cannot stay for ever.
struct ProgressWatch {
  private(set) var last: Int64 = 0
  private var bytes = 0

  mutating func note(_ now: Int64) {
    last = now
    bytes = 0
  }

  mutating func note(_ count: Int, _ now: Int64) {
    bytes += count
    if bytes >= ServerLimits.stallBytes { note(now) }
  }

  func isOlder(than limit: Int64, _ now: Int64) -> Bool { now - last > limit }
}

/// A listener's routes; the table's numbers are places among the targets. Never change.
final class Routes: Sendable {
  /// Counts up.
  let number: UInt64
  let table: RouteTable
  let targets: [any RequestTarget]

  init(number: UInt64 = 0, table: RouteTable = RouteTable(), targets: [any RequestTarget] = []) {
    self.number = number
    self.table = table
    self.targets = targets
  }
}

/// The share of a listener that lives on one loop: its socket and its connections.
final class ListenerShard: TimerTarget, @unchecked Sendable {
  private static let tickNanoseconds: Int64 = 1_000_000_000

  unowned(unsafe) let listener: HTTPListener
  let loop: EventLoop
  private var routes = Routes()
  private var acceptor: (any Accepting)!
  private var connections: [any ServerConnection] = []
  private(set) var isClosing = false
  private var timer: UInt64?
  private let dateText = UnsafeMutableRawBufferPointer.allocate(byteCount: HTTPDate.length, alignment: 1)
  private var dateSecond: Int64 = -1
  private var whenClosed: (() -> Void)?
  private let counts: ServerCounts
  private let requests: MetricSeries
  /// For answers that are there as a whole.
  private(set) lazy var compressor = ResponseCompressor(.whole)

  init(_ listener: HTTPListener, _ port: any OpenPort, place: Int, loop: EventLoop) {
    self.listener = listener
    self.loop = loop
    counts = listener.counts
    requests = counts.requests.part()
    acceptor = port.share(place, on: loop) { [unowned self] incoming, from in
      accept(incoming, from)
    } troubled: { [unowned listener] in
      listener.trouble($0)
    }
  }

  deinit { dateText.deallocate() }

  var limits: ServerLimits { listener.limits }

  func start() {
    acceptor.start()
    timer = loop.setTimer(after: Self.tickNanoseconds, period: Self.tickNanoseconds, self)
  }

  /// What was posted to this loop may come after what the loop itself has published since.
  func use(_ routes: Routes) { if routes.number > self.routes.number { self.routes = routes } }

  // MARK: Connections

  private func accept(_ incoming: Incoming, _ from: SocketAddress) {
    guard listener.open.load(ordering: .relaxed) < limits.connections, !isClosing else {
      counts.refused.addFromAnyThread(1)
      incoming.refuse()
      return
    }
    counts.connections.addFromAnyThread(1)
    let stream = incoming.stream(on: loop, listener.tls)
    let connection = HTTP1Connection(stream, self, remote: Remote(from))
    add(connection)
    stream.start(connection)
  }

  private func add(_ connection: any ServerConnection) {
    listener.open.add(1, ordering: .relaxed)
    connection.place = connections.count
    connections.append(connection)
  }

  /// A connection that comes from another loop.
  func adopt(_ connection: any ServerConnection) {
    add(connection)
    if isClosing { connection.shutdown() }
  }

  func replace(_ old: any ServerConnection, with new: any ServerConnection & StreamOwner) {
    new.place = old.place
    connections[old.place] = new
    new.stream.owner = new
    new.streamOpened()
  }

  func forget(_ connection: any ServerConnection) {
    guard connection.place < connections.count, connections[connection.place] === connection else { return }
    listener.open.subtract(1, ordering: .relaxed)
    let last = connections.removeLast()
    if last !== connection {
      last.place = connection.place
      connections[last.place] = last
    }
    if isClosing, connections.isEmpty { closed() }
  }

  func timerFired(_ timer: UInt64, token: UInt64) {
    // Backwards, as those that end are replaced by the last.
    for place in connections.indices.reversed() where place < connections.count {
      connections[place].tick(loop.turnBegan)
    }
  }

  // MARK: Requests

  func dispatch(_ exchange: ServerExchange) {
    let routes = routes
    switch uncounted(exchange.head, { routes.table.find($0) }) {
    case .found(let target, let captures):
      if !captures.isEmpty { exchange.captures = captures }
      let target = routes.targets[target]
      if let home = target.home(awayFrom: loop), exchange.follow(to: home) { return }
      target.begin(exchange)
    case .wrongMethod where exchange.isCall, .nothing where exchange.isCall: refuseCall(exchange)
    case .wrongMethod(let methods):
      let allowed = Array(Set(methods)).sorted().joined(separator: ", ")
      let path = exchange.head.string(exchange.head.path)
      exchange.refuse(405, "\(path) has only: \(allowed)", headers: [("allow", allowed)])
    case .nothing:
      listener.isReady.load(ordering: .relaxed)
        ? exchange.refuse(404, "nothing is here")
        : exchange.refuse(503, "the node is starting", headers: [("retry-after", "1")])
    }
  }

  /// Who speaks gRPC wants the answer in its words.
  private func refuseCall(_ exchange: ServerExchange) {
    if listener.isReady.load(ordering: .relaxed) {
      let method = exchange.head.string(exchange.head.path)
      GrpcHead.refuse(exchange, GrpcStatus.unimplemented, "nobody serves \(method) here")
    } else {
      GrpcHead.refuse(exchange, GrpcStatus.unavailable, "the node is starting")
    }
  }

  /// An exchange has come to its end.
  func ended(_ exchange: ServerExchange) {
    uncounted(requests) { $0.add(1) }
    if exchange.status >= 500 || exchange.answer == .broken { counts.failures.addFromAnyThread(1) }
    uncounted(listener) { listener in
      listener.accessLog?.note(exchange, listener.name)
      if let watcher = listener.watcher { watcher(EndedRequest(exchange, listener.name)) }
    }
  }

  /// What "date" says now. Changes with the next second.
  func date() -> UnsafeRawBufferPointer {
    let second = Self.second()
    if second != dateSecond {
      dateSecond = second
      dateText.copyBytes(from: HTTPDate.text(time_t(second)))
    }
    return UnsafeRawBufferPointer(dateText)
  }

  private static func second() -> Int64 {
    if let virtual = VirtualTime.wall { return virtual / 1_000_000_000 }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME_COARSE, &time)
    return Int64(time.tv_sec)
  }

  // MARK: The end

  /// Takes no more connections, and tells when those that were there have ended.
  func close(_ done: @escaping () -> Void) {
    whenClosed = done
    isClosing = true
    acceptor.stop()
    for connection in connections { connection.shutdown() }
    if connections.isEmpty { closed() }
  }

  /// Waits no longer.
  func cutShort() { for connection in connections.reversed() { connection.stream.close() } }

  /// The process is gone: nothing holds on to anything.
  func vanish() {
    connections = []
    routes = Routes()
    whenClosed = nil
  }

  private func closed() {
    if let timer { loop.cancelTimer(timer) }
    timer = nil
    whenClosed?()
    whenClosed = nil
  }
}
