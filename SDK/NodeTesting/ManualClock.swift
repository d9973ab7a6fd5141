/// A clock that a test moves. What is due on the way happens in the order of time.
public final class ManualClock {
  /// More than this at one moment is a role that calls itself for ever.
  static let deliveryLimit = 100_000

  public private(set) var now = Moment(nanoseconds: 1_000_000_000)
  /// Seconds since 1970 at the start of the clock: 2026-01-01.
  let wallOffset: Int64 = 1_767_225_600_000_000_000

  private struct Due {
    var time: Moment
    var number: UInt64
    var body: () -> Void
  }
  private var queue: [Due] = []
  private var count: UInt64 = 0
  private var isRunning = false
  /// Called when the limit is met.
  var runaway: () -> Void = {}
  /// Called each time it has moved, for what no time is known of.
  var moved: () -> Void = {}

  /// Moves the clock. Every timer, deadline and answer that falls due on the way comes at its own time.
  public func advance(by duration: Duration) {
    run(until: now.advanced(by: duration))
  }

  /// Moves the clock to the next thing that is due; false if nothing is.
  @discardableResult
  public func advanceToNext() -> Bool {
    guard let next = queue.first?.time else { return false }
    run(until: max(next, now))
    return true
  }

  var nextDue: Moment? { queue.first?.time }

  /// How many timers, deadlines and answers wait.
  public var pending: Int { queue.count }

  /// Does what is due now.
  func settle() { run(until: now) }

  func set(_ moment: Moment) { now = moment }

  func clear() { queue = [] }

  func schedule(after delay: Duration, _ body: @escaping () -> Void) -> UInt64 {
    let due = Due(time: now.advanced(by: max(delay, .zero)), number: count, body: body)
    count += 1
    let place = queue.firstIndex { $0.time > due.time } ?? queue.endIndex
    queue.insert(due, at: place)
    return due.number
  }

  func cancel(_ number: UInt64) { queue.removeAll { $0.number == number } }

  func time(of number: UInt64) -> Moment? { queue.first { $0.number == number }?.time }

  private func run(until end: Moment) {
    // A role that reaches in here from a callback must not turn time inside itself.
    guard !isRunning else { return }
    isRunning = true
    defer { isRunning = false }
    guard runDue(until: end) else { return runaway() }
    moved()
    if !runDue(until: end) { runaway() }
  }

  /// False if the limit was met.
  private func runDue(until end: Moment) -> Bool {
    var atOnce = 0
    while let next = queue.first, next.time <= end {
      atOnce = next.time > now ? 0 : atOnce + 1
      guard atOnce < Self.deliveryLimit else { return false }
      queue.removeFirst()
      now = max(now, next.time)
      next.body()
    }
    now = max(now, end)
    return true
  }
}
