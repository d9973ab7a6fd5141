/// The nodes that left lately: what was asked before and comes late has no effect.
struct Departures {
  /// More are forgotten, the oldest first: by then everything is long out of date that could still be on its way.
  static let limit = 4_096

  struct Departure: Equatable {
    var id: Int32
    var index: UInt64
    /// The instance that left, as a number.
    var instance: UInt64 = 0
    /// The highest that it has told.
    var sequence: UInt64 = 0
    /// Instances before it.
    var displaced: [UInt64] = []
  }

  /// The oldest first.
  private(set) var list: [Departure] = []
  private var last: [Int32: Departure] = [:]
  /// How many at the beginning of the list are forgotten already.
  private var forgotten = 0

  init() {}

  mutating func add(_ departure: Departure) {
    list.append(departure)
    last[departure.id] = departure
    if known.count > Self.limit { forget() }
    if forgotten > Self.limit {
      list.removeFirst(forgotten)
      forgotten = 0
    }
  }

  private mutating func forget() {
    let oldest = list[forgotten]
    forgotten += 1
    if last[oldest.id]?.index == oldest.index { last[oldest.id] = nil }
  }

  var known: ArraySlice<Departure> { list[forgotten...] }

  subscript(_ id: Int32) -> Departure? { last[id] }

  /// Whether it was asked for before the node left, or by a start of the node that is over.
  /// The latter is refused once: if it is alive it asks again.
  mutating func hasOvertaken(_ join: Entry.Join, _ instance: String) -> Bool {
    guard let departure = last[join.id] else { return false }
    if join.base < departure.index { return true }
    guard !instance.isEmpty else { return false }
    let number = Node.number(of: instance)
    if number == departure.instance { return join.sequence > 0 && join.sequence <= departure.sequence }
    guard let place = departure.displaced.firstIndex(of: number) else { return false }
    last[join.id]?.displaced.remove(at: place)
    // The same as what a snapshot has of it.
    if let index = list.lastIndex(where: { $0.index == departure.index }) { list[index].displaced.remove(at: place) }
    return true
  }
}
