import CNodeABI
import HostCore

/// Asks each upstream of a table from time to time whether it is well. All are taken to be well at first.
final class ForwardHealth {
  private let checks: [HealthCheck]

  init(_ plan: ForwardTable.Health, _ upstreams: [ForwardUpstream], loop: EventLoop, pools: ClientPools) {
    checks = upstreams.map { HealthCheck(plan, $0, loop: loop, pools: pools) }
  }

  func start() { for check in checks { check.start() } }
  func stop() { for check in checks { check.stop() } }
}

/// The checks of one upstream, one after the other. A 2xx or 3xx in time is a good answer.
private final class HealthCheck: TimerTarget, ClientExchangeHandler {
  private static let beat: UInt64 = 0
  private static let limit: UInt64 = 1

  private let plan: ForwardTable.Health
  private let upstream: ForwardUpstream
  private let loop: EventLoop
  private let pools: ClientPools
  private var beatTimer: UInt64?
  private var limitTimer: UInt64?
  private var exchange: ClientExchange?
  private var status = 0
  /// Answers of one kind in a row: above 0 good ones, below 0 bad ones.
  private var streak = 0

  init(_ plan: ForwardTable.Health, _ upstream: ForwardUpstream, loop: EventLoop, pools: ClientPools) {
    self.plan = plan
    self.upstream = upstream
    self.loop = loop
    self.pools = pools
  }

  func start() {
    let interval = plan.intervalMilliseconds * 1_000_000
    beatTimer = loop.setTimer(after: 0, period: interval, self, token: Self.beat)
  }

  func stop() {
    for timer in [beatTimer, limitTimer] { if let timer { loop.cancelTimer(timer) } }
    (beatTimer, limitTimer) = (nil, nil)
    exchange?.cancel()
    exchange = nil
  }

  func timerFired(_ timer: UInt64, token: UInt64) {
    if token == Self.limit {
      limitTimer = nil
      exchange?.cancel()
      ended(isGood: false)
    } else if exchange == nil {
      ask()
    }
  }

  private func ask() {
    guard let origin = pools.pool(on: loop).origin(upstream.address) else { return }
    let head = MessageHead(capacity: 256)
    head.method = head.add("GET")
    head.target = head.add(plan.path)
    head.authority = head.add(upstream.plan.url.authority)
    head.addField("user-agent", "nodehost-health")
    let exchange = ClientExchange(ClientRequest(head))
    self.exchange = exchange
    status = 0
    exchange.handler = self
    exchange.finish()
    limitTimer = loop.setTimer(after: plan.timeoutMilliseconds * 1_000_000, self, token: Self.limit)
    exchange.start(at: origin)
  }

  func clientAnswered(_ head: MessageHead) { status = head.status }
  func clientBody(_ bytes: UnsafeRawBufferPointer) { exchange?.grant(bytes.count) }
  func clientEnded(_ trailers: MessageHead) { ended(isGood: (200..<400).contains(status)) }
  func clientWritable() {}
  func clientFailed(_ failure: ClientFailure) { ended(isGood: false) }

  private func ended(isGood: Bool) {
    exchange = nil
    if let limitTimer { loop.cancelTimer(limitTimer) }
    limitTimer = nil
    streak = isGood ? max(streak, 0) + 1 : min(streak, 0) - 1
    if streak >= plan.healthy { upstream.become(healthy: true) }
    if -streak >= plan.unhealthy { upstream.become(healthy: false) }
  }
}
