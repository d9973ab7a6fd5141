internal import CNodeABI

/// What belongs to handles that the host has given out, none of which is 0.
///
/// A dictionary guards itself against who would choose its keys, and that took more than all else that is done with a
/// call of gRPC here. The host chooses handles, mostly one after the other. So they are spread by one multiplication;
/// what meets at a place stands behind it.
struct HandleMap<Element> {
  private struct Place {
    var handle: nh_handle = 0
    var element: Element?
  }
  /// A power of two, at most half of them in use; none before the first is.
  private var places: [Place] = []
  private(set) var count = 0

  private static var least: Int { 16 }

  init() {}

  subscript(handle: nh_handle) -> Element? {
    get { find(handle).flatMap { places[$0].element } }
    set { if let newValue { put(newValue, at: handle) } else { remove(handle) } }
  }

  private mutating func put(_ element: Element, at handle: nh_handle) {
    precondition(handle != 0, "0 is no handle")
    if let place = find(handle) { return places[place].element = element }
    if places.count < 2 * (count + 1) { grow() }
    places[free(for: handle)] = Place(handle: handle, element: element)
    count += 1
  }

  @discardableResult
  mutating func remove(_ handle: nh_handle) -> Element? {
    guard var hole = find(handle) else { return nil }
    let removed = places[hole].element.take()
    count -= 1
    // What stands behind may be there for want of this place, and moves up then.
    var next = after(hole)
    while places[next].handle != 0 {
      let home = home(of: places[next].handle)
      if (next - home) & mask >= (next - hole) & mask {
        places.swapAt(hole, next)
        hole = next
      }
      next = after(next)
    }
    places[hole] = Place()
    return removed
  }

  var elements: [Element] { places.compactMap(\.element) }

  private var mask: Int { places.count - 1 }
  private func after(_ place: Int) -> Int { (place + 1) & mask }

  private func home(of handle: nh_handle) -> Int {
    Int(truncatingIfNeeded: (handle &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
  }

  private func find(_ handle: nh_handle) -> Int? {
    guard count > 0 else { return nil }
    var place = home(of: handle)
    while places[place].handle != handle {
      guard places[place].handle != 0 else { return nil }
      place = after(place)
    }
    return handle == 0 ? nil : place
  }

  private func free(for handle: nh_handle) -> Int {
    var place = home(of: handle)
    while places[place].handle != 0 { place = after(place) }
    return place
  }

  private mutating func grow() {
    let old = places
    places = Array(repeating: Place(), count: max(Self.least, 2 * old.count))
    for place in old where place.handle != 0 { places[free(for: place.handle)] = place }
  }
}
