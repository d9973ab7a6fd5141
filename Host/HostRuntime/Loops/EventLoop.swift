import CSystem
import Glibc
import HostCore
import Synchronization

/// Told when a descriptor it watches is ready.
protocol DescriptorWatcher: AnyObject {
  func descriptorReady(_ events: UInt32)
}

/// Told when a timer it has set runs out.
protocol TimerTarget: AnyObject {
  func timerFired(_ timer: UInt64, token: UInt64)
}

/// Told when all that came in one turn of the loop has been dealt with: the time to send what has gathered.
protocol TurnEndTarget: AnyObject {
  func turnEnded()
}

/// Takes the place of a thread: lets loops have their turns, one after the other.
package protocol LoopDriver: AnyObject {
  /// Something waits in the loop's mailbox.
  func woken(_ loop: EventLoop)
}

/// One thread that waits for descriptors, timers and posted work, and runs them one at a time. All
/// that belongs to a loop is touched on its thread only; `post` is the one way in.
package final class EventLoop: @unchecked Sendable {
  /// Timers of all roles of a loop together; each role has its own lower limit.
  static let timerLimit = 1 << 20
  /// Ready descriptors taken from the kernel at once. More would delay timers, fewer cost calls.
  private static let readyLimit = 256
  /// While it lingers: how often it looks into its mailbox before it asks the kernel about descriptors again.
  private static let looksBetweenPolls = 64

  package let index: Int
  let name: String
  private let poller: Int32
  private let waker: Int32
  /// Of a loop that has no thread, and no descriptors.
  private weak var driver: (any LoopDriver)?
  private let mailbox = Mailbox()
  private let thread = Atomic<UInt>(0)
  private var watchers = Watchers()
  private var endingTurn: [any TurnEndTarget] = []
  private var endedTurn: [any TurnEndTarget] = []
  private var timers = TimerQueue<(target: any TimerTarget, token: UInt64)>(limit: EventLoop.timerLimit)
  private var running = true
  /// Until when the loop looks for work again and again instead of going to sleep: for whoever expects an answer at
  /// once, which sleeping would delay by two switches of threads.
  private var lingersUntil: Int64 = 0
  /// The time when the present turn began. For what need not be exact, and costs nothing.
  private(set) var turnBegan = EventLoop.now()
  /// What a descriptor gives is read into this first; what nobody keeps costs no room of its own.
  let scratch: UnsafeMutableRawBufferPointer
  /// Set while it waits, or is about to: only then must who posts wake it.
  private let isAsleep = Atomic<Bool>(false)
  /// Callbacks run so far; read by others for `hostctl status`.
  private let turns = Atomic<Int>(0)

  package init(index: Int, name: String) {
    self.index = index
    self.name = name
    poller = csystem_poller()
    waker = csystem_eventfd()
    scratch = Self.makeScratch()
    precondition(poller >= 0 && waker >= 0, "no descriptors left for an event loop")
    // Edge-triggered, each write wakes anew, and nobody has to read what was written.
    _ = csystem_watch(poller, waker, Watchers.wakerTag, csystem_readable | csystem_edge, 0)
  }

  package static func makeScratch() -> UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)
  }

  /// A loop whose turns somebody else gives it, who also lends the scratch: one for all whose turns never overlap.
  package init(index: Int, name: String, driver: any LoopDriver, scratch: UnsafeMutableRawBufferPointer) {
    (self.index, self.name, self.driver, self.scratch) = (index, name, driver, scratch)
    (poller, waker) = (-1, -1)
    isAsleep.store(true, ordering: .relaxed)
  }

  deinit {
    guard poller >= 0 else { return }
    close(poller)
    close(waker)
    scratch.deallocate()
  }

  // MARK: From any thread

  var isCurrent: Bool { thread.load(ordering: .relaxed) == UInt(pthread_self()) }
  package var callbacks: Int { turns.load(ordering: .relaxed) }

  /// Runs `work` on the loop, after what was posted before.
  package func post(_ work: @escaping @Sendable () -> Void) {
    mailbox.push(work)
    // It looks into its mailbox after it has said that it sleeps, so one of both sees the other.
    if isAsleep.exchange(false, ordering: .sequentiallyConsistent) { wake() }
  }

  private func wake() {
    guard poller >= 0 else {
      driver?.woken(self)
      return
    }
    var one: UInt64 = 1
    _ = write(waker, &one, 8)
  }

  package func stop() { post { [self] in running = false } }

  package func startThread() -> OwnThread {
    guard let thread = OwnThread(name, { [self] in run() }) else { preconditionFailure("no thread for an event loop") }
    return thread
  }

  // MARK: On the loop

  package static func now() -> Int64 {
    if let virtual = VirtualTime.monotonic { return virtual }
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// Until work comes, whatever it is, but no longer than this.
  func linger(nanoseconds: Int64) { lingersUntil = EventLoop.now() + nanoseconds }

  /// How many descriptors are ready; none also if there is something in the mailbox.
  private func linger(_ ready: UnsafeMutablePointer<csystem_ready>) -> Int {
    let end = lingersUntil
    lingersUntil = 0
    guard endingTurn.isEmpty else { return wait(ready) }
    repeat {
      let count = csystem_wait(poller, ready, Int32(EventLoop.readyLimit), 0)
      if count > 0 { return Int(count) }
      for _ in 0..<EventLoop.looksBetweenPolls where !mailbox.isEmpty { return 0 }
      // The thread that is waited for may be waiting for this very processor.
      sched_yield()
    } while EventLoop.now() < end
    return wait(ready)
  }

  func watch(_ descriptor: Int32, _ events: UInt32, _ watcher: any DescriptorWatcher) {
    let (tag, isNew) = watchers.put(watcher, at: descriptor)
    _ = csystem_watch(poller, descriptor, tag, events, isNew ? 0 : 1)
  }

  func unwatch(_ descriptor: Int32) {
    guard watchers.remove(at: descriptor) else { return }
    _ = csystem_watch(poller, descriptor, 0, 0, 1)
  }

  /// Tells the target once, at the end of this turn.
  func atTurnEnd(_ target: any TurnEndTarget) { endingTurn.append(target) }

  func setTimer(after delay: Int64, period: Int64 = 0, _ target: any TimerTarget, token: UInt64 = 0) -> UInt64? {
    timers.add(deadline: EventLoop.now() &+ max(delay, 0), period: period, (target, token))
  }

  @discardableResult
  func cancelTimer(_ timer: UInt64) -> Bool { timers.cancel(timer) != nil }

  func remaining(of timer: UInt64) -> Int64? { timers.deadline(of: timer).map { max(0, $0 - EventLoop.now()) } }

  /// Makes this thread the loop's own without running it: for trials.
  package func adoptThisThread() { thread.store(UInt(pthread_self()), ordering: .relaxed) }

  package func run() {
    adoptThisThread()
    let ready = UnsafeMutablePointer<csystem_ready>.allocate(capacity: EventLoop.readyLimit)
    defer { ready.deallocate() }
    while running {
      let count = lingersUntil > 0 ? linger(ready) : wait(ready)
      turnBegan = EventLoop.now()
      for index in 0..<count { dispatch(ready[index]) }
      turns.add(fireTimers() + mailbox.runAll() + count, ordering: .relaxed)
      endTurn()
    }
    letGo()
  }

  /// Nobody is told any more. Who still waits, for nothing now, may hold the loop, and must not be held by it.
  private func letGo() {
    // They go once nothing here is being changed: some come back to the loop as they end.
    withExtendedLifetime((endingTurn, watchers, timers)) {
      endingTurn = []
      watchers = Watchers()
      timers = TimerQueue(limit: EventLoop.timerLimit)
    }
  }

  /// One turn of a loop without a thread: all that is due now. Returns when it wants the next one, on its own clock;
  /// nil if only somebody else can have work for it.
  package func takeTurn() -> Int64? {
    adoptThisThread()
    isAsleep.store(false, ordering: .relaxed)
    turnBegan = EventLoop.now()
    turns.add(fireTimers() + mailbox.runAll(), ordering: .relaxed)
    endTurn()
    isAsleep.store(true, ordering: .relaxed)
    thread.store(0, ordering: .relaxed)
    return endingTurn.isEmpty && mailbox.isEmpty ? timers.earliest : turnBegan
  }

  /// Its node has died: what waits is lost.
  package func abandon() {
    driver = nil
    mailbox.removeAll()
    timers = TimerQueue(limit: EventLoop.timerLimit)
    endingTurn = []
  }

  private func wait(_ ready: UnsafeMutablePointer<csystem_ready>) -> Int {
    isAsleep.store(true, ordering: .sequentiallyConsistent)
    let count = csystem_wait(poller, ready, Int32(EventLoop.readyLimit), waitMilliseconds())
    isAsleep.store(false, ordering: .relaxed)
    return max(0, Int(count))
  }

  private func dispatch(_ ready: csystem_ready) {
    guard ready.tag != Watchers.wakerTag else { return }
    watchers[ready.tag]?.descriptorReady(ready.events)
  }

  /// What asks meanwhile is told at the end of the next turn, which then does not wait: nobody is starved.
  private func endTurn() {
    guard !endingTurn.isEmpty else { return }
    swap(&endingTurn, &endedTurn)
    for place in endedTurn.indices { endedTurn[place].turnEnded() }
    endedTurn.removeAll(keepingCapacity: true)
  }

  private func waitMilliseconds() -> Int32 {
    if !endingTurn.isEmpty || !mailbox.isEmpty { return 0 }
    guard let earliest = timers.earliest else { return -1 }
    // Rounded up: waking early would only mean to sleep again.
    return Int32(clamping: max(0, (earliest - EventLoop.now() + 999_999) / 1_000_000))
  }

  private func fireTimers() -> Int {
    guard timers.earliest != nil else { return 0 }
    let now = turnBegan
    var count = 0
    while let (timer, payload) = timers.next(by: now) {
      payload.target.timerFired(timer, token: payload.token)
      count += 1
    }
    return count
  }
}

/// Runs a closure once after a delay; keeps itself alive by the loop's timer.
final class DelayedWork: TimerTarget {
  private let work: () -> Void
  private init(_ work: @escaping () -> Void) { self.work = work }

  static func after(milliseconds: Int64, on loop: EventLoop, _ work: @escaping () -> Void) -> UInt64? {
    loop.setTimer(after: milliseconds * 1_000_000, DelayedWork(work))
  }

  func timerFired(_ timer: UInt64, token: UInt64) { work() }
}
