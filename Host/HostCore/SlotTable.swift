/// Keeps things under handles that tell when they are stale.
///
/// A handle is a generation and an index. Removing an element raises the generation of its place, so
/// an old handle finds nothing, however often the place is used again. 0 is never a handle.
/// Public and inlinable for the optimiser's sake alone: only so is it specialised in other modules, and
/// unspecialised it makes a call cost five times as much.
@frozen
public struct SlotTable<Element> {
  @frozen @usableFromInline
  struct Place {
    @usableFromInline var generation: UInt32
    @usableFromInline var element: Element?

    @inlinable
    init(generation: UInt32, element: Element?) {
      self.generation = generation
      self.element = element
    }
  }
  @usableFromInline var places: [Place] = []
  @usableFromInline var free: [UInt32] = []
  /// Inserting beyond this is refused, so that a role that never lets go is found out.
  @usableFromInline let limit: Int

  @inlinable
  public init(limit: Int) { self.limit = limit }

  @inlinable
  public var count: Int { places.count - free.count }

  /// The new element's handle, or nil if the limit is reached.
  @inlinable
  public mutating func insert(_ element: consuming Element) -> UInt64? {
    if let index = free.popLast() {
      places[Int(index)].element = element
      return UInt64(places[Int(index)].generation) << 32 | UInt64(index)
    }
    guard places.count < limit else { return nil }
    places.append(Place(generation: 1, element: element))
    return 1 << 32 | UInt64(places.count - 1)
  }

  @inlinable
  func index(of handle: UInt64) -> Int? {
    let index = Int(truncatingIfNeeded: handle & 0xFFFF_FFFF)
    guard index < places.count, places[index].generation == UInt32(truncatingIfNeeded: handle >> 32) else {
      return nil
    }
    return index
  }

  @inlinable
  public subscript(handle: UInt64) -> Element? {
    get { index(of: handle).flatMap { places[$0].element } }
    set { if let index = index(of: handle), newValue != nil { places[index].element = newValue } }
  }

  @discardableResult
  @inlinable
  public mutating func remove(_ handle: UInt64) -> Element? {
    // Moved out: a copy would cost a retain and a release of all that it holds.
    guard let index = index(of: handle), let element = places[index].element.take() else { return nil }
    places[index].generation = places[index].generation &+ 1
    if places[index].generation == 0 { places[index].generation = 1 }
    free.append(UInt32(index))
    return element
  }

  /// All elements with their handles, in the order of the places.
  @inlinable
  public var elements: [(handle: UInt64, element: Element)] {
    places.indices.compactMap { index in
      places[index].element.map { (UInt64(places[index].generation) << 32 | UInt64(index), $0) }
    }
  }

  /// Takes everything out, in the order of the places.
  @inlinable
  public mutating func removeAll() -> [(handle: UInt64, element: Element)] {
    let all = elements
    for (handle, _) in all { remove(handle) }
    return all
  }
}
