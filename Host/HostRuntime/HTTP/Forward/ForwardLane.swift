import HostCore
import NodeValues

/// What a forward table does on one loop: choosing upstreams, and keeping what its requests use.
final class ForwardLane: @unchecked Sendable {
  /// Exchanges that are kept for the next requests.
  private static let spareLimit = 256
  /// Retries that may come at once, before the budget counts.
  private static let retryBurst = 10.0

  let table: ForwardTable
  let upstreams: [ForwardUpstream]
  let loop: EventLoop
  private let place: Int
  private let pools: ClientPools
  private let mirrorTLS: ClientTLS?
  private let mirrorCounts: ForwardCounts
  private let isPlain: Bool

  // The loop's.
  private var origins: [ClientOrigin?]
  private var mirrorOrigin: ClientOrigin?
  /// Smooth weighted round robin: each upstream's claim to the next request.
  private var claims: [Int]
  private var spare: [ForwardExchange] = []
  private var retryTokens = ForwardLane.retryBurst
  var numbers = FastNumbers()

  init(
    _ table: ForwardTable, _ upstreams: [ForwardUpstream], place: Int, loop: EventLoop, pools: ClientPools,
    mirrorTLS: ClientTLS?, mirrorCounts: ForwardCounts
  ) {
    self.table = table
    self.upstreams = upstreams
    self.place = place
    self.loop = loop
    self.pools = pools
    self.mirrorTLS = mirrorTLS
    self.mirrorCounts = mirrorCounts
    origins = upstreams.map { _ in nil }
    claims = upstreams.map { _ in 0 }
    isPlain = table.rules.isEmpty && table.sticky == nil
  }

  func begin(_ exchange: ServerExchange) {
    if table.retries.budgetPercent > 0 {
      retryTokens = min(Self.retryBurst, retryTokens + table.retries.budgetPercent / 100)
    }
    let forward = spare.popLast() ?? ForwardExchange(loop)
    forward.begin(exchange, in: self)
    if let mirror = table.mirror { self.mirror(exchange, mirror, forward) }
  }

  func giveBack(_ exchange: ForwardExchange) { if spare.count < Self.spareLimit { spare.append(exchange) } }

  func counts(of upstream: Int) -> ForwardCounts { upstreams[upstream].counts[place] }

  /// Nil only if far too many addresses are in use.
  func origin(of upstream: Int) -> ClientOrigin? {
    if let known = origins[upstream] { return known }
    origins[upstream] = pools.pool(on: loop).origin(upstreams[upstream].address)
    return origins[upstream]
  }

  /// Whether one more retry fits into the budget.
  func mayRetry() -> Bool {
    guard retryTokens >= 1 else { return false }
    retryTokens -= 1
    return true
  }

  // MARK: Choosing

  /// The upstream for a request, not among those that it has tried; nil if none is fit.
  func choose(_ exchange: ServerExchange, tried: UInt64) -> Int? {
    let now = loop.turnBegan
    var fit: UInt64 = 0
    for place in upstreams.indices where tried >> UInt64(place) & 1 == 0 {
      let upstream = upstreams[place]
      if upstream.isHealthy, !upstream.isEjected(now), hasRoom(upstream) { fit |= 1 << UInt64(place) }
    }
    if isPlain { return byTurns(fit) }
    var isRuled = false
    for rule in table.rules where ForwardKeys.fits(rule, exchange.head) {
      var wanted: UInt64 = 0
      for place in rule.upstreams { wanted |= 1 << UInt64(place) }
      fit &= wanted
      isRuled = true
      break
    }
    guard let sticky = table.sticky, let key = ForwardKeys.key(sticky, exchange) else { return byTurns(fit, isRuled) }
    return byKey(key, fit, isRuled)
  }

  @inline(__always)
  private func hasRoom(_ upstream: ForwardUpstream) -> Bool {
    guard let limits = table.limits else { return true }
    return upstream.openRequests < limits.requests
  }

  func requestBegins(at upstream: Int) { if table.limits != nil { upstreams[upstream].requestBegins() } }
  func requestEnds(at upstream: Int) { if table.limits != nil { upstreams[upstream].requestEnds() } }

  /// A rule may name upstreams whose weight is 0.
  @inline(__always)
  private func weight(_ place: Int, _ isRuled: Bool) -> Int {
    let weight = upstreams[place].plan.weight
    return isRuled && weight == 0 ? 1 : weight
  }

  private func byTurns(_ fit: UInt64, _ isRuled: Bool = false) -> Int? {
    var best: Int?
    var total = 0
    for place in claims.indices where fit >> UInt64(place) & 1 != 0 {
      let weight = weight(place, isRuled)
      guard weight > 0 else { continue }
      total += weight
      claims[place] += weight
      if best.map({ claims[place] > claims[$0] }) ?? true { best = place }
    }
    if let best { claims[best] -= total }
    return best
  }

  private func byKey(_ key: UInt64, _ fit: UInt64, _ isRuled: Bool) -> Int? {
    var best: (place: Int, draw: Double)?
    for place in upstreams.indices where fit >> UInt64(place) & 1 != 0 {
      let weight = weight(place, isRuled)
      guard weight > 0 else { continue }
      let draw = upstreams[place].hash.draw(key, weight: Double(weight))
      if best.map({ draw < $0.draw }) ?? true { best = (place, draw) }
    }
    return best?.place
  }

  // MARK: How they do

  func noteSuccess(of upstream: Int) { if table.ejection != nil { upstreams[upstream].noteSuccess() } }

  func noteFailure(of upstream: Int) {
    counts(of: upstream).values.failures += 1
    guard let ejection = table.ejection, upstreams[upstream].noteFailure() >= ejection.failures else { return }
    let now = loop.turnBegan
    let out = upstreams.count { $0.isEjected(now) }
    guard !upstreams[upstream].isEjected(now), (out + 1) * 100 <= ejection.mostPercent * upstreams.count else { return }
    counts(of: upstream).values.ejections += 1
    upstreams[upstream].eject(until: now + ejection.milliseconds * 1_000_000)
  }

  // MARK: The mirror

  private func mirror(_ exchange: ServerExchange, _ mirror: ForwardTable.Mirror, _ forward: ForwardExchange) {
    guard mirror.percent >= 100 || Double(numbers.next() >> 11) * 0x1p-53 * 100 < mirror.percent else { return }
    let address = ClientAddress(mirror.url, tls: mirrorTLS)
    if mirrorOrigin == nil { mirrorOrigin = pools.pool(on: loop).origin(address) }
    guard let origin = mirrorOrigin, forward.isUnderWay(exchange) else { return }
    forward.mirror = ForwardMirror(of: forward.client.request, exchange, at: origin, mirrorCounts, loop)
  }
}

/// Random numbers for identifiers and draws, where nothing secret depends on them: xorshift64*.
struct FastNumbers {
  private var state = HostRandom.number | 1

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}
