/// Closures by token. A token is a place in the table and the number of times that the place was used, so an
/// old token never finds a new closure, and looking one up costs no hashing.
struct CallbackTable<Entry> {
  private struct Place {
    var generation: UInt32 = 1
    var entry: Entry?
  }
  private var places: [Place] = []
  private var free: [UInt32] = []

  var count: Int { places.count - free.count }

  mutating func insert(_ entry: Entry) -> UInt64 {
    let index = free.popLast() ?? UInt32(places.count)
    if index == places.count { places.append(Place()) }
    places[Int(index)].entry = entry
    return UInt64(places[Int(index)].generation) << 32 | UInt64(index)
  }

  subscript(token: UInt64) -> Entry? {
    get {
      let index = Int(UInt32(truncatingIfNeeded: token))
      guard index < places.count, places[index].generation == UInt32(token >> 32) else { return nil }
      return places[index].entry
    }
    set { if holds(token) { places[Int(UInt32(truncatingIfNeeded: token))].entry = newValue } }
  }

  @discardableResult
  mutating func remove(_ token: UInt64) -> Entry? {
    guard holds(token) else { return nil }
    let index = UInt32(truncatingIfNeeded: token)
    let entry = places[Int(index)].entry
    places[Int(index)].entry = nil
    places[Int(index)].generation &+= 1
    free.append(index)
    return entry
  }

  private func holds(_ token: UInt64) -> Bool {
    let index = Int(UInt32(truncatingIfNeeded: token))
    return index < places.count && places[index].generation == UInt32(token >> 32) && places[index].entry != nil
  }
}
