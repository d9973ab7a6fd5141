internal import CTensors

/// All numbers of a model, and which tensor has which of them.
public struct Weights: Sendable {
  public let layout: TensorLayout
  public let buffer: FloatBuffer

  public init(_ layout: TensorLayout) { (self.layout, buffer) = (layout, FloatBuffer(count: layout.count)) }

  public init(_ layout: TensorLayout, _ buffer: FloatBuffer) {
    precondition(buffer.count == layout.count)
    (self.layout, self.buffer) = (layout, buffer)
  }

  /// Of a file with tensors of floats, doubles, or either kind of half floats.
  public init(_ file: Safetensors) throws(TensorError) {
    self.init(try TensorLayout(file.header))
    try file.read(into: buffer.base)
  }

  /// Throws unless the file has just the tensors of `layout`.
  public init(_ file: Safetensors, as layout: TensorLayout) throws(TensorError) {
    try self.init(file)
    if let difference = layout.difference(to: self.layout) { throw TensorError(difference) }
  }

  /// - Parameter type: `.f32`, `.f16` or `.bf16`.
  public func file(_ type: NumberType = .f32, metadata: [String: String] = [:]) -> [UInt8] {
    var writer = SafetensorsWriter(layout.tensors.map { ($0.name, type, $0.shape) }, metadata: metadata)
    for tensor in layout.tensors {
      withHalves(of: UnsafePointer(buffer.base + tensor.offset), tensor.count, type) { writer.append($0) }
    }
    return writer.bytes
  }

  /// The greatest magnitude; infinity if something is infinite or not a number.
  public var largest: Float { Self.largest(buffer) }

  public static func largest(_ buffer: FloatBuffer) -> Float { ct_largest(buffer.base, buffer.count) }
}

/// The bytes of floats in a narrower type.
func withHalves(
  of values: UnsafePointer<Float>, _ count: Int, _ type: NumberType, _ body: (UnsafeRawBufferPointer) -> Void
) {
  if type == .f32 { return body(UnsafeRawBufferPointer(start: values, count: count * 4)) }
  precondition(type == .f16 || type == .bf16, "weights are not written as \(type.rawValue)")
  let halves = [UInt16](unsafeUninitializedCapacity: count) { room, filled in
    if let base = room.baseAddress, count > 0 {
      if type == .f16 { ct_to_f16(values, base, count) } else { ct_to_bf16(values, base, count) }
    }
    filled = count
  }
  halves.withUnsafeBytes(body)
}

extension Safetensors {
  /// The numbers of all tensors, one after the other. Throws unless they are just those of `layout`.
  public func read(as layout: TensorLayout, into values: UnsafeMutablePointer<Float>) throws(TensorError) {
    if let difference = layout.difference(to: try TensorLayout(header)) { throw TensorError(difference) }
    try read(into: values)
  }

  func read(into values: UnsafeMutablePointer<Float>) throws(TensorError) {
    var next = values
    for entry in entries {
      try read(entry, into: next)
      next += entry.count
    }
  }

  /// The numbers of a tensor as floats.
  func read(_ entry: Entry, into values: UnsafeMutablePointer<Float>) throws(TensorError) {
    guard [.f32, .f64, .f16, .bf16].contains(entry.type) else {
      throw TensorError("`\(entry.name)` is \(entry.type.rawValue); weights are F32, F64, F16 or BF16")
    }
    withBytes(of: entry) { bytes in
      let count = entry.count
      switch entry.type {
      case .f32: UnsafeMutableRawPointer(values).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
      case .f64: for i in 0..<count { values[i] = Float(bytes.loadUnaligned(fromByteOffset: i * 8, as: Double.self)) }
      default:
        // A file's tensors may begin at any byte.
        let halves = [UInt16](unsafeUninitializedCapacity: count) { room, filled in
          UnsafeMutableRawBufferPointer(room).copyMemory(from: bytes)
          filled = count
        }
        if entry.type == .f16 { ct_from_f16(halves, values, count) } else { ct_from_bf16(halves, values, count) }
      }
    }
  }
}
