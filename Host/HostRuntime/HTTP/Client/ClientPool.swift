import CNodeABI
import HostCore
import Synchronization

/// The connections of one loop to other servers, by their addresses.
final class ClientPool: TimerTarget {
  private static let tickNanoseconds: Int64 = 1_000_000_000
  /// Addresses at once; more are refused, as something makes them up.
  static let originLimit = 16_384

  let loop: EventLoop
  let connections: any Connections
  private var origins: [ClientAddress: ClientOrigin] = [:]
  /// The same in the order in which they came, so that a simulated world is the same each time.
  private var inOrder: [ClientAddress] = []
  private var failing: [(exchange: ClientExchange, failure: ClientFailure)] = []
  private var asksForTurnEnd = false
  private var timer: UInt64?
  private var isClosed = false

  init(_ loop: EventLoop, _ connections: any Connections) {
    self.loop = loop
    self.connections = connections
  }

  /// The connections to an address. Who uses them often keeps the origin, which then lives on.
  func origin(_ address: ClientAddress, limits: ClientLimits = ClientLimits()) -> ClientOrigin? {
    if let known = origins[address] { return known }
    guard origins.count < Self.originLimit, !isClosed else { return nil }
    let origin = ClientOrigin(address, limits, pool: self)
    origins[address] = origin
    inOrder.append(address)
    if timer == nil { timer = loop.setTimer(after: Self.tickNanoseconds, period: Self.tickNanoseconds, self) }
    return origin
  }

  func timerFired(_ timer: UInt64, token: UInt64) {
    let now = loop.turnBegan
    var hasUnused = false
    for address in inOrder {
      origins[address]?.tick(now)
      guard origins[address]?.isUnused == true, isKnownToPoolOnly(address) else { continue }
      origins[address] = nil
      hasUnused = true
    }
    if hasUnused { inOrder.removeAll { origins[$0] == nil } }
    guard origins.isEmpty, let own = self.timer else { return }
    loop.cancelTimer(own)
    self.timer = nil
  }

  private func isKnownToPoolOnly(_ address: ClientAddress) -> Bool {
    guard var origin = origins.removeValue(forKey: address) else { return false }
    defer { origins[address] = origin }
    return isKnownUniquelyReferenced(&origin)
  }

  /// All end; nothing new begins.
  func close() {
    isClosed = true
    for address in inOrder { origins[address]?.close() }
    forgetAll()
    if let timer { loop.cancelTimer(timer) }
    timer = nil
  }

  private func forgetAll() {
    origins = [:]
    inOrder = []
  }

  /// The process is gone: nothing holds on to anything.
  func vanish() {
    isClosed = true
    for address in inOrder { origins[address]?.vanish() }
    forgetAll()
    for (exchange, _) in failing { exchange.handler = nil }
    failing = []
  }
}

extension ClientPool: TurnEndTarget {
  /// Tells of a failure at the end of this turn.
  func failLater(_ exchange: ClientExchange, _ failure: ClientFailure) {
    failing.append((exchange, failure))
    guard !asksForTurnEnd else { return }
    asksForTurnEnd = true
    loop.atTurnEnd(self)
  }

  func turnEnded() {
    asksForTurnEnd = false
    let failing = failing
    self.failing = []
    for (exchange, failure) in failing { exchange.fail(failure) }
  }
}

/// The pools of all loops.
final class ClientPools: Sendable {
  private let connections: any Connections
  private let pools = Mutex<[Unshared]>([])
  private let commonTLS = Mutex<ClientTLS?>(nil)
  /// Of the manifest.
  private let settings: ClientSettings

  init(_ settings: ClientSettings, _ connections: any Connections) {
    self.settings = settings
    self.connections = connections
  }

  /// What requests by https use, unless they bring their own.
  func tls() throws(NetworkFailure) -> ClientTLS {
    if let known = commonTLS.withLock({ $0 }) { return known }
    let new =
      connections.usesTLS ? try ClientTLS(authority: settings.authority, own: settings.own) : ClientTLS(unused: ())
    return commonTLS.withLock { common in
      if let common { return common }
      common = new
      return new
    }
  }

  /// Touched on its loop only.
  private struct Unshared: @unchecked Sendable { var pool: ClientPool }

  /// No further requests; what is under way breaks.
  func close() {
    for unshared in pools.withLock({ $0 }) { unshared.pool.loop.post { unshared.pool.close() } }
    connections.end()
  }

  /// The process is gone.
  func vanish() { for unshared in pools.withLock({ $0 }) { unshared.pool.vanish() } }

  /// The pool of the loop that this runs on.
  func pool(on loop: EventLoop) -> ClientPool {
    pools.withLock { pools in
      if let known = pools.first(where: { $0.pool.loop === loop }) { return known.pool }
      let pool = ClientPool(loop, connections)
      pools.append(Unshared(pool: pool))
      return pool
    }
  }
}
