package import NodeKit

/// How this node stands with the gateways.
enum Presence: Equatable {
  /// Not begun, or left.
  case away
  /// Wants to be registered.
  case joining
  /// Registered, and kept so by heartbeats.
  case joined
  /// The gateway does not want it, for these reasons; it is tried again slowly.
  case refused(String)
}

/// No gateway answers.
struct Outage {
  var since: Moment
  var words: String
}

/// Registering and heartbeats. There is one next step at any time: it waits for its timer (`nextStep`) or for a
/// gateway's answer, and an answer to an earlier step (`turn`) is not listened to.
extension Member {
  /// From the beginning: registers this node.
  func enter() {
    presence = .joining
    retries = Backoff(first: config.retry, longest: min(config.longestRetry, config.heartbeat))
    step(after: .zero)
  }

  /// After a swap of its code: registered as it was. The next heartbeat comes soon, to find out.
  func goOn() {
    noteArchive()
    guard presence != .away else { return }
    step(after: min(interval, .seconds(1)) * context.random.fraction())
    tellLeader()
    do {
      // Messages can be sent when it runs.
      try context.timer.once(after: .zero) { [unowned self] in
        if presence == .joined { follow() }
      }
    } catch {
      context.log.debug("the watch goes on with the next heartbeat: \(RoleError(error))")
    }
  }

  /// Nothing more by itself.
  func rest() {
    presence = .away
    turn += 1
    nextStep?.cancel()
    endFollowing()
    endReport()
    outage = nil
    gauges.registered.set(0)
  }

  func step(after pause: Duration) {
    turn += 1
    nextStep?.cancel()
    do {
      nextStep = try context.timer.once(after: pause) { [unowned self] in takeStep() }
    } catch {
      context.fail(.resourceExhausted, "no timer for the next heartbeat: \(RoleError(error))")
    }
  }

  private func takeStep() {
    switch presence {
    case .away: break
    case .joined: heartbeat()
    case .joining, .refused: register()
    }
  }

  // MARK: Registering

  private func register() {
    let now = turn
    let message = GatewayRequest.register(record, sequence: nextSequence())
    ask(GatewayMethod.register, message) { [unowned self] outcome in
      guard now == turn else { return }
      do {
        registered(try RegisterAnswer(outcome.get()))
      } catch {
        failed(Failure(error), "register")
      }
    }
  }

  private func registered(_ answer: RegisterAnswer) {
    let wasRefused = if case .refused = presence { true } else { false }
    presence = .joined
    isOldGateway = answer.isOld
    lastHeartbeat = context.now
    gauges.registrations.add()
    gauges.registered.set(1)
    gateways.learn(answer.gateways)
    takeInterval(answer.intervalMilliseconds)
    believe(answer)
    answered()
    context.log.info(
      "\(answer.status) at \(gateways.current) as node \(id)\(wasRefused ? ", which it refused before" : ""); "
        + "heartbeats every \(Words.time(interval))"
        + (bootstrap == true ? "; this node begins the cluster" : ""),
      ["gateway": .string(gateways.current), "id": JSON(id), "instance": .string(instance)])
    step(after: early(interval))
    noteArchive()
    tellLeader()
  }

  /// An older gateway forgets everything with its process, and then calls the next one that comes the first. This node
  /// knows better if it was told otherwise before, or knows others.
  private func believe(_ answer: RegisterAnswer) {
    let knowsBetter = answer.isOld && bootstrap != true && (bootstrap == false || list.nodes.keys.contains { $0 != id })
    if answer.isBootstrap, knowsBetter {
      context.log.warning(
        "\(gateways.current) says that this node begins the cluster, which it does not: it was here before")
      bootstrap = false
    } else if !(answer.isOld && bootstrap == true) {
      // Asked again, an older gateway says no, also to the one to which it has said yes.
      bootstrap = answer.isBootstrap
    }
  }

  private func takeInterval(_ milliseconds: UInt32) {
    interval = milliseconds == 0 ? config.heartbeat : max(.milliseconds(100), .milliseconds(Int64(milliseconds)))
    retries = Backoff(first: config.retry, longest: min(config.longestRetry, interval))
  }

  // MARK: Heartbeats

  private func heartbeat() {
    let now = turn
    ask(GatewayMethod.heartbeat, GatewayRequest.heartbeat(id, instance)) { [unowned self] outcome in
      guard now == turn else { return }
      do {
        beaten(try HeartbeatAnswer(outcome.get()))
      } catch {
        failed(Failure(error), "heartbeat")
      }
    }
  }

  private func beaten(_ answer: HeartbeatAnswer) {
    guard answer.status != "not_found" else { return forgotten() }
    lastHeartbeat = context.now
    gauges.heartbeats.add()
    isOldGateway = answer.isOld
    if answer.intervalMilliseconds != 0 { takeInterval(answer.intervalMilliseconds) }
    answered()
    step(after: early(interval))
  }

  private func forgotten() {
    context.log.warning("\(gateways.current) does not know this node any more; registering again")
    gauges.registered.set(0)
    presence = .joining
    #if !BROKEN_FORGETS_TO_REGISTER
      step(after: .zero)
    #endif
  }

  // MARK: What comes back

  /// The gateway in use works.
  private func answered() {
    retries.reset()
    gateways.works()
    if let outage {
      let length = Words.time(outage.since.duration(to: context.now))
      context.log.info("\(gateways.current) answers, after \(length) without a gateway")
      self.outage = nil
    }
    gauges.reachable.set(1)
    follow()
  }

  private func failed(_ failure: Failure, _ what: String) {
    let error = failure.error
    gauges.failures.add()
    context.log.debug("\(what) at \(gateways.current): \(error.status): \(error.message)")
    switch error.status {
    case .notFound where presence == .joined: forgotten()
    case .alreadyExists:
      refused("node id \(id) is taken by another: \(error.message); give this node an id of its own, or end the other")
    case .unauthenticated, .permissionDenied:
      refused("\(gateways.current) does not accept this node: \(error.message); see `token` in its configuration")
    case .invalidArgument, .outOfRange, .failedPrecondition:
      refused("\(gateways.current) refuses this node: \(error.message)")
    case .resourceExhausted:
      // It is there, and has too much to do; another would fare no better.
      let pause = retries.next(context.random.fraction())
      context.log.warning("\(gateways.current) has too much to do: \(error.message)")
      step(after: max(pause, failure.retryAfter ?? .zero))
    default: unreachable(failure)
    }
  }

  private func refused(_ words: String) {
    outage = nil
    gauges.registered.set(0)
    if presence != .refused(words) {
      context.log.error("\(words); it is tried again every \(Words.time(config.refusedRetry))")
    }
    presence = .refused(words)
    step(after: early(config.refusedRetry))
  }

  private func unreachable(_ failure: Failure) {
    let error = failure.error
    let silent = gateways.current
    if gateways.fail() {
      context.log.info("\(silent) does not answer (\(error.message)); asking \(gateways.current)")
      gauges.changes.add()
      return step(after: .zero)
    }
    let isNews = outage == nil
    outage = Outage(since: outage?.since ?? context.now, words: "\(silent): \(error.message)")
    gauges.reachable.set(0)
    let pause = max(retries.next(context.random.fraction()), failure.retryAfter ?? .zero)
    if isNews {
      context.log.warning(
        "no gateway answers (\(silent): \(error.message)); what is known of "
          + "\(Words.count(list.nodes.count, "node")) stays",
        ["gateways": JSON(gateways.targets.count)])
    }
    step(after: pause)
  }

  // MARK: Leaving

  package func leave(_ reply: Reply<Nothing>) {
    guard presence != .away else { return reply.send() }
    rest()
    sayGoodbye { [unowned self] outcome in
      switch outcome {
      case .success:
        context.log.info("left")
        reply.send()
      case .failure(let error):
        reply.fail(
          RoleError(error.status, "left, but the gateway does not know it and will miss this node: \(error.message)"))
      }
    }
  }

  package func join() {
    if presence == .away { enter() }
  }

  /// So that what the network held up does not bring back a node that has left meanwhile.
  private func nextSequence() -> UInt64 {
    sequence += 1
    return sequence
  }

  func sayGoodbye(_ done: @escaping (Result<Void, RoleError>) -> Void) {
    let (path, message) =
      isOldGateway
      ? (GatewayMethod.remove, GatewayRequest.remove(id))
      : (GatewayMethod.deregister, GatewayRequest.deregister(id, instance, sequence: nextSequence()))
    ask(path, message) { outcome in done(outcome.map { _ in }.mapError(\.error)) }
  }
}
