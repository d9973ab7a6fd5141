import NodeKit

/// How the list of nodes is kept: from this gateway, by watching or by asking.
struct Following {
  enum Way {
    case watch(RpcClientCall)
    /// Until the next watch or question.
    case pause(Timer)
    /// A question is under way.
    case question
  }
  var target: String
  var isByAsking: Bool
  var way: Way
}

/// The list of nodes. It follows the gateway in use: a gateway that heartbeats have found to work.
extension Member {
  /// A stream that nobody ends is begun anew about once a day, which costs nothing.
  private static let watchTimeout = Duration.seconds(86_400)

  func follow() {
    guard following?.target != gateways.current || following?.isByAsking != isOldGateway else { return }
    endFollowing()
    if isOldGateway {
      context.log.info(
        "\(gateways.current) cannot be watched: it is asked for the nodes every \(Words.time(config.poll))")
    }
    look()
  }

  func endFollowing() {
    let ended = following
    following = nil
    isInStep = false
    list.watchEnded()
    switch ended?.way {
    case .watch(let call): call.cancel()
    case .pause(let timer): timer.cancel()
    case .question, nil: break
    }
    showFreshness()
  }

  private func look() {
    if isOldGateway { askForNodes() } else { watch() }
  }

  private func look(after pause: Duration) {
    do {
      let timer = try context.timer.once(after: pause) { [unowned self] in look() }
      following = Following(target: gateways.current, isByAsking: isOldGateway, way: .pause(timer))
    } catch {
      // The next heartbeat tries again.
      following = nil
    }
  }

  // MARK: Watching

  private func watch() {
    var after = list.revision
    #if BROKEN_RESUMES_TOO_LATE
      if after > 0 { after += 1 }
    #else
      after += 0
    #endif
    do {
      let call = try context.rpc.open(
        GatewayMethod.watch, at: gateways.current, options(timeout: early(Self.watchTimeout)))
      following = Following(target: gateways.current, isByAsking: false, way: .watch(call))
      call.receive { [unowned self, unowned call] message in
        if isCurrent(call) { take(message) }
      }
      call.whenEnded { [unowned self, unowned call] ending in
        if isCurrent(call) { watchEnded(ending) }
      }
      _ = try call.send(GatewayRequest.watch(after: after, of: list.registry))
      try call.finish()
    } catch {
      context.log.debug("cannot watch \(gateways.current): \(RoleError(error))")
      look(after: followRetries.next(context.random.fraction()))
    }
  }

  private func isCurrent(_ call: RpcClientCall) -> Bool {
    if case .watch(let current)? = following?.way { current === call } else { false }
  }

  private func take(_ message: [UInt8]) {
    do {
      let event = try WatchEvent(message)
      gauges.events.add()
      hear()
      switch list.take(event) {
      case .changes(let changes): tell(changes)
      case .synced(let changes):
        isInStep = true
        followRetries.reset()
        tell(changes)
        showFreshness()
      case .repeated:
        context.log.debug("\(gateways.current) told again what was known: revision \(event.revision)")
      case .foreign:
        context.log.warning("\(gateways.current) has another registry than before; taking all of it")
        endFollowing()
        watch()
      }
    } catch {
      context.log.error("\(gateways.current) tells what makes no sense: \(RoleError(error))")
      endFollowing()
      look(after: followRetries.next(context.random.fraction()))
    }
  }

  private func watchEnded(_ ending: RpcEnding) {
    isInStep = false
    list.watchEnded()
    showFreshness()
    context.log.debug("the watch at \(gateways.current) has ended: \(ending.status): \(ending.message)")
    look(after: followRetries.next(context.random.fraction()))
    // Perhaps the gateway has gone, or another has come in its place: a heartbeat finds out. Not all nodes at once.
    if ending.status == .unavailable || ending.status == .unimplemented { probe() }
  }

  private func probe() {
    guard presence == .joined, nextStep?.remaining.map({ $0 > .seconds(1) }) == true else { return }
    step(after: min(interval, .seconds(1)) * context.random.fraction())
  }

  // MARK: Asking

  private func askForNodes() {
    let target = gateways.current
    following = Following(target: target, isByAsking: true, way: .question)
    ask(GatewayMethod.nodes, []) { [unowned self] outcome in
      guard isAsking(target) else { return }
      do {
        let nodes = try NodesAnswer(outcome.get()).nodes
        askForLeader(nodes, target)
      } catch {
        questionFailed(Failure(error))
      }
    }
  }

  private func askForLeader(_ nodes: [NodeRecord], _ target: String) {
    ask(GatewayMethod.leader, []) { [unowned self] outcome in
      guard isAsking(target) else { return }
      do {
        let leadership = try LeaderAnswer(outcome.get()).leadership
        isInStep = true
        hear()
        tell(list.replace(with: nodes, leadership))
        showFreshness()
        look(after: early(config.poll))
      } catch {
        questionFailed(Failure(error))
      }
    }
  }

  private func isAsking(_ target: String) -> Bool {
    guard let following, following.target == target else { return false }
    if case .question = following.way { return true }
    return false
  }

  private func questionFailed(_ failure: Failure) {
    isInStep = false
    showFreshness()
    context.log.debug("\(gateways.current) does not tell the nodes: \(failure.error)")
    look(after: early(config.poll))
    probe()
  }

  // MARK: Freshness

  func hear() { (lastNews, hasHeard) = (context.now, true) }

  /// Since when nothing new was heard, at most; nil if nothing ever was.
  var age: Duration? {
    if isInStep { return .zero }
    return lastNews?.duration(to: context.now)
  }

  /// What another start has left behind is stale until a gateway confirms it.
  var isStale: Bool { !hasHeard || age.map { $0 > config.staleAfter } ?? true }

  func showFreshness() {
    gauges.inStep.set(isInStep ? 1 : 0)
    gauges.nodes.set(Double(list.nodes.count))
    gauges.revision.set(Double(list.revision))
    if isInStep { waiters.look(list.nodes.count) { [unowned self] in listJSON(list.inOrder) } }
  }

  // MARK: Telling

  private func tell(_ changes: [NodeList.Change]) {
    for change in changes {
      do { try tell(change) } catch { context.log.debug("nobody hears of a change: \(RoleError(error))") }
    }
    guard !changes.isEmpty else { return }
    noteArchive(changes)
    showFreshness()
  }

  private func tell(_ change: NodeList.Change) throws {
    let revision = JSON(list.revision)
    switch change {
    case .joined(let node):
      try context.bus.publish("member.joined", ["node": node.json, "revision": revision] as JSON)
      context.log.info("node \(node.id) is there, at \(node.place)")
    case .updated(let node):
      try context.bus.publish("member.updated", ["node": node.json, "revision": revision] as JSON)
      context.log.info("node \(node.id) is now at \(node.place), \(node.status)")
    case .left(let node, let reason):
      try context.bus.publish(
        "member.left", ["node": node.json, "reason": .string(reason), "revision": revision] as JSON)
      context.log.info("node \(node.id) is no longer there: \(reason)")
    case .leader(let leadership):
      try context.bus.publish(
        "member.leader",
        ["leader": leadership.json["leader"] ?? .null, "term": JSON(leadership.term), "revision": revision] as JSON)
      context.log.info(leadership.leader.map { "node \($0) leads, term \(leadership.term)" } ?? "nobody leads")
    }
  }
}
