internal import CTensors

/// Looks at a file of plain floats while it comes, piece by piece: that it has the tensors that it should, and that all
/// its numbers are numbers. It keeps no more of it than the header.
public struct WeightsCheck {
  private let layout: TensorLayout
  private let size: Int
  private let most: Float
  private var beginning: [UInt8] = []
  private var header: SafetensorsHeader?
  /// Bytes of a number whose others have not come.
  private var rest: [UInt8] = []
  private var taken = 0

  /// - Parameters:
  ///   - size: of the file.
  ///   - most: the greatest magnitude of a number.
  public init(_ layout: TensorLayout, size: Int, most: Float = WeightedSum.valueLimit) throws(TensorError) {
    let least = layout.count * 4 + 8
    guard (least...(least + SafetensorsHeader.limit)).contains(size) else {
      throw TensorError("an update of \(size) bytes; \(layout.count) numbers take at least \(least)")
    }
    (self.layout, self.size, self.most) = (layout, size, most)
  }

  public mutating func take(_ piece: ArraySlice<UInt8>) throws(TensorError) {
    taken += piece.count
    guard taken <= size else { throw TensorError("more than the \(size) bytes come that were announced") }
    guard header == nil else { return try look(piece) }
    beginning += piece
    guard let length = try SafetensorsHeader.length(beginning, of: size), beginning.count >= length else { return }
    let header = try SafetensorsHeader(beginning: beginning, of: size)
    if let difference = layout.difference(to: try TensorLayout(header)) { throw TensorError(difference) }
    if let other = header.entries.first(where: { $0.type != .f32 }) {
      throw TensorError("`\(other.name)` is \(other.type.rawValue); F32 was agreed on")
    }
    self.header = header
    let numbers = beginning[length...]
    beginning = []
    try look(numbers)
  }

  private mutating func look(_ piece: ArraySlice<UInt8>) throws(TensorError) {
    // Most pieces are whole numbers and are looked at where they lie.
    let bytes = rest.isEmpty ? piece : (rest + piece)[...], numbers = bytes.count / 4
    let largest = bytes.withUnsafeBytes { raw in raw.baseAddress.map { ct_largest($0, numbers) } ?? 0 }
    guard largest <= most else {
      throw TensorError(
        largest.isFinite ? "a number of the update is \(largest)" : "a number of the update is infinite or none")
    }
    rest = Array(bytes.suffix(bytes.count % 4))
  }

  /// Where the numbers begin. Throws unless all has come.
  public func end() throws(TensorError) -> Int {
    guard let header, taken == size else { throw TensorError("\(taken) of \(size) bytes came") }
    return header.end
  }
}
