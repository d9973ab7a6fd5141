import NodeKit

/// A leader that the gateways are still to be told of.
struct Report: Equatable {
  var leader: Int32
  var term: UInt64
}

/// What an elector on this node says of leaders goes on to the gateway: at once if this node leads, and else a little
/// later and only if the gateway does not know it by then, so that not all nodes say the same.
extension Member {
  func leaderChanged(_ event: Event) throws {
    let change = try event.decode(LeaderChange.self)
    // That nobody leads is not told: the gateways keep who led last, until another does.
    guard let leader = change.leader else { return }
    guard let leader = Int32(exactly: leader) else {
      throw RoleError(.invalidArgument, "the leader \(leader) is no id of a node")
    }
    guard change.term >= highestReport else { return }
    highestReport = change.term
    report = Report(leader: leader, term: change.term)
    tellLeader(after: leader == id ? .zero : .seconds(1) + .seconds(1) * context.random.fraction())
  }

  /// Once registered: what could not be told before.
  func tellLeader() {
    if report != nil { tellLeader(after: .zero) }
  }

  func endReport() {
    reportTimer?.cancel()
    reportTimer = nil
  }

  private func tellLeader(after pause: Duration) {
    endReport()
    do {
      reportTimer = try context.timer.once(after: pause) { [unowned self] in tellNow() }
    } catch {
      context.log.error("the leader is not told: \(RoleError(error))")
    }
  }

  private func tellNow() {
    guard let report, presence == .joined else { return }
    // Whoever knows no terms would believe the last who speaks; so there only the leader speaks.
    let isForOthers = isOldGateway && report.leader != id
    let isKnown = isInStep && list.leadership.term >= report.term && list.leadership.leader != nil
    guard !isForOthers, !isKnown else {
      self.report = nil
      return
    }
    ask(GatewayMethod.updateLeader, GatewayRequest.updateLeader(report.leader, term: report.term, by: id)) {
      [unowned self] outcome in
      if self.report == report { told(report, outcome) }
    }
  }

  private func told(_ report: Report, _ outcome: Result<[UInt8], Failure>) {
    do {
      let answer = try StatusAnswer(outcome.get())
      guard answer.status == "updated" else {
        // An older gateway does not know the leader yet.
        context.log.debug("\(gateways.current) does not take the leader \(report.leader): \(answer.message)")
        return tellLeader(after: early(interval))
      }
      context.log.info("told \(gateways.current) that node \(report.leader) leads, term \(report.term)")
      self.report = nil
    } catch {
      let error = Failure(error).error
      guard error.status != .failedPrecondition else {
        context.log.info("\(gateways.current) knows of a later leader than node \(report.leader): \(error.message)")
        return self.report = nil
      }
      tellLeader(after: early(min(interval, .seconds(5))))
    }
  }
}
