internal import CNodeABI

struct FakeTimer {
  var token: UInt64
  var period: Duration?
  /// Its place in the clock's queue.
  var due: UInt64
}

extension FakeHost {
  private static let timerLimit = 1_024

  func setTimer(_ function: String, _ delay: Int64, _ period: Int64?, _ token: UInt64) -> nh_handle {
    guard permits("nh_timer_service.\(function)"), timers.count < Self.timerLimit else { return 0 }
    if let period, period < 1_000_000 { return 0 }
    return timers.insert { handle in
      FakeTimer(
        token: token, period: period.map { .nanoseconds($0) },
        due: clock.schedule(after: .nanoseconds(delay)) { [unowned self] in runOut(handle) })
    }
  }

  func cancelTimer(_ handle: nh_handle) -> nh_status {
    guard allows("nh_timer_service.cancel") else { return NH_FAILED_PRECONDITION }
    guard let timer = timers.remove(handle) else {
      expectGiven(handle, timers, "nh_timer_service.cancel")
      return NH_NOT_FOUND
    }
    clock.cancel(timer.due)
    return NH_OK
  }

  func remaining(_ handle: nh_handle) -> Int64 {
    guard allows("nh_timer_service.remaining"), let timer = timers[handle], let time = clock.time(of: timer.due)
    else { return -1 }
    return clock.now.duration(to: time).nanoseconds
  }

  private func runOut(_ handle: nh_handle) {
    guard let timer = timers[handle] else { return }
    if let period = timer.period {
      let due = clock.schedule(after: period) { [unowned self] in runOut(handle) }
      timers.update(handle) { $0.due = due }
    } else {
      timers.remove(handle)
    }
    guard let function = library.table.on_timer else { return breach("a timer ran out, and the role has no on_timer") }
    function(role, handle, timer.token)
  }
}
