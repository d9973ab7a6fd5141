internal import NodeKit

/// The proposals of this member whose outcome is not known yet.
struct OpenProposals {
  struct Open {
    var sequence: UInt64
    var bytes: [UInt8]
    var deadline: Int64
    /// Whether a leader may have it.
    var isOut = false
    /// In which term it was given to a leader last.
    var sentIn: UInt64 = 0
    var done: (Result<[UInt8], RoleError>) throws -> Void

    /// In the place of one that has gone from the front.
    fileprivate static var nobody: Open { Open(sequence: 0, bytes: [], deadline: .max, done: { _ in }) }
  }

  /// In the order of their sequence, from `first` on.
  private var all: [Open] = []
  /// Most are answered in their order. Those before have gone, and their places go when they are more than the others.
  private var first = 0
  private var next: UInt64 = 1
  /// All before this place were given to a leader of the term `handedIn`.
  private var handed = 0
  private var handedIn: UInt64 = 0
  /// None expires before.
  private(set) var nextDeadline: Int64 = .max

  var count: Int { all.count - first }
  /// All below it are done with.
  var floor: UInt64 { first < all.count ? all[first].sequence : next }

  mutating func add(
    _ bytes: [UInt8], deadline: Int64, _ done: @escaping (Result<[UInt8], RoleError>) throws -> Void
  ) {
    all.append(Open(sequence: next, bytes: bytes, deadline: deadline, done: done))
    next += 1
    nextDeadline = min(nextDeadline, deadline)
  }

  mutating func remove(_ sequence: UInt64) -> Open? {
    guard let place = place(of: sequence) else { return nil }
    guard place == first else {
      if place < handed { handed -= 1 }
      return all.remove(at: place)
    }
    var open = Open.nobody
    swap(&open, &all[place])
    first += 1
    if first * 2 > all.count { forgetGone() }
    return open
  }

  private mutating func forgetGone() {
    all.removeFirst(first)
    handed = max(0, handed - first)
    first = 0
  }

  private func place(of sequence: UInt64) -> Int? {
    // The next in order, mostly.
    if first < all.count, all[first].sequence == sequence { return first }
    var low = first, high = all.count
    while low < high {
      let middle = (low + high) / 2
      if all[middle].sequence < sequence { low = middle + 1 } else { high = middle }
    }
    return low < all.count && all[low].sequence == sequence ? low : nil
  }

  /// Those that a leader of this term has not been given, as many as fit into `room`. They count as given from here on.
  mutating func hand(in term: UInt64, room: Int, count limit: Int, as member: Int, run: UInt64) -> [Proposal] {
    if handedIn != term { (handed, handedIn) = (first, term) }
    handed = max(handed, first)
    guard handed < all.count else { return [] }
    var taken: [Proposal] = [], left = room
    let floor = floor
    while handed < all.count {
      let place = handed
      if all[place].sentIn == term {
        handed += 1
        continue
      }
      guard taken.count < limit, taken.isEmpty || all[place].bytes.count <= left else { break }
      left -= all[place].bytes.count
      all[place].sentIn = term
      all[place].isOut = true
      taken.append(
        Proposal(
          origin: Origin(member: member, run: run, sequence: all[place].sequence, floor: floor),
          bytes: all[place].bytes))
      handed += 1
    }
    return taken
  }

  /// The leader did not take them, or what was sent may be lost: they are to be given to it again.
  mutating func handAgain(_ sequences: [UInt64]) {
    for sequence in sequences {
      guard let place = place(of: sequence) else { continue }
      all[place].sentIn = 0
      handed = min(handed, place)
    }
  }

  mutating func takeExpired(_ now: Int64) -> [Open] {
    guard nextDeadline <= now else { return [] }
    forgetGone()
    let expired = all.filter { $0.deadline <= now }
    all.removeAll { $0.deadline <= now }
    handed = 0
    nextDeadline = all.reduce(.max) { min($0, $1.deadline) }
    return expired
  }

  mutating func takeAll() -> [Open] {
    forgetGone()
    defer { (all, handed, nextDeadline) = ([], 0, .max) }
    return all
  }
}
