/// Deadlines in order, on whatever clock the caller keeps: a binary heap whose entries know their
/// place in it, so that cancelling costs no more than inserting.
/// Public and inlinable for the same reason as SlotTable.
@frozen
public struct TimerQueue<Payload> {
  @frozen @usableFromInline
  struct Timer {
    @usableFromInline var deadline: Int64
    @usableFromInline var period: Int64
    /// Breaks ties: timers of one deadline run in the order in which they were set.
    @usableFromInline var order: UInt64
    @usableFromInline var place: Int
    @usableFromInline var payload: Payload

    @inlinable
    init(deadline: Int64, period: Int64, order: UInt64, place: Int, payload: Payload) {
      self.deadline = deadline
      self.period = period
      self.order = order
      self.place = place
      self.payload = payload
    }
  }
  @usableFromInline var timers: SlotTable<Timer>
  @usableFromInline var heap: [UInt64] = []
  @usableFromInline var nextOrder: UInt64 = 0

  @inlinable
  public init(limit: Int) { timers = SlotTable(limit: limit) }

  @inlinable
  public var count: Int { heap.count }
  @inlinable
  public var earliest: Int64? { heap.first.map { timers[$0]!.deadline } }

  /// `period` 0 is a timer that runs out once. Nil if the limit is reached.
  @inlinable
  public mutating func add(deadline: Int64, period: Int64 = 0, _ payload: Payload) -> UInt64? {
    nextOrder += 1
    let timer = Timer(deadline: deadline, period: period, order: nextOrder, place: heap.count, payload: payload)
    guard let handle = timers.insert(timer) else { return nil }
    heap.append(handle)
    siftUp(heap.count - 1)
    return handle
  }

  @discardableResult
  @inlinable
  public mutating func cancel(_ handle: UInt64) -> Payload? {
    guard let timer = timers[handle] else { return nil }
    removeFromHeap(at: timer.place)
    return timers.remove(handle)?.payload
  }

  @inlinable
  public func deadline(of handle: UInt64) -> Int64? { timers[handle]?.deadline }

  /// The next timer that has run out by `now`. A periodic one is set again for its next beat after
  /// `now`: beats that were missed are skipped.
  @inlinable
  public mutating func next(by now: Int64) -> (handle: UInt64, payload: Payload)? {
    guard let handle = heap.first, var timer = timers[handle], timer.deadline <= now else { return nil }
    guard timer.period > 0 else {
      removeFromHeap(at: 0)
      timers.remove(handle)
      return (handle, timer.payload)
    }
    timer.deadline += timer.period * ((now - timer.deadline) / timer.period + 1)
    nextOrder += 1
    timer.order = nextOrder
    timers[handle] = timer
    siftDown(0)
    return (handle, timer.payload)
  }

  @inlinable
  func precedes(_ left: UInt64, _ right: UInt64) -> Bool {
    let left = timers[left]!, right = timers[right]!
    return (left.deadline, left.order) < (right.deadline, right.order)
  }

  @inlinable
  mutating func swap(_ left: Int, _ right: Int) {
    heap.swapAt(left, right)
    timers[heap[left]]!.place = left
    timers[heap[right]]!.place = right
  }

  @inlinable
  mutating func siftUp(_ start: Int) {
    var child = start
    while child > 0, precedes(heap[child], heap[(child - 1) / 2]) {
      swap(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  @inlinable
  mutating func siftDown(_ start: Int) {
    var parent = start
    while true {
      var first = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(heap[child], heap[first]) {
        first = child
      }
      if first == parent { return }
      swap(parent, first)
      parent = first
    }
  }

  @inlinable
  mutating func removeFromHeap(at place: Int) {
    let last = heap.count - 1
    if place != last { swap(place, last) }
    heap.removeLast()
    guard place < heap.count else { return }
    siftUp(place)
    siftDown(place)
  }
}
