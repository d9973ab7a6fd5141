/// What is to happen, by its time; what has the same time, in the order in which it was put in.
struct EventQueue {
  enum Work {
    /// A loop's turn.
    case turn(SimLoop)
    /// Something comes over a link.
    case parcel(Parcel)
    case other(() -> Void)
  }

  /// Without references, so that moving it about in the heap costs nothing.
  private struct Entry {
    var time: Int64
    var order: UInt64
    var slot: Int
  }

  private var heap: [Entry] = []
  private var works: [Work?] = []
  private var free: [Int] = []
  private var order: UInt64 = 0

  var count: Int { heap.count }
  var earliest: Int64? { heap.first?.time }

  mutating func add(_ work: Work, at time: Int64) {
    order += 1
    let slot: Int
    if let known = free.popLast() {
      slot = known
      works[slot] = work
    } else {
      slot = works.count
      works.append(work)
    }
    heap.append(Entry(time: time, order: order, slot: slot))
    siftUp(heap.count - 1)
  }

  mutating func next() -> (time: Int64, work: Work)? {
    guard let first = heap.first else { return nil }
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      siftDown()
    }
    free.append(first.slot)
    return (first.time, works[first.slot].take()!)
  }

  private func precedes(_ left: Entry, _ right: Entry) -> Bool {
    left.time != right.time ? left.time < right.time : left.order < right.order
  }

  private mutating func siftUp(_ start: Int) {
    var child = start
    while child > 0, precedes(heap[child], heap[(child - 1) / 2]) {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  private mutating func siftDown() {
    var parent = 0
    while true {
      var first = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && precedes(heap[child], heap[first]) {
        first = child
      }
      if first == parent { return }
      heap.swapAt(parent, first)
      parent = first
    }
  }
}
