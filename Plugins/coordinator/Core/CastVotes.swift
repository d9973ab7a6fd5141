/// Where a transaction comes in the order in which coordinators have begun them.
struct Mark: Sendable, Hashable, Comparable {
  var ballot = Ballot()
  var number: UInt64 = 0

  static func < (left: Mark, right: Mark) -> Bool { (left.ballot, left.number) < (right.ballot, right.number) }
}

/// For what a participant has voted in this life, as long as anybody may be in doubt about it, so that it never says
/// that it has not voted where it has. With each transaction the coordinator says below which mark nobody is in doubt.
struct CastVotes {
  let limit: Int
  private var ids: Set<String> = []
  private var order: [(mark: Mark, id: String)] = []
  private var head = 0
  /// Votes up to here were too many to remember.
  private var lost: Mark?

  init(limit: Int = 100_000) { self.limit = limit }

  mutating func add(_ id: String, _ mark: Mark) {
    if ids.count >= limit {
      lost = max(lost ?? Mark(), order[head...].map(\.mark).max() ?? mark)
      (ids, order, head) = ([], [], 0)
    }
    if ids.insert(id).inserted { order.append((mark, id)) }
  }

  mutating func forget(below floor: Mark) {
    if let lost, lost < floor { self.lost = nil }
    while head < order.count, order[head].mark < floor {
      ids.remove(order[head].id)
      head += 1
    }
    guard head > 1024, head > order.count / 2 else { return }
    order.removeFirst(head)
    head = 0
  }

  /// Whether it is sure that there was no vote.
  func isWithout(_ id: String) -> Bool { lost == nil && !ids.contains(id) }
}

/// Which of a coordinator's transactions somebody may be in doubt about.
struct Unsettled {
  /// Of its ballot; each is taken out when nobody is.
  private var numbers: Set<UInt64> = []
  private var last: UInt64 = 0
  private var floor: UInt64 = 1
  /// Of earlier ballots.
  private var earlier: Set<String> = []

  mutating func begin() -> UInt64 {
    last += 1
    numbers.insert(last)
    return last
  }

  mutating func inherit(_ ids: some Sequence<String>) { earlier = Set(ids) }

  mutating func settle(_ number: UInt64, _ id: String) {
    numbers.remove(number)
    earlier.remove(id)
    while floor <= last, !numbers.contains(floor) { floor += 1 }
  }

  /// Nobody is in doubt about anything below.
  func floor(of ballot: Ballot) -> Mark { earlier.isEmpty ? Mark(ballot: ballot, number: floor) : Mark() }
}
