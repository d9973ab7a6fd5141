import Glibc

/// The time and the descriptors of a live run: does what is due, waits for sockets, all on one thread.
final class LiveLoop {
  /// A signal that comes between a look and the wait for descriptors is seen after so long at the latest.
  private static let longestWaitMilliseconds: Int64 = 100

  private var queue = EventQueue()
  private var watched: [Int32: (events: Int16, work: () -> Void)] = [:]
  private let began = clock()

  private static func clock() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  var now: Int64 { Self.clock() - began }

  func at(_ time: Int64, _ work: @escaping () -> Void) { queue.add(.other(work), at: time) }
  func after(_ delay: Int64, _ work: @escaping () -> Void) { at(now + delay, work) }

  /// Instead of what was done before for this descriptor.
  func watch(_ descriptor: Int32, _ events: Int32, _ work: @escaping () -> Void) {
    watched[descriptor] = (Int16(events), work)
  }

  func unwatch(_ descriptor: Int32) { watched[descriptor] = nil }

  func run(while isWanted: () -> Bool) {
    while isWanted() {
      while isWanted(), let time = queue.earliest, time <= now, let (_, work) = queue.next() {
        if case .other(let work) = work { work() }
      }
      guard isWanted() else { return }
      wait()
    }
  }

  /// Nothing that waits will be done, and nobody is held by it.
  func end() { (queue, watched) = (EventQueue(), [:]) }

  private func wait() {
    let next = queue.earliest.map { max(0, $0 - now) / 1_000_000 + 1 } ?? Self.longestWaitMilliseconds
    var polled = watched.map { pollfd(fd: $0.key, events: $0.value.events, revents: 0) }
    guard poll(&polled, nfds_t(polled.count), Int32(min(next, Self.longestWaitMilliseconds))) > 0 else { return }
    for state in polled where state.revents != 0 { watched[state.fd]?.work() }
  }
}
