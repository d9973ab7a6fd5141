/// The history of one key as the search wants it: numbers for operations and values. What cannot matter is left out: a
/// read that was not answered, and a write that was not answered and whose value nobody was ever answered.
struct RegisterHistory {
  struct Item {
    var isRead: Bool
    /// What it wrote or was answered.
    var value: Int32
    var start: Int
    /// Beyond all others if the answer never came.
    var end: Int
    /// What no other operation has that can be under way at the same time: its bit in a set of those.
    var slot: Int
  }

  /// In the order of their starts.
  private(set) var items: [Item] = []
  /// The items that were answered, in the order of their ends.
  private(set) var ends: [Int32] = []
  /// The number of each value; the initial one is 0.
  private(set) var values: [String: Int32] = [:]

  init(_ operations: [History.Operation], initial: String) {
    values[initial] = 0
    let answers = Set(operations.lazy.compactMap(\.answer))
    for operation in operations where operation.endPlace != nil || Self.isSeen(operation, answers) {
      let isRead = operation.request == .read
      let value = if case .write(let written) = operation.request { written } else { operation.answer! }
      let item = Item(
        isRead: isRead, value: number(of: value), start: operation.startPlace, end: operation.endPlace ?? .max, slot: 0)
      items.append(item)
    }
    ends = items.indices.filter { items[$0].end != .max }.sorted { items[$0].end < items[$1].end }.map(Int32.init)
    giveSlots()
  }

  private static func isSeen(_ operation: History.Operation, _ answers: Set<String>) -> Bool {
    if case .write(let value) = operation.request { answers.contains(value) } else { false }
  }

  private mutating func number(of value: String) -> Int32 {
    if let known = values[value] { return known }
    let new = Int32(values.count)
    values[value] = new
    return new
  }

  /// A slot is free again when its operation has ended.
  private mutating func giveSlots() {
    var free: [Int] = []
    var used = 0
    var ended = 0
    for index in items.indices {
      while ended < ends.count, items[Int(ends[ended])].end < items[index].start {
        free.append(items[Int(ends[ended])].slot)
        ended += 1
      }
      if let slot = free.popLast() {
        items[index].slot = slot
      } else {
        items[index].slot = used
        used += 1
      }
    }
  }
}

/// A set of slots, most of which are below 64.
struct SlotSet: Hashable {
  private var low: UInt64 = 0
  /// The slots from 64 on. Empty if they would be all zeroes, so that equal sets are equal.
  private var high: [UInt64] = []

  mutating func insert(_ slot: Int) {
    if slot < 64 {
      low |= 1 << UInt64(slot)
      return
    }
    let word = slot / 64 - 1
    while high.count <= word { high.append(0) }
    high[word] |= 1 << UInt64(slot % 64)
  }

  mutating func remove(_ slot: Int) {
    if slot < 64 {
      low &= ~(1 << UInt64(slot))
      return
    }
    let word = slot / 64 - 1
    guard word < high.count else { return }
    high[word] &= ~(1 << UInt64(slot % 64))
    while high.last == 0 { high.removeLast() }
  }
}
