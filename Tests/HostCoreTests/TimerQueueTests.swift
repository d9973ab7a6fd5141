import HostCore
import Testing

@Suite struct TimerQueueTests {
  @Test func runsInOrderOfDeadlineThenOfSetting() {
    var queue = TimerQueue<String>(limit: 10)
    for (deadline, name) in [(30, "d"), (10, "a"), (20, "b"), (20, "c")] as [(Int64, String)] {
      _ = queue.add(deadline: deadline, name)
    }
    var order: [String] = []
    while let timer = queue.next(by: 30) { order.append(timer.payload) }
    #expect(order == ["a", "b", "c", "d"])
    #expect(queue.count == 0)
  }

  @Test func missedBeatsAreSkipped() throws {
    var queue = TimerQueue<Int>(limit: 10)
    let handleSet = queue.add(deadline: 10, period: 10, 1)
    let handle = try #require(handleSet)
    let beat = queue.next(by: 45)
    #expect(beat?.handle == handle)
    #expect(queue.deadline(of: handle) == 50)
    #expect(queue.earliest == 50)
  }

  @Test func theLimitHoldsAndStaleHandlesFindNothing() throws {
    var queue = TimerQueue<Int>(limit: 2)
    let firstSet = queue.add(deadline: 1, 1)
    let first = try #require(firstSet)
    _ = queue.add(deadline: 2, 2)
    let refused = queue.add(deadline: 3, 3)
    #expect(refused == nil)
    let cancelled = queue.cancel(first)
    #expect(cancelled == 1)
    let thirdSet = queue.add(deadline: 3, 3)
    let third = try #require(thirdSet)
    let again = queue.cancel(first), never = queue.cancel(0)
    #expect(again == nil)
    #expect(never == nil)
    #expect(third != first)
  }

  /// Against the obvious model: a list that is sorted each time.
  @Test(arguments: 0..<20)
  func agreesWithASortedList(_ seed: UInt64) {
    var random = SplitMix(seed: seed)
    var queue = TimerQueue<Int>(limit: 1000)
    var model: [(deadline: Int64, order: Int, handle: UInt64)] = []
    for step in 0..<500 {
      switch random.next() % 3 {
      case 0, 1:
        let deadline = Int64(random.next() % 1000)
        model.append((deadline, step, queue.add(deadline: deadline, step)!))
      default:
        guard !model.isEmpty else { continue }
        let victim = model.remove(at: Int(random.next() % UInt64(model.count)))
        let cancelled = queue.cancel(victim.handle)
        #expect(cancelled == victim.order)
      }
      #expect(queue.earliest == model.map(\.deadline).min())
    }
    var order: [Int] = []
    while let timer = queue.next(by: 1000) { order.append(timer.payload) }
    #expect(order == model.sorted { ($0.deadline, $0.order) < ($1.deadline, $1.order) }.map(\.order))
  }
}

/// A small generator whose numbers repeat with its seed.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
