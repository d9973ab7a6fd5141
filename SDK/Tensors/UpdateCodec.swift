internal import CTensors

/// Writes updates in a form, and reads them. What is written is a safetensors file, so that any tool can look into it;
/// with zstd around it if the form says so.
///
/// What a form leaves out of an update is kept and added to the next one (error feedback: Seide and others, 2014;
/// Stich and others, 2018), so that it comes late and is not lost.
public final class UpdateEncoder {
  public let layout: TensorLayout
  public let form: UpdateForm
  /// What was left out so far.
  public private(set) var residual: FloatBuffer?

  /// - Parameter residual: of an earlier encoder of the same form, which this one goes on for. It is copied.
  public init(_ layout: TensorLayout, _ form: UpdateForm, residual: FloatBuffer? = nil) {
    (self.layout, self.form) = (layout, form)
    guard form.isLossy && form.isDelta else { return }
    if let residual, residual.count == layout.count {
      self.residual = FloatBuffer(copying: residual)
    } else {
      self.residual = FloatBuffer(count: layout.count)
    }
  }

  /// - Parameters:
  ///   - base: what the client was given, which a form with differences needs.
  ///   - seed: for what goes by chance: another one for each client and round.
  public func encode(
    _ weights: Weights, base: Weights?, seed: UInt64 = 1, metadata: [String: String] = [:]
  ) throws(TensorError) -> [UInt8] {
    var values = weights
    if form.isDelta {
      guard let base else { throw TensorError("\(form.text) takes what the client was given") }
      values = Weights(layout)
      ct_subtract(weights.buffer.base, base.buffer.base, values.buffer.base, layout.count)
      if let residual { ct_plus(values.buffer.base, residual.base, values.buffer.base, layout.count) }
    }
    guard values.largest.isFinite else { throw TensorError("a number of the update is infinite or none") }
    let file = write(values, seed, metadata)
    if let residual {
      let read = Weights(layout)
      try UpdateDecoder(layout, limit: .max).fill(read, from: try Safetensors(file), form)
      withExtendedLifetime((values, read)) {
        ct_subtract(values.buffer.base, read.buffer.base, residual.base, layout.count)
      }
    }
    return form.zstd.map { Compression.compress(file, level: $0) } ?? file
  }

  /// What stands before the numbers of a plain update, which then follow as they lie in memory.
  public static func plainHeader(_ layout: TensorLayout) -> [UInt8] {
    SafetensorsWriter(
      layout.tensors.map { ($0.name, .f32, $0.shape) }, metadata: ["form": UpdateForm.plain.text], reserving: 0
    ).bytes
  }

  private func write(_ values: Weights, _ seed: UInt64, _ metadata: [String: String]) -> [UInt8] {
    var metadata = metadata
    metadata["form"] = form.text
    if form.top == nil, let type = form.numbers.type { return values.file(type, metadata: metadata) }
    guard let top = form.top else {
      return pack(UnsafePointer(values.buffer.base), layout.count, places: nil, seed, metadata)
    }
    let count = layout.count == 0 ? 0 : max(1, Int((Double(layout.count) * top).rounded()))
    var places = [UInt32](repeating: 0, count: count), kept = [Float](repeating: 0, count: count)
    let room = UnsafeMutableRawPointer.allocate(byteCount: ct_top_room(count), alignment: 64)
    ct_top(values.buffer.base, layout.count, count, &places, &kept, room)
    room.deallocate()
    return pack(&kept, count, places: places, seed, metadata)
  }

  private func pack(
    _ values: UnsafePointer<Float>, _ count: Int, places: [UInt32]?, _ seed: UInt64, _ metadata: [String: String]
  ) -> [UInt8] {
    let type = form.numbers.type, blocks = type == nil ? ct_blocks(count) : 0
    var tensors: [SafetensorsWriter.Tensor] = places == nil ? [] : [("places", .u32, [count])]
    tensors.append(("values", type ?? .i8, [count]))
    if type == nil { tensors.append(("scales", .f32, [blocks])) }
    var writer = SafetensorsWriter(tensors, metadata: metadata)
    places?.withUnsafeBytes { writer.append($0) }
    if let type {
      withHalves(of: values, count, type) { writer.append($0) }
    } else {
      var levels = [Int8](repeating: 0, count: count), scales = [Float](repeating: 0, count: blocks)
      ct_to_i8(values, &levels, &scales, 127, form.numbers == .qsgd ? max(1, seed) : 0, count)
      levels.withUnsafeBytes { writer.append($0) }
      scales.withUnsafeBytes { writer.append($0) }
    }
    return writer.bytes
  }
}

/// Reads what an ``UpdateEncoder`` wrote, or what somebody sends who says so: nothing of it is believed.
public struct UpdateDecoder {
  public let layout: TensorLayout
  /// The most bytes of a file.
  public let limit: Int

  public init(_ layout: TensorLayout, limit: Int? = nil) {
    self.layout = layout
    // The widest form takes places and floats for each number, and a header.
    self.limit = limit ?? (layout.count * 8 + SafetensorsHeader.limit + 1024)
  }

  /// The whole weights.
  /// - Parameter base: what the client was given, for differences.
  public func decode(_ bytes: [UInt8], _ form: UpdateForm, base: Weights?) throws(TensorError) -> Weights {
    let file = try Safetensors(form.zstd == nil ? bytes : Compression.expand(bytes, limit: limit), limit: limit)
    if let said = file.metadata["form"], said != form.text {
      throw TensorError("the update is in the form \(said); \(form.text) was agreed on")
    }
    let weights = Weights(layout)
    try fill(weights, from: file, form)
    guard weights.largest.isFinite else { throw TensorError("a number of the update is infinite or none") }
    guard form.isDelta else { return weights }
    guard let base else { throw TensorError("\(form.text) takes what the client was given") }
    ct_plus(weights.buffer.base, base.buffer.base, weights.buffer.base, layout.count)
    return weights
  }

  /// Over zeroes.
  func fill(_ weights: Weights, from file: Safetensors, _ form: UpdateForm) throws(TensorError) {
    if form.top == nil, form.numbers.type != nil {
      let read = try Weights(file, as: layout)
      return withExtendedLifetime(read) {
        weights.buffer.base.update(from: read.buffer.base, count: layout.count)
      }
    }
    guard form.top != nil else { return try readValues(file, layout.count, form, into: weights.buffer.base) }
    let places = try places(file)
    let kept = FloatBuffer(count: places.count)
    try readValues(file, places.count, form, into: kept.base)
    withExtendedLifetime(kept) { ct_scatter(weights.buffer.base, places, kept.base, places.count) }
  }

  private func places(_ file: Safetensors) throws(TensorError) -> [UInt32] {
    guard let entry = file["places"], entry.type == .u32, entry.count <= layout.count else {
      throw TensorError("the update has no `places` of type U32, or more than \(layout.count)")
    }
    let places = file.withBytes(of: entry) { bytes in
      [UInt32](unsafeUninitializedCapacity: entry.count) { room, filled in
        UnsafeMutableRawBufferPointer(room).copyMemory(from: bytes)
        filled = entry.count
      }
    }
    if let outside = places.first(where: { $0 >= layout.count }) {
      throw TensorError("there is no place \(outside): the model has \(layout.count) numbers")
    }
    return places
  }

  private func readValues(
    _ file: Safetensors, _ count: Int, _ form: UpdateForm, into values: UnsafeMutablePointer<Float>
  ) throws(TensorError) {
    guard let entry = file["values"], entry.count == count else {
      throw TensorError("the update should have \(count) `values` and has \(file["values"]?.count ?? 0)")
    }
    if let type = form.numbers.type {
      guard entry.type == type else { throw TensorError("`values` are \(entry.type.rawValue), not \(type.rawValue)") }
      return try file.read(entry, into: values)
    }
    guard entry.type == .i8, let scales = file["scales"], scales.type == .f32, scales.count == ct_blocks(count) else {
      throw TensorError("`values` should be I8, with F32 `scales` for each \(CT_BLOCK) of them")
    }
    let factors = FloatBuffer(count: scales.count)
    try file.read(scales, into: factors.base)
    withExtendedLifetime(factors) {
      file.withBytes(of: entry) { bytes in
        bytes.withMemoryRebound(to: Int8.self) { levels in
          if let base = levels.baseAddress { ct_from_i8(base, factors.base, values, count) }
        }
      }
    }
  }
}

extension UpdateForm.Numbers {
  /// Nil for those with scales.
  var type: NumberType? {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .int8, .qsgd: nil
    }
  }
}
