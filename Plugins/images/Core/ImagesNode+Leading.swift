internal import NodeKit

/// Whether this node leads, and how far it is with taking over.
struct Leadership {
  enum Phase: Equatable { case following, taking, ready }

  private(set) var phase = Phase.following
  private(set) var leader: Int?
  private(set) var term: UInt64 = 0
  /// Until when no other can lead, on the monotonic clock.
  private(set) var sureUntil = Int64.min

  /// It leads, or is about to.
  var leads: Bool { phase != .following }
  var isTaking: Bool { phase == .taking }
  var isReady: Bool { phase == .ready }

  mutating func follow(_ leader: Int?, _ term: UInt64?) {
    (phase, sureUntil) = (.following, .min)
    self.leader = leader
    if let term { self.term = term }
  }

  mutating func take(_ term: UInt64, leader: Int) {
    (phase, self.term, self.leader) = (.taking, term, leader)
  }

  mutating func renew(until time: Int64) { sureUntil = max(sureUntil, time) }
  mutating func finish() { phase = .ready }
}

/// What the elector says.
extension ImagesNode {
  /// Whoever starts later than the elector has missed what it said.
  func askForLeader() {
    attempt("asking the elector") {
      try context.roles.call(settings.elector, "status") { [self] (answer: Result<JSON, RoleError>) in
        guard case .success(let answer) = answer, leadership.leader == nil else { return }
        if answer["mode"] == "classic" {
          context.log.error("the role `\(settings.elector)` gives no leases in `mode: classic`; images need `quorum`")
        }
        let leader = answer["leader"]?.int.map { Int($0) }
        let term = answer["term"]?.int.flatMap { UInt64(exactly: $0) }
        guard leader == context.nodeID else { return follow(leader, term) }
        // That it leads for a while, it is told again soon; who leads alone is told once, for ever.
        if answer["state"] == "leading", answer["majority"] == 1, let term { take(lease: term, until: .max) }
      }
    }
  }

  func leaderChanged(_ event: JSON) {
    let leader = event["leader"]?.int.map { Int($0) }
    guard event["self"]?.bool != true else { return }
    follow(leader, event["term"]?.int.flatMap { UInt64(exactly: $0) })
  }

  func leaseCame(_ event: JSON) {
    guard isLoaded, event["node"]?.int == Int64(context.nodeID), let length = event["for_us"]?.int,
      let term = event["term"]?.int.flatMap({ UInt64(exactly: $0) })
    else { return }
    // The event may have waited, so what it says of the clock counts, and not when it came.
    take(lease: term, until: length == 0 ? .max : event["until_ns"]?.int ?? now)
  }

  private func take(lease term: UInt64, until end: Int64) {
    guard term >= fence else { return }
    if !leadership.leads || leadership.term != term { beginTakeover(term) }
    leadership.renew(until: end)
  }

  func follow(_ leader: Int?, _ term: UInt64?) {
    let led = leadership.leads
    leadership.follow(leader, term)
    guard led else { return }
    context.log.info("node \(context.nodeID): leads no more, term \(leadership.term)")
    comparisons = [:]
    for copying in openCopyings { copying.end() }
    #if !BROKEN_LATE_ANSWER
      let lost = RoleError(.unavailable, "another node leads now; whether it is stored, only that node can tell")
      let ended = openProposals
      proposals = [:]
      for proposal in ended { proposal.end(.failure(lost)) }
    #endif
  }

  /// It leads, knows all that was acknowledged, and no other node can lead now.
  var isSure: Bool { leadership.isReady && now < leadership.sureUntil }

  func mayAcknowledge(_ term: UInt64) -> Bool {
    #if BROKEN_LATE_ANSWER
      return true
    #else
      return isSure && leadership.term == term
    #endif
  }

  // MARK: Taking over

  private func beginTakeover(_ term: UInt64) {
    for proposal in openProposals {
      proposal.end(.failure(RoleError(.unavailable, "a new term has begun; try again")))
    }
    (proposals, comparisons, unsettled, batch) = ([:], [:], [], nil)
    for copying in openCopyings { copying.end() }
    leadership.take(term, leader: context.nodeID)
    context.log.info("node \(context.nodeID): leads in term \(term), asking \(majority - 1) others what they have")
    fence = max(fence, term)
    goOnTaking()
  }

  func goOnTaking() {
    let term = leadership.term
    guard durableFence >= term else {
      return write([], term) { [self] result in
        guard case .success = result, leadership.isTaking, leadership.term == term else { return }
        goOnTaking()
      }
    }
    for node in linked where comparisons[node] == nil { compare(with: node) }
    lookWhetherTaken()
  }

  /// The entries of a majority are here, and each of that majority has what the others had.
  func lookWhetherTaken() {
    guard leadership.isTaking, durableFence >= leadership.term else { return }
    if batch == nil {
      let read = openComparisons.filter { $0.stage == .read }
      guard read.count >= majority - 1 else { return }
      // Who comes later is told later: what it brings, these here do not learn now.
      batch = (Set(read.map(\.node)), unsettled)
      for comparison in read { pushEntries(comparison) }
    }
    guard let batch, batch.nodes.allSatisfy({ comparisons[$0]?.stage == .done }) else { return }
    leadership.finish()
    unsettled.subtract(batch.news)
    self.batch = nil
    lastComparison = now
    context.log.info("node \(context.nodeID): takes images, term \(leadership.term), \(catalogue.liveCount) are there")
    for comparison in openComparisons where comparison.stage == .read { pushEntries(comparison) }
  }

  /// A node that is silent, or gone.
  func dropComparison(_ node: Int) {
    comparisons[node] = nil
    guard let batch, batch.nodes.contains(node) else { return }
    self.batch = nil
    for other in batch.nodes.sorted() {
      if let comparison = comparisons[other] { comparisons[other] = comparison.again(now) }
    }
    lookWhetherTaken()
  }
}
