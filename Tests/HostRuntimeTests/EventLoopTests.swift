import CSystem
import Glibc
@testable import HostRuntime
import Synchronization
import Testing

/// How a loop sleeps, wakes and lingers.
@Suite struct EventLoopTests {
  private final class Counter: Sendable {
    let count = Atomic<Int>(0)

    func awaits(_ least: Int) -> Bool {
      for _ in 0..<20_000 where count.load(ordering: .acquiring) < least { usleep(500) }
      return count.load(ordering: .acquiring) >= least
    }
  }

  private func withLoops(_ count: Int, _ body: ([EventLoop]) -> Void) {
    let loops = (0..<count).map { EventLoop(index: $0, name: "test-\($0)") }
    let threads = loops.map { $0.startThread() }
    body(loops)
    for loop in loops { loop.stop() }
    for thread in threads { thread.join() }
  }

  /// Each sleeps while the other one works, so one wake-up that is lost would be the end.
  private static func play(_ loop: EventLoop, _ other: EventLoop, _ left: Int, lingers: Bool, _ done: Counter) {
    loop.post {
      if lingers { loop.linger(nanoseconds: 20_000) }
      if left > 0 { return play(other, loop, left - 1, lingers: lingers, done) }
      done.count.add(1, ordering: .releasing)
    }
  }

  @Test(arguments: [false, true]) func noPostIsSleptThrough(_ lingers: Bool) {
    withLoops(2) { loops in
      let done = Counter()
      for _ in 0..<3 { Self.play(loops[0], loops[1], 5_000, lingers: lingers, done) }
      #expect(done.awaits(3))
    }
  }

  @Test func postsOfManyThreadsAllWakeTheLoop() {
    withLoops(3) { loops in
      let done = Counter()
      for _ in 0..<200 {
        for sender in loops[1...] { sender.post { loops[0].post { done.count.add(1, ordering: .releasing) } } }
        // Now and then it has gone to sleep in between.
        usleep(50)
      }
      #expect(done.awaits(400))
    }
  }

  private final class Watcher: DescriptorWatcher, @unchecked Sendable {
    let seen = Counter()
    func descriptorReady(_ events: UInt32) { seen.count.add(1, ordering: .releasing) }
  }

  @Test func aLingeringLoopSeesDescriptors() {
    withLoops(1) { loops in
      let event = csystem_eventfd(), watcher = Watcher(), began = Counter()
      defer { close(event) }
      loops[0].post {
        loops[0].watch(event, csystem_readable | csystem_edge, watcher)
        // Longer than the test waits.
        loops[0].linger(nanoseconds: 60_000_000_000)
        began.count.add(1, ordering: .releasing)
      }
      #expect(began.awaits(1))
      var one: UInt64 = 1
      #expect(write(event, &one, 8) == 8)
      #expect(watcher.seen.awaits(1))
      loops[0].post { loops[0].unwatch(event) }
    }
  }

  @Test func lingeringEnds() {
    withLoops(1) { loops in
      let began = EventLoop.now(), done = Counter()
      loops[0].post {
        loops[0].linger(nanoseconds: 5_000_000)
        // A timer that comes later than that finds the loop asleep.
        _ = DelayedWork.after(milliseconds: 30, on: loops[0]) { done.count.add(1, ordering: .releasing) }
      }
      #expect(done.awaits(1) && EventLoop.now() - began >= 30_000_000)
    }
  }
}
