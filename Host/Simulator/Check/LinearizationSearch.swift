/// The search of Wing and Gong for an order, with Lowe's memory of what has been tried: which operations are placed and
/// what value that leaves. (J. Wing, C. Gong, "Testing and verifying concurrent objects", 1993; G. Lowe, "Testing for
/// linearizability", 2017.) Of registers more is known, and where each value is written once nothing is left to guess:
///
/// - A read of the present value is placed at once: it changes nothing, so any order of the rest with it later is one
///   with it now.
/// - No write is placed while a read of the present value is to come that no other write can serve.
/// - Once nobody waits for the present value, a write is placed at once if nobody waits for its value either, or all
///   who do can be placed behind it: wherever else they stood, they would stand together, and nobody would miss them.
/// - A write that was never answered need only be placed where a read of its value can follow: otherwise the next write
///   hides it, and it may as well never have happened.
///
/// All that ended before the first end whose operation is not placed is placed, and nothing that began behind that end
/// is. So that end, and a set of the operations that span it, say which are placed: few bits, however long the history.
struct LinearizationSearch {
  private struct Position: Hashable {
    /// How many of `ends`, from the first on, are placed.
    var frontier = 0
    /// Those placed that end behind the frontier.
    var placed = SlotSet()
    var value: Int32 = 0
  }

  private struct Step {
    var item: Int
    /// Without it there is no order either, so nothing else is tried in its place.
    var isForced: Bool
    var before: Position
  }

  /// What a value has still to come.
  private struct Left {
    var reads = 0
    var writes = 0
    /// How many of the reads the walk of this number met.
    var met = 0
    var walk = 0
  }

  private let history: RegisterHistory
  private var position = Position()
  private var steps: [Step] = []
  private var tried: Set<Position> = []
  private var isPlaced: [Bool]
  /// The items that are not placed, as a list in the order of their starts. The last place is its head and its end.
  private var next: [Int]
  private var previous: [Int]
  private var left: [Left]
  private var walk = 0
  private var stepsLeft: Int

  init(_ history: RegisterHistory, stepLimit: Int) {
    self.history = history
    stepsLeft = stepLimit
    let count = history.items.count
    isPlaced = Array(repeating: false, count: count)
    next = (0...count).map { ($0 + 1) % (count + 1) }
    previous = (0...count).map { ($0 + count) % (count + 1) }
    left = Array(repeating: Left(), count: history.values.count)
    for item in history.items { add(item, 1) }
  }

  /// Whether there is an order; nil if the steps did not suffice.
  mutating func run() -> Bool? {
    // The writes before it have been tried from here.
    var from = next[head]
    while position.frontier < history.ends.count {
      guard stepsLeft > 0 else { return nil }
      let limit = history.items[Int(history.ends[position.frontier])].end
      if let read = findRead(until: limit) ?? findClosed(until: limit) {
        place(read, isForced: true)
        from = next[head]
      } else if let write = findWrite(from, until: limit) {
        place(write, isForced: false)
        from = isNew() ? next[head] : takeBack()
      } else {
        while let last = steps.last, last.isForced { _ = takeBack() }
        if steps.isEmpty { return false }
        from = takeBack()
      }
    }
    return true
  }

  // MARK: What can be next

  private var head: Int { history.items.count }
  private var isWaitedFor: Bool { left[Int(position.value)].reads > 0 }

  /// A read of the present value. Notes which other values are waited for.
  private mutating func findRead(until limit: Int) -> Int? {
    walk += 1
    var item = next[head]
    while item != head, history.items[item].start < limit {
      stepsLeft -= 1
      if history.items[item].isRead {
        let value = Int(history.items[item].value)
        if value == Int(position.value) { return item }
        if left[value].walk != walk { (left[value].walk, left[value].met) = (walk, 0) }
        left[value].met += 1
      }
      item = next[item]
    }
    return nil
  }

  /// A write behind which all reads of its value can be placed, once nobody waits for the present one.
  private mutating func findClosed(until limit: Int) -> Int? {
    if isWaitedFor { return nil }
    return findWrite(next[head], until: limit) { left, met in left.writes == 1 && left.reads == met }
  }

  private mutating func findWrite(_ from: Int, until limit: Int) -> Int? {
    if isWaitedFor, left[Int(position.value)].writes == 0 { return nil }
    return findWrite(from, until: limit) { _, _ in true }
  }

  private mutating func findWrite(
    _ from: Int, until limit: Int, where fits: (Left, _ met: Int) -> Bool
  ) -> Int? {
    var item = from
    while item != head, history.items[item].start < limit {
      stepsLeft -= 1
      let found = history.items[item]
      if !found.isRead {
        let left = left[Int(found.value)]
        let met = left.walk == walk ? left.met : 0
        if found.end != .max || met > 0, fits(left, met) { return item }
      }
      item = next[item]
    }
    return nil
  }

  // MARK: Steps

  private mutating func add(_ item: RegisterHistory.Item, _ number: Int) {
    if item.isRead { left[Int(item.value)].reads += number } else { left[Int(item.value)].writes += number }
  }

  private mutating func place(_ item: Int, isForced: Bool) {
    steps.append(Step(item: item, isForced: isForced, before: position))
    isPlaced[item] = true
    next[previous[item]] = next[item]
    previous[next[item]] = previous[item]
    add(history.items[item], -1)
    position.value = history.items[item].value
    position.placed.insert(history.items[item].slot)
    while position.frontier < history.ends.count, isPlaced[Int(history.ends[position.frontier])] {
      position.placed.remove(history.items[Int(history.ends[position.frontier])].slot)
      position.frontier += 1
    }
  }

  /// Whether what has been reached was not reached on another way, which led nowhere.
  private mutating func isNew() -> Bool {
    var reached = position
    // Which value it is that nobody waits for does not matter.
    if !isWaitedFor { reached.value = -1 }
    return tried.insert(reached).inserted
  }

  /// Undoes the last step. Returns the item behind the one that it had placed.
  private mutating func takeBack() -> Int {
    let step = steps.removeLast()
    isPlaced[step.item] = false
    next[previous[step.item]] = step.item
    previous[next[step.item]] = step.item
    add(history.items[step.item], 1)
    position = step.before
    return next[step.item]
  }
}
