/// The nodes that left lately, and when: what was asked before and comes late has no effect.
struct Departures {
  /// More are forgotten, the oldest first: by then everything is long out of date that could still be on its way.
  static let limit = 4_096

  struct Departure: Equatable {
    var id: Int32
    var index: UInt64
  }

  /// The oldest first.
  private(set) var list: [Departure] = []
  private var last: [Int32: UInt64] = [:]
  /// How many at the beginning of the list are forgotten already.
  private var forgotten = 0

  init() {}

  mutating func add(_ id: Int32, at index: UInt64) {
    list.append(Departure(id: id, index: index))
    last[id] = index
    if known.count > Self.limit { forget() }
    if forgotten > Self.limit {
      list.removeFirst(forgotten)
      forgotten = 0
    }
  }

  private mutating func forget() {
    let oldest = list[forgotten]
    forgotten += 1
    if last[oldest.id] == oldest.index { last[oldest.id] = nil }
  }

  var known: ArraySlice<Departure> { list[forgotten...] }

  func isOvertaken(_ join: Entry.Join) -> Bool { last[join.id].map { join.base < $0 } ?? false }
}
