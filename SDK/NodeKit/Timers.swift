internal import CNodeABI

/// One-shot and periodic timers. All of a role's timers end with it. A closure that throws is logged.
public struct Timers {
  let link: HostLink

  /// Runs `body` once.
  @discardableResult
  public func once(after delay: Duration, _ body: @escaping () throws -> Void) throws -> Timer {
    try add(TimerEntry(repeats: false, body: body)) { $0.pointee.once($0.pointee.ctx, delay.nanoseconds, $1) }
  }

  /// Runs `body` every `period`, at least a millisecond, first after `delay`. Beats that a busy role missed are
  /// skipped, not made up for.
  @discardableResult
  public func every(
    _ period: Duration, after delay: Duration? = nil, _ body: @escaping () throws -> Void
  ) throws -> Timer {
    let first = (delay ?? period).nanoseconds
    return try add(TimerEntry(repeats: true, body: body)) {
      $0.pointee.every($0.pointee.ctx, first, period.nanoseconds, $1)
    }
  }

  private func add(
    _ entry: TimerEntry, _ set: (UnsafePointer<nh_timer_service>, UInt64) -> nh_handle
  ) throws -> Timer {
    let service = try link.timerService
    let token = link.timers.insert(entry)
    let handle = set(service, token)
    guard handle != 0 else {
      link.timers.remove(token)
      throw RoleError(.resourceExhausted, "the host sets no more timers; cancel some, or ask for 1 ms at least")
    }
    link.timers[token]?.handle = handle
    return Timer(link: link, handle: handle, token: token)
  }
}

/// A timer that was set.
public struct Timer {
  let link: HostLink
  let handle: nh_handle
  let token: UInt64

  /// Ends it; no harm if it has ended already.
  public func cancel() {
    guard link.timers.remove(token) != nil else { return }
    link.cancelTimer(handle)
  }

  /// How long until it runs out; nil if it has ended.
  public var remaining: Duration? {
    guard link.timers[token] != nil, let service = try? link.timerService else { return nil }
    let left = service.pointee.remaining(service.pointee.ctx, handle)
    return left < 0 ? nil : .nanoseconds(left)
  }
}

struct TimerEntry {
  var handle: nh_handle = 0
  var repeats: Bool
  var body: () throws -> Void
}

extension HostLink {
  func cancelTimer(_ handle: nh_handle) {
    guard let service = try? timerService else { return }
    _ = service.pointee.cancel(service.pointee.ctx, handle)
  }

  func timerRanOut(_ handle: nh_handle, _ token: UInt64) {
    guard let entry = timers[token], entry.handle == handle else {
      // Set by the role's predecessor before a swap, whose closures went with it.
      return cancelTimer(handle)
    }
    if !entry.repeats { timers.remove(token) }
    do { try entry.body() } catch { report(error, from: "a timer's closure") }
  }
}
