internal import CTensors

/// A few of many numbers, with their places, which grow.
public struct SparseNumbers: Sendable, Equatable {
  public var places: [UInt32]
  public var values: [Float]

  public init(places: [UInt32] = [], values: [Float] = []) { (self.places, self.values) = (places, values) }

  /// Those of `values` whose distance to `reference` is the greatest.
  public init(changedMostIn values: FloatBuffer, since reference: FloatBuffer, count: Int) {
    precondition(values.count == reference.count && count <= values.count)
    self.init()
    guard count > 0 else { return }
    let change = FloatBuffer(count: values.count)
    ct_subtract(values.base, reference.base, change.base, values.count)
    places = [UInt32](repeating: 0, count: count)
    self.values = [Float](repeating: 0, count: count)
    let room = UnsafeMutableRawPointer.allocate(byteCount: ct_top_room(count), alignment: 64)
    defer { room.deallocate() }
    withExtendedLifetime(change) { ct_top(change.base, change.count, count, &places, &self.values, room) }
    for (index, place) in places.enumerated() { self.values[index] = values[Int(place)] }
  }
}
