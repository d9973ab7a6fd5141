import FuzzSupport
import Testing

@testable import Tensors

@Suite struct SafetensorsTests {
  static func file(_ header: String, _ bytes: Int = 0) -> [UInt8] {
    var file = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) }
    file += Array(header.utf8) + [UInt8](repeating: 0, count: bytes)
    return file
  }

  @Test func whatIsWrittenIsRead() throws {
    let layout = try TensorLayout([("fc1.weight", [3, 2]), ("fc1.bias", [3]), ("scalar", []), ("none", [0, 5])])
    let weights = Weights(layout, buffer(layout.count, seed: 5))
    for type in [NumberType.f32, .f16, .bf16] {
      let bytes = weights.file(type, metadata: ["round": "3"])
      let file = try Safetensors(bytes)
      #expect(file.metadata == ["round": "3"] && file.entries.map(\.type) == Array(repeating: type, count: 4))
      #expect(file.entries[0].bytes.lowerBound % 8 == 0)
      let read = try Weights(file, as: layout)
      let allowed: Float = type == .f32 ? 0 : type == .f16 ? 0.0005 : 0.004
      for place in 0..<layout.count { #expect(abs(read.buffer[place] - weights.buffer[place]) <= allowed) }
    }
  }

  @Test func anotherModelIsRefusedByName() throws {
    let mine = try TensorLayout([("a", [2]), ("b", [3])])
    for (other, words) in [
      ([("a", [2]), ("c", [3])], "`b` is expected where `c` stands"),
      ([("a", [2]), ("b", [4])], "`b` should be [3] and is [4]"),
      ([("a", [2])], "2 tensors are expected, and 1 are there"),
    ] {
      let file = try Safetensors(Weights(try TensorLayout(other)).file())
      #expect(throws: TensorError(words)) { try Weights(file, as: mine) }
    }
  }

  @Test(arguments: [
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 7, "the tensors have 8 bytes, the file 7"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 9, "the tensors have 8 bytes, the file 9"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, 12, "`a` begins at byte 4, not 0"),
    (
      #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}"#, 3,
      "`b` begins at byte 1, not 2"
    ),
    (#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#, 8, "`a` takes 12 bytes, and its place is 0 to 8"),
    (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#, 8, "`a` takes 8 bytes, and its place is 8 to 0"),
    (#"{"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,8]}}"#, 8, "`a` has the unknown dtype Q4"),
    (#"{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#, 8, "`a` lacks dtype, shape or data_offsets"),
    (
      #"{"a":{"dtype":"U8","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]}}"#, 0,
      "`a` cannot be of the shape [4294967296, 4294967296, 4294967296]"
    ),
    (#"{"__metadata__":{"a":1}}"#, 0, "`__metadata__.a` is no text"), (#"[]"#, 0, "the header is no JSON object"),
  ]) func aHeaderThatLiesIsRefused(_ header: String, _ bytes: Int, _ words: String) {
    #expect(throws: TensorError(words)) { try Safetensors(Self.file(header, bytes)) }
  }

  @Test func lengthsThatLieAreRefused() {
    #expect(throws: TensorError.self) { try Safetensors([]) }
    #expect(throws: TensorError.self) { try Safetensors([UInt8](repeating: 255, count: 64)) }
    #expect(throws: TensorError.self) { try Safetensors(Self.file("{}", 0), limit: 5) }
    #expect(throws: TensorError.self) { try Safetensors(Array(Self.file("{} ").dropLast())) }
  }
}

@Suite struct TensorFuzzTests {
  @Test func whateverComes() throws { try fuzz("tensors", fuzzTensors) }
}

@Suite struct NumberTests {
  /// Every half there is, there and back; and what lies between two goes to the nearer one.
  @Test func halvesAreRounded() {
    #if arch(arm64) || arch(x86_64)
      for bits in 0...UInt16.max {
        let half = [bits]
        var float: Float = 0, back: UInt16 = 0
        ctFromF16(half, &float)
        ctToF16(&float, &back)
        #expect(float.isNaN ? back & 0x7C00 == 0x7C00 && back & 0x3FF != 0 : back == bits, "\(bits)")
      }
    #endif
    var dice = Dice(state: 3)
    for exponent in -30...17 {
      for _ in 0..<50 {
        var float = dice.unit() * Float(sign: .plus, exponent: exponent, significand: 1)
        var bits: UInt16 = 0, back: Float = 0
        ctToF16(&float, &bits)
        ctFromF16([bits], &back)
        if abs(float) >= 65_520 {
          #expect(back.isInfinite)
        } else {
          // Half a step: 11 bits of the number, or of the least normal one.
          let step = Float(sign: .plus, exponent: max(float.exponent, -14) - 11, significand: 1)
          #expect(abs(back - float) <= step, "\(float) became \(back)")
        }
        ctToBF16(&float, &bits)
        let wide = Float(bitPattern: UInt32(bits) << 16)
        #expect(abs(wide - float) <= abs(float) / 256)
      }
    }
  }
}

@Suite struct WeightsCheckTests {
  private static let layout = try! TensorLayout([("w", [50, 7]), ("b", [7])])

  private static func check(_ file: [UInt8], pieces size: Int, saying said: Int? = nil) throws -> Int {
    var check = try WeightsCheck(layout, size: said ?? file.count)
    for start in stride(from: 0, to: file.count, by: size) {
      try check.take(file[start..<min(start + size, file.count)])
    }
    return try check.end()
  }

  @Test(arguments: [1, 3, 7, 64, 1000, 100_000]) func whatComesInPiecesIsLookedAt(_ size: Int) throws {
    let weights = Weights(Self.layout, buffer(357, seed: 1)), file = weights.file(metadata: ["round": "1"])
    #expect(try Self.check(file, pieces: size) == file.count - 4 * 357)
    for place in [0, 100, 356] {
      let bad = Weights(Self.layout, buffer(357, seed: 1))
      bad.buffer[place] = place == 100 ? 1e6 : .nan
      #expect(throws: TensorError.self) { try Self.check(bad.file(), pieces: size) }
    }
    #expect(throws: TensorError("\(file.count - 1) of \(file.count) bytes came")) {
      try Self.check(file.dropLast(), pieces: size, saying: file.count)
    }
    #expect(throws: TensorError.self) { try Self.check(weights.file(.f16), pieces: size, saying: 1884) }
    let other = Weights(try TensorLayout([("w", [7, 50]), ("b", [7])]))
    #expect(throws: TensorError("`w` should be [50, 7] and is [7, 50]")) { try Self.check(other.file(), pieces: size) }
    #expect(throws: TensorError.self) { try WeightsCheck(Self.layout, size: 100) }
    #expect(throws: TensorError.self) { try WeightsCheck(Self.layout, size: 1 << 30) }
  }
}
