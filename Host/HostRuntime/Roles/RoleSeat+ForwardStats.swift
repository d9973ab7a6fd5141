import HostCore
import NodeValues
import Synchronization

/// What forward tables count is gathered from the loops once a second, for the role that owns them and for the node's
/// metrics.
extension RoleSeat {
  private static let beatNanoseconds: Int64 = 1_000_000_000

  func startForwardStats() {
    guard forwardTimer == nil else { return }
    forwardTimer = loop.setTimer(after: Self.beatNanoseconds, period: Self.beatNanoseconds, ForwardBeat(self))
  }

  fileprivate func gatherForwardStats() {
    for (handle, forward) in forwards.elements where forward.id != nil { gather(handle, forward.plan) }
    if forwards.count == 0 { stopForwardStats() }
  }

  func stopForwardStats() {
    if let forwardTimer { loop.cancelTimer(forwardTimer) }
    forwardTimer = nil
  }

  private func gather(_ handle: UInt64, _ plan: ForwardPlan) {
    plan.gather { [self] values in loop.post { [self] in report(handle, plan, values) } }
  }

  private func report(_ handle: UInt64, _ plan: ForwardPlan, _ values: [ForwardCounts.Values]) {
    guard values.contains(where: { !$0.isEmpty }) else { return }
    for (upstream, values) in zip(plan.upstreams, values) { addToMetrics(plan.table, upstream, values) }
    let json = ForwardReport.json(plan, values, now: EventLoop.now()).description
    _ = enqueue { [self] role in
      guard let entry = forwards[handle], entry.owner === role else { return }
      entry.owner.deliverForwardStats(json, handle: handle, token: entry.token)
    }
  }

  private func addToMetrics(_ table: ForwardTable, _ upstream: ForwardUpstream, _ values: ForwardCounts.Values) {
    let labels = [("node", node.nodeName), ("role", name), ("prefix", table.prefix), ("upstream", upstream.plan.id)]
    let sums = [
      ("nodehost_forward_requests_total", "Requests sent to an upstream.", values.requests),
      ("nodehost_forward_failures_total", "Requests that an upstream did not answer, or with a 5xx.", values.failures),
      ("nodehost_forward_retries_total", "Requests sent again, to this upstream.", values.retries),
      ("nodehost_forward_ejections_total", "Times that an upstream was left out for failing.", values.ejections),
    ]
    for (name, help, sum) in sums {
      node.metrics.series(.counter, name, help: help, labels: labels, bounds: [])?.addFromAnyThread(Double(sum))
    }
  }
}

private final class ForwardBeat: TimerTarget {
  private unowned let seat: RoleSeat
  init(_ seat: RoleSeat) { self.seat = seat }
  func timerFired(_ timer: UInt64, token: UInt64) { seat.gatherForwardStats() }
}

/// What the role is told, as JSON.
enum ForwardReport {
  static func json(_ plan: ForwardPlan, _ values: [ForwardCounts.Values], now: Int64) -> JSON {
    let upstreams = zip(plan.upstreams, values).map { upstream, values -> JSON in
      var members = counted(values)
      members["id"] = .string(upstream.plan.id)
      members["healthy"] = .bool(upstream.isHealthy)
      members["ejected"] = .bool(upstream.isEjected(now))
      members["retries"] = JSON(values.retries)
      members["ejections"] = JSON(values.ejections)
      return .object(members)
    }
    var report = JSONObject([
      ("listener", .string(plan.table.listener.isEmpty ? HTTPServer.defaultName : plan.table.listener)),
      ("prefix", .string(plan.table.prefix)), ("upstreams", .array(upstreams)),
    ])
    if plan.table.mirror != nil, let copies = values.last {
      var members = counted(copies)
      members["differing"] = JSON(copies.differing)
      members["slower"] = JSON(copies.slower)
      members["original_latency_us"] = histogram(
        copies.originals.isEmpty ? copies.latencies.map { _ in 0 } : copies.originals)
      report["mirror"] = .object(members)
    }
    return .object(report)
  }

  private static func counted(_ values: ForwardCounts.Values) -> JSONObject {
    let answers = (1...5).map { ("\($0)xx", JSON(values.answers[$0])) }
    return JSONObject([
      ("requests", JSON(values.requests)), ("answers", .object(JSONObject(answers))),
      ("failures", JSON(values.failures)),
      ("latency_us", histogram(values.latencies)),
    ])
  }

  private static func histogram(_ counts: [Int]) -> JSON {
    ["bounds": .array(ForwardCounts.bounds.map { JSON($0) }), "counts": .array(counts.map { JSON($0) })]
  }
}

extension ForwardPlan {
  /// Takes the counts of all loops, each on its own; `done` comes on the last of them.
  func gather(_ done: @escaping @Sendable ([ForwardCounts.Values]) -> Void) {
    // The last is the mirror's.
    let sums = SharedSums(upstreams.count + 1)
    let open = Countdown(lanes.count) { done(sums.values) }
    for (place, lane) in lanes.enumerated() {
      lane.lane.loop.post { [self] in
        for (index, upstream) in upstreams.enumerated() { sums.add(upstream.counts[place].take(), at: index) }
        sums.add(mirrorCounts[place].take(), at: upstreams.count)
        open.down()
      }
    }
  }
}

private final class SharedSums: Sendable {
  private let sums: Mutex<[ForwardCounts.Values]>
  init(_ count: Int) { sums = Mutex([ForwardCounts.Values](repeating: ForwardCounts.Values(), count: count)) }
  func add(_ values: ForwardCounts.Values, at place: Int) { sums.withLock { $0[place] += values } }
  var values: [ForwardCounts.Values] { sums.withLock { $0 } }
}
