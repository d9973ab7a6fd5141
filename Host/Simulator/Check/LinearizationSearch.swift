/// The search of Wing and Gong for an order, with Lowe's memory of what has been tried: which operations are placed and
/// what value that leaves. (J. Wing, C. Gong, "Testing and verifying concurrent objects", 1993; G. Lowe, "Testing for
/// linearizability", 2017.) Two things hold for registers and make it fast:
///
/// - A read of the present value can be placed at once: it changes nothing, so any order of the rest with it later is
///   one with it now.
/// - A write that was never answered need only be placed where a read of its value can follow: otherwise the next write
///   hides it, and it may as well never have happened.
///
/// All that ended before the first end whose operation is not placed is placed, and nothing that began behind that end
/// is. So that end, and a set of the operations that span it, say which are placed: few bits, however long the history.
struct LinearizationSearch {
  /// Where the search got furthest before it could not go on.
  struct Stuck {
    /// The operation that had to be placed next at the latest.
    var item: Int
    /// The values that the register could have there.
    var values: Set<Int32>
  }

  private struct Position: Hashable {
    /// How many of `ends`, from the first on, are placed.
    var frontier = 0
    /// Those placed that end behind the frontier.
    var placed = SlotSet()
    var value: Int32 = 0
  }

  private struct Step {
    var item: Int32
    var before: Position
  }

  private let history: RegisterHistory
  private var position = Position()
  private var steps: [Step] = []
  private var tried: Set<Position> = []
  private var isPlaced: [Bool]
  /// The items that are not placed, as a list in the order of their starts. The last place is its head and its end.
  private var next: [Int32]
  private var previous: [Int32]
  /// For each value the walk that last met a read of it.
  private var wanted: [Int]
  private var walk = 0
  private var stepsLeft: Int
  private(set) var stuck: Stuck?

  init(_ history: RegisterHistory, stepLimit: Int) {
    self.history = history
    stepsLeft = stepLimit
    let count = history.items.count
    isPlaced = Array(repeating: false, count: count)
    next = (0...count).map { Int32(($0 + 1) % (count + 1)) }
    previous = (0...count).map { Int32(($0 + count) % (count + 1)) }
    wanted = Array(repeating: 0, count: history.values.count)
  }

  private var head: Int { history.items.count }

  /// Nil if the steps did not suffice.
  mutating func run() -> Bool? {
    // The writes before it have been tried from here.
    var from = Int(next[head])
    while position.frontier < history.ends.count {
      let limit = history.items[Int(history.ends[position.frontier])].end
      if let read = findRead(until: limit) {
        place(read)
        from = Int(next[head])
      } else if let write = findWrite(from, until: limit) {
        place(write)
        // Elsewhere the same was reached already, and led nowhere.
        from = tried.insert(position).inserted ? Int(next[head]) : takeBack()
      } else {
        noteStuck()
        while let last = steps.last, history.items[Int(last.item)].isRead { _ = takeBack() }
        if steps.isEmpty { return false }
        from = takeBack()
      }
      guard stepsLeft > 0 else { return nil }
    }
    return true
  }

  /// A read that can be placed now. Notes for the writes which other values are waited for.
  private mutating func findRead(until limit: Int) -> Int? {
    walk += 1
    var item = Int(next[head])
    while item != head, history.items[item].start < limit {
      stepsLeft -= 1
      if history.items[item].isRead {
        if history.items[item].value == position.value { return item }
        wanted[Int(history.items[item].value)] = walk
      }
      item = Int(next[item])
    }
    return nil
  }

  private mutating func findWrite(_ from: Int, until limit: Int) -> Int? {
    var item = from
    while item != head, history.items[item].start < limit {
      stepsLeft -= 1
      let found = history.items[item]
      if !found.isRead, found.end != .max || wanted[Int(found.value)] == walk { return item }
      item = Int(next[item])
    }
    return nil
  }

  private mutating func place(_ item: Int) {
    steps.append(Step(item: Int32(item), before: position))
    isPlaced[item] = true
    next[Int(previous[item])] = next[item]
    previous[Int(next[item])] = previous[item]
    position.value = history.items[item].value
    position.placed.insert(history.items[item].slot)
    while position.frontier < history.ends.count, isPlaced[Int(history.ends[position.frontier])] {
      position.placed.remove(history.items[Int(history.ends[position.frontier])].slot)
      position.frontier += 1
    }
  }

  /// Undoes the last step. Returns the item behind the one that it had placed.
  private mutating func takeBack() -> Int {
    let step = steps.removeLast()
    let item = Int(step.item)
    isPlaced[item] = false
    next[Int(previous[item])] = step.item
    previous[Int(next[item])] = step.item
    position = step.before
    return Int(next[item])
  }

  private mutating func noteStuck() {
    let item = Int(history.ends[position.frontier])
    if let stuck, history.items[stuck.item].end > history.items[item].end { return }
    let values = stuck?.item == item ? stuck!.values : []
    stuck = Stuck(item: item, values: values.union([position.value]))
  }
}
