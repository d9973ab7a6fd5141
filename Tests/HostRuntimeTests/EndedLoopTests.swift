@testable import HostRuntime
import Testing

/// What an event loop knows of when it ends.
@Suite struct EndedLoopTests {
  /// Waits in each way that there is, and asks to be told again whenever it is told.
  private final class Waiter: TurnEndTarget, TimerTarget, DescriptorWatcher, @unchecked Sendable {
    private let loop: EventLoop
    init(_ loop: EventLoop) { self.loop = loop }

    func wait() {
      loop.atTurnEnd(self)
      loop.watch(0, 0, self)
      _ = loop.setTimer(after: .max / 2, self)
    }

    func turnEnded() { loop.atTurnEnd(self) }
    func timerFired(_ timer: UInt64, token: UInt64) {}
    func descriptorReady(_ events: UInt32) {}
    // Whoever goes tidies up, and finds the loop as it should be.
    deinit { loop.unwatch(0) }
  }

  @Test func whoStillWaitsIsLetGo() {
    var loop: EventLoop? = EventLoop(index: 0, name: "ends")
    var waiter: Waiter? = Waiter(loop!)
    let thread = loop!.startThread()
    loop!.post { [waiter] in waiter!.wait() }
    loop!.stop()
    thread.join()
    weak let goneLoop = loop
    weak let goneWaiter = waiter
    (loop, waiter) = (nil, nil)
    #expect(goneWaiter == nil && goneLoop == nil)
  }
}
