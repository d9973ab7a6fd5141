import CNodeABI
import HostCore
import NodeValues

/// Time, and what comes to the role in its course.
extension ScriptedHost {
  /// Does everything that is due now.
  func settle(_ role: ScriptedRole) { advance(by: 0, role) }

  func advance(by nanoseconds: Int64, _ role: ScriptedRole) {
    let end = clock + nanoseconds
    var deliveries = 0
    repeat {
      takeInbox()
      answerOutgoing(role)
      moveExchanges(role)
      moveTalks(role)
      expireCalls(role)
      guard let next = timers.earliest, next <= end else { break }
      clock = max(clock, next)
      // A periodic timer is set again behind this moment, so that this ends.
      while let (handle, timer) = timers.next(by: clock), deliveries < Self.deliveryLimit {
        deliveries += 1
        // A timer that was handed over keeps the token: it is the same in both.
        if !timer.repeats { setTimers[handle] = nil }
        role.deliverTimer(handle, timer.token)
      }
    } while deliveries < Self.deliveryLimit
    clock = max(clock, end)
    lookAtDescriptors(role)
    takeInbox()
    answerOutgoing(role)
    moveExchanges(role)
    moveTalks(role)
    expireCalls(role)
  }

  /// Moves to the next timer, or on by an hour if there is none before.
  func advanceToNext(_ role: ScriptedRole) {
    let hour: Int64 = 3_600_000_000_000
    let next = timers.earliest.map { max(0, $0 - clock) } ?? hour
    advance(by: min(next, hour), role)
  }

  /// Callers who have waited long enough give up, and the role hears of it.
  private func expireCalls(_ role: ScriptedRole) {
    for handle in overdueCalls() {
      _ = settle(handle, .none)
      role.deliverCancelled(handle)
    }
  }

  private func overdueCalls() -> [nh_handle] {
    guard openCalls.count > 0 else { return [] }
    return openCalls.elements.filter { $0.element.deadline <= clock }.map(\.handle)
  }

  /// There are no other roles here, and each call of one learns so; jobs are done.
  private func answerOutgoing(_ role: ScriptedRole) {
    var deliveries = 0
    while !unanswered.isEmpty, deliveries < Self.deliveryLimit {
      deliveries += 1
      let handle = unanswered.removeFirst()
      if let question = outgoing[handle]?.stored {
        answer(question, handle, role)
        continue
      }
      guard let request = outgoing.remove(handle) else { continue }
      if let job = request.job {
        let (status, result) = request.isCancelled ? (NH_CANCELLED, []) : run(job.function, job.job)
        role.deliverReply(handle, request.token, status, "", .bytes(result))
      } else {
        role.deliverReply(handle, request.token, NH_NOT_FOUND, "there is no other role here")
      }
    }
    role.answerBlobs()
    role.answerRequests()
  }

  /// A job runs on a thread of its own, so that it is found out if it uses what belongs to the loop.
  private func run(_ function: nh_work_function, _ job: UnsafeMutableRawPointer?) -> (nh_status, [UInt8]) {
    let sink = ScriptedSink(pieces: .max, limit: 16 << 20)
    let status = OtherThread.run { [settings, lender] in
      var context = nh_work_context(
        struct_size: UInt32(MemoryLayout<nh_work_context>.size), revision: settings.revision, ctx: nil,
        is_cancelled: { _ in 0 }, progress: { _, _ in })
      return sink.lend(lender) { function(&context, job, $0) }
    }
    return (status ?? NH_UNAVAILABLE, sink.bytes)
  }

  /// Hands an event to every subscription that matches.
  func publish(_ topic: String, _ payload: [UInt8], _ role: ScriptedRole) {
    sequence += 1
    for (handle, _) in subscriptions.elements {
      // It may have ended meanwhile.
      guard let subscription = subscriptions[handle], TopicPattern.matches(subscription.pattern, topic) else {
        continue
      }
      role.deliverEvent(topic, payload, handle, subscription.token)
    }
  }
}
