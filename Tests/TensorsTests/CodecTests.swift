import CTensors
import Testing

@testable import Tensors

func ctFromF16(_ x: [UInt16], _ y: inout Float) { ct_from_f16(x, &y, 1) }
func ctToF16(_ x: inout Float, _ y: inout UInt16) { ct_to_f16(&x, &y, 1) }
func ctToBF16(_ x: inout Float, _ y: inout UInt16) { ct_to_bf16(&x, &y, 1) }

@Suite struct CodecTests {
  static let layout = try! TensorLayout([("w", [70, 50]), ("b", [70])])
  static let forms = try! [
    "f32", "f16", "bf16", "int8", "qsgd", "f32+delta+zstd3", "f16+delta", "int8+delta+zstd1", "f32+top0.1",
    "f16+top0.01+zstd1", "int8+top0.5", "qsgd+top1.0",
  ].map { try UpdateForm($0) }

  @Test(arguments: forms) func whatIsWrittenIsRead(_ form: UpdateForm) throws {
    #expect(try UpdateForm(form.text) == form)
    let base = Weights(Self.layout, buffer(3570, seed: 1)), weights = Weights(Self.layout, buffer(3570, seed: 2))
    let bytes = try UpdateEncoder(Self.layout, form).encode(weights, base: base)
    let read = try UpdateDecoder(Self.layout).decode(bytes, form, base: base)
    let wrong = (0..<3570).filter { abs(read.buffer[$0] - weights.buffer[$0]) > 0.03 }.count
    let all = form.top.map { Int(3570 * (1 - $0)) + 1 } ?? 0
    #expect(wrong <= all, "\(wrong) of 3570 differ by more than \(form.text) may")
    if form.numbers == .f32, form.top == nil, !form.isDelta {
      #expect(read.buffer.array == weights.buffer.array)
    }
  }

  private static func top(_ values: FloatBuffer, _ count: Int) -> (places: [UInt32], kept: [Float]) {
    var places = [UInt32](repeating: 0, count: count), kept = [Float](repeating: 0, count: count)
    var room = [UInt64](repeating: 7, count: ct_top_room(count) / 8 + 1)
    ct_top(values.base, values.count, count, &places, &kept, &room)
    return (places, kept)
  }

  private static func expectTop(_ values: FloatBuffer, _ counts: [Int]) {
    let magnitudes = values.array.map { abs($0) }
    let order = magnitudes.indices.sorted { (-magnitudes[$0], $0) < (-magnitudes[$1], $1) }
    for count in counts {
      let (places, kept) = top(values, count)
      #expect(places.map { Int($0) } == order.prefix(count).sorted(), "\(count) of \(values.count)")
      #expect(kept == places.map { values[Int($0)] })
    }
  }

  @Test func theGreatestAreSent() throws {
    Self.expectTop(FloatBuffer([0.5, -3, 0, 2, -2, 2, 0.25, 100, 0, -0.5]), Array(1...10))
    let many = buffer(270_001, seed: 4)
    Self.expectTop(many, [1, 300, 30_000, 270_001])
    // A guess from some of them is wrong where the others are greater, or all are equal.
    for place in stride(from: 1, to: 270_001, by: 3) { many[place] = 50 + Float(place % 7) }
    Self.expectTop(many, [3000])
    Self.expectTop(FloatBuffer([Float](repeating: -1, count: 270_000)), [5000])
  }

  /// A number that is too small to be sent for many rounds is sent in the end.
  @Test func whatIsLeftOutComesLater() throws {
    let base = Weights(Self.layout), target = Weights(Self.layout, buffer(3570, seed: 8))
    let encoder = UpdateEncoder(Self.layout, try UpdateForm("int8+top0.05")), decoder = UpdateDecoder(Self.layout)
    let received = Weights(Self.layout)
    for round in 1...60 as ClosedRange<UInt64> {
      // The client wants the same difference each time; after n rounds nearly n times as much must have come.
      let update = try decoder.decode(
        try encoder.encode(target, base: base, seed: round), encoder.form, base: Weights(Self.layout))
      ct_plus(received.buffer.base, update.buffer.base, received.buffer.base, 3570)
    }
    let missing = (0..<3570).map { abs(Double(received.buffer[$0]) - 60 * Double(target.buffer[$0])) }.max()!
    #expect(missing < 25, "a number lags behind by \(missing)")
    let residual = try #require(encoder.residual)
    for place in 0..<3570 {
      #expect(abs(received.buffer[place] + residual[place] - 60 * target.buffer[place]) < 1e-3)
    }
  }

  /// Rounded by chance, the mean of many is right; to the nearest it is not.
  @Test func chanceIsFair() throws {
    let value: Float = 0.1001
    let weights = Weights(try TensorLayout([("w", [1024])]), FloatBuffer([Float](repeating: value, count: 1023) + [1]))
    func mean(_ numbers: UpdateForm.Numbers) throws -> Double {
      var sum = 0.0
      for seed in 1...50 as ClosedRange<UInt64> {
        let bytes = try UpdateEncoder(weights.layout, .init(numbers)).encode(weights, base: nil, seed: seed)
        let read = try UpdateDecoder(weights.layout).decode(bytes, .init(numbers), base: nil)
        sum += (0..<1023).reduce(0) { $0 + Double(read.buffer[$1]) } / 1023
      }
      return sum / 50
    }
    #expect(abs(try mean(.qsgd) - Double(value)) < 0.0001)
    #expect(abs(try mean(.int8) - Double(value)) > 0.001)
  }

  @Test func whatIsNotAsAgreedIsRefused() throws {
    let base = Weights(Self.layout), weights = Weights(Self.layout, buffer(3570, seed: 2))
    let decoder = UpdateDecoder(Self.layout)
    let bytes = try UpdateEncoder(Self.layout, UpdateForm("f16")).encode(weights, base: nil)
    #expect(throws: TensorError("the update is in the form f16; bf16 was agreed on")) {
      try decoder.decode(bytes, UpdateForm("bf16"), base: nil)
    }
    weights.buffer[5] = .nan
    for form in Self.forms {
      #expect(throws: TensorError.self) { try UpdateEncoder(Self.layout, form).encode(weights, base: base) }
    }
    #expect(throws: TensorError.self) { try decoder.decode(weights.file(), .plain, base: nil) }
    var places = SafetensorsWriter([("places", .u32, [1]), ("values", .f32, [1])])
    [UInt32](arrayLiteral: 3570).withUnsafeBytes { places.append($0) }
    [Float](arrayLiteral: 1).withUnsafeBytes { places.append($0) }
    #expect(throws: TensorError("there is no place 3570: the model has 3570 numbers")) {
      try decoder.decode(places.bytes, UpdateForm("f32+top0.1"), base: base)
    }
    for text in ["", "f64", "f32+", "f32+top0", "f32+top2", "f32+zstd99", "int8+delta+x"] {
      #expect(throws: TensorError.self) { try UpdateForm(text) }
    }
  }

  @Test func whatIsCompressedIsNotBelieved() throws {
    let bomb = Compression.compress([UInt8](repeating: 0, count: 1 << 24))
    #expect(bomb.count < 4096)
    #expect(throws: TensorError("what is compressed has 16777216 bytes; 1000 are the most")) {
      try Compression.expand(bomb, limit: 1000)
    }
    #expect(throws: TensorError.self) { try Compression.expand(Array(bomb.dropLast()), limit: 1 << 24) }
    #expect(throws: TensorError.self) { try Compression.expand([1, 2, 3], limit: 1 << 24) }
    #expect(throws: TensorError.self) { try Compression.expand([], limit: 1 << 24) }
  }
}
