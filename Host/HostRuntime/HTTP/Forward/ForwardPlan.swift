import HostCore

/// A forward table at work: its upstreams, and a lane on each loop. Never changes; a new table is a new plan.
final class ForwardPlan: RequestTarget {
  let table: ForwardTable
  let upstreams: [ForwardUpstream]
  /// What became of copies, on each loop.
  let mirrorCounts: [ForwardCounts]
  /// In the order of the upstreams' counts.
  let lanes: [(loop: ObjectIdentifier, lane: ForwardLane)]

  /// Each connection's own loop.
  func home(awayFrom loop: EventLoop) -> EventLoop? { nil }

  /// `old` gives what is known about upstreams that stay.
  init(_ table: ForwardTable, loops: [EventLoop], pools: ClientPools, keeping old: ForwardPlan? = nil)
    throws(NetworkFailure)
  {
    self.table = table
    var upstreams: [ForwardUpstream] = []
    for plan in table.upstreams {
      if let known = old?.upstreams.first(where: { $0.plan.id == plan.id && $0.plan.url == plan.url }) {
        upstreams.append(ForwardUpstream(plan, keeping: known))
      } else {
        upstreams.append(ForwardUpstream(plan, tls: plan.url.isSecure ? try pools.tls() : nil, loops: loops.count))
      }
    }
    self.upstreams = upstreams
    let mirrorTLS = table.mirror?.url.isSecure == true ? try pools.tls() : nil
    mirrorCounts = old?.mirrorCounts ?? loops.map { _ in ForwardCounts() }
    lanes = loops.enumerated().map { [upstreams, mirrorCounts] place, loop in
      (
        ObjectIdentifier(loop),
        ForwardLane(
          table, upstreams, place: place, loop: loop, pools: pools, mirrorTLS: mirrorTLS,
          mirrorCounts: mirrorCounts[place])
      )
    }
  }

  func begin(_ exchange: ServerExchange) {
    let loop = ObjectIdentifier(exchange.loop)
    for (own, lane) in lanes where own == loop { return lane.begin(exchange) }
    exchange.refuse(503, "no lane leads there")
  }
}
