import HostCore

/// A timer of a role. It belongs to the build that set it, until the next one's start sets the same again.
struct SeatTimer {
  unowned(unsafe) var owner: RoleInstance
  var delay: Int64
  var period: Int64
  var token: UInt64
  /// Nil while its owner is kept on probation's behalf: then `remaining` tells how long it had left.
  var loopTimer: UInt64?
  var remaining: Int64 = 0
}

extension RoleSeat: TimerTarget {
  func setTimer(_ owner: RoleInstance, delay: Int64, period: Int64, token: UInt64) -> UInt64? {
    if let handle = inheritTimer(owner, delay, period, token) { return handle }
    guard timers.count < RoleInstance.timerLimit * buildCount else { return nil }
    let timer = SeatTimer(owner: owner, delay: delay, period: period, token: token)
    guard let handle = timers.insert(timer) else { return nil }
    if isReplaced(owner) {
      // Answers that came late have waked it; it goes on only if it comes back.
      timers[handle]?.remaining = delay
    } else {
      timers[handle]?.loopTimer = loop.setTimer(after: delay, period: period, self, token: handle)
    }
    return handle
  }

  /// Whether a build may touch a timer: its own, or one that it is about to inherit.
  func holds(_ owner: RoleInstance, timer: UInt64) -> Bool {
    guard let held = timers[timer] else { return false }
    return held.owner === owner || (handover?.new === owner && handover?.timers.contains(timer) == true)
  }

  /// False if there is no such timer.
  func cancelTimer(_ owner: RoleInstance, _ handle: UInt64) -> Bool {
    guard holds(owner, timer: handle) else { return false }
    // What it would have inherited is still the old build's, should the swap be undone.
    if timers[handle]?.owner !== owner { return handover?.timers.remove(handle) != nil }
    removeTimer(handle)
    return true
  }

  func remaining(_ owner: RoleInstance, of handle: UInt64) -> Int64? {
    guard holds(owner, timer: handle) else { return nil }
    return timers[handle]?.loopTimer.flatMap { loop.remaining(of: $0) }
  }

  func timerFired(_ timer: UInt64, token handle: UInt64) {
    pass(.quieting) { [self] in deliverTimer(handle) }
  }

  private func deliverTimer(_ handle: UInt64) {
    guard let timer = timers[handle], timer.loopTimer != nil else { return }
    if timer.period == 0 { timers.remove(handle) }
    timer.owner.deliverTimer(handle, token: timer.token)
  }

  func removeTimer(_ handle: UInt64) {
    guard let timer = timers.remove(handle), let loopTimer = timer.loopTimer else { return }
    loop.cancelTimer(loopTimer)
  }

  func pauseTimer(_ handle: UInt64) {
    guard let loopTimer = timers[handle]?.loopTimer else { return }
    timers[handle]?.remaining = loop.remaining(of: loopTimer) ?? 0
    timers[handle]?.loopTimer = nil
    loop.cancelTimer(loopTimer)
  }

  func resumeTimer(_ handle: UInt64) {
    guard let timer = timers[handle], timer.loopTimer == nil else { return }
    timers[handle]?.loopTimer = loop.setTimer(after: timer.remaining, period: timer.period, self, token: handle)
  }

  /// The timer of the old build that the new one's start asks for again.
  private func inheritTimer(_ owner: RoleInstance, _ delay: Int64, _ period: Int64, _ token: UInt64) -> UInt64? {
    guard let handover, handover.new === owner, gate == .moving else { return nil }
    let same = timers.elements.first { handle, timer in
      timer.owner === handover.old && timer.token == token && timer.period == period && timer.delay == delay
        && !handover.timers.contains(handle)
    }
    guard let same else { return nil }
    self.handover?.timers.insert(same.handle)
    return same.handle
  }
}
