internal import ProtoFields

/// Writes the messages of onnx.proto; the numbers of fields are its own.
struct OnnxWriter {
  enum Attribute {
    case int(String, Int)
    case float(String, Float)
    case ints(String, [Int])
  }

  private static let irVersion: Int64 = 8, opset: Int64 = 17
  private static let floatType: Int64 = 1, integerType: Int64 = 7

  private var nodes: [[UInt8]] = []
  private var initializers: [[UInt8]] = []

  mutating func node(_ type: String, _ inputs: [String], _ output: String, _ attributes: [Attribute] = []) {
    var node = ProtoWriter()
    for input in inputs { node.element(1, input) }
    node.element(2, output)
    node.string(3, "\(output):\(type)")
    node.string(4, type)
    for attribute in attributes { node.message(5) { Self.write(attribute, to: &$0) } }
    nodes.append(node.bytes)
  }

  private static func write(_ attribute: Attribute, to writer: inout ProtoWriter) {
    switch attribute {
    case .float(let name, let number):
      writer.string(1, name)
      writer.float(2, number)
      writer.int64(20, 1)
    case .int(let name, let number):
      writer.string(1, name)
      writer.int64(3, Int64(number))
      writer.int64(20, 2)
    case .ints(let name, let numbers):
      writer.string(1, name)
      writer.ints(8, numbers)
      writer.int64(20, 7)
    }
  }

  mutating func initializer(_ name: String, _ shape: [Int], _ values: [Float]) {
    values.withUnsafeBytes { initializers.append(Self.tensor(name, shape, Self.floatType, $0)) }
  }

  mutating func initializer(_ name: String, _ shape: [Int], integers: [Int]) {
    integers.map { Int64($0) }.withUnsafeBytes {
      initializers.append(Self.tensor(name, shape, Self.integerType, $0))
    }
  }

  private static func tensor(_ name: String, _ shape: [Int], _ type: Int64, _ raw: UnsafeRawBufferPointer) -> [UInt8] {
    var tensor = ProtoWriter(reserving: raw.count + 128)
    tensor.ints(1, shape)
    tensor.int64(2, type)
    tensor.string(8, name)
    tensor.data(9, raw)
    return tensor.bytes
  }

  typealias Named = (name: String, sizes: [Int])

  /// The whole file; `sizes` are those of a sample.
  func file(named name: String, input: Named, output: Named) -> [UInt8] {
    var file = ProtoWriter(reserving: initializers.reduce(4096) { $0 + $1.count + 16 })
    file.int64(1, Self.irVersion)
    file.string(2, "nodehost")
    file.message(7) { graph in
      for node in nodes { graph.data(1, node) }
      graph.string(2, name)
      for initializer in initializers { graph.data(5, initializer) }
      graph.message(11) { Self.write(input, to: &$0) }
      graph.message(12) { Self.write(output, to: &$0) }
    }
    file.message(8) { $0.int64(2, Self.opset) }
    return file.bytes
  }

  private static func write(_ value: Named, to writer: inout ProtoWriter) {
    writer.string(1, value.name)
    writer.message(2) { type in
      type.message(1) { tensor in
        tensor.int64(1, floatType)
        tensor.message(2) { shape in
          shape.message(1) { $0.string(2, "samples") }
          for size in value.sizes { shape.message(1) { $0.int64(1, Int64(size)) } }
        }
      }
    }
  }
}
