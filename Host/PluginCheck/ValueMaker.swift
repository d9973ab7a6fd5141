import NodeValues

/// Arguments for methods, made up from their signatures.
struct ValueMaker {
  /// As long as one text gets, in characters.
  static let textLimit = 2000

  private var numbers: SeededNumbers

  init(seed: UInt64, stream: UInt64 = 2) { numbers = SeededNumbers(seed: seed, stream: stream) }

  /// All ways to put the edges of the parameters' types together; a few of them if they are many.
  static func edges(of signature: Signature, limit: Int) -> [[Value]] {
    let choices = signature.parameters.map(edges)
    let count = choices.reduce(1) { $0.multipliedReportingOverflow(by: $1.count).overflow ? .max : $0 * $1.count }
    let tried = min(count, limit)
    return (0..<tried).map { number in
      // Spread over all of them, and each number written in digits of its own base.
      var rest = count == tried ? number : number * (count / tried) + number
      return choices.map { values in
        defer { rest /= values.count }
        return values[rest % values.count]
      }
    }
  }

  private static func edges(_ type: ValueType) -> [Value] {
    switch type {
    case .nothing: [.nothing]
    case .int32: [0, 1, -1, Int64(Int32.max), Int64(Int32.min)].map(Value.int)
    case .int64: [0, 1, -1, .max, .min].map(Value.int)
    case .uint32: [0, 1, UInt64(UInt32.max)].map(Value.unsigned)
    case .uint64: [0, 1, .max].map(Value.unsigned)
    case .double: [0, -1, .nan, .infinity, .greatestFiniteMagnitude].map(Value.double)
    case .bool: [.bool(false), .bool(true)]
    case .text: ["", "a", "\0\"\\\u{1F600}", String(repeating: "long ", count: 4000)].map(Value.text)
    case .bytes: [[], [0], [UInt8](repeating: 0xFF, count: 20_000)].map(Value.bytes)
    case .json: ["null", "{}", "[]", "-1", "1e300", "{\"a\":[{\"b\":null}]}"].map(Value.json)
    }
  }

  /// Tame ones are small and friendly, as a person would try first.
  mutating func arguments(of signature: Signature, isTame: Bool) -> [Value] {
    var values: [Value] = []
    for type in signature.parameters { values.append(isTame ? tame(type) : wild(type)) }
    return values
  }

  private mutating func tame(_ type: ValueType) -> Value {
    switch type {
    case .nothing: .nothing
    case .int32, .int64: .int(Int64.random(in: 0...9, using: &numbers))
    case .uint32, .uint64: .unsigned(UInt64.random(in: 0...9, using: &numbers))
    case .double: .double(Double(Int.random(in: 0...9, using: &numbers)) / 2)
    case .bool: .bool(Bool.random(using: &numbers))
    case .text: .text("word \(Int.random(in: 0...99, using: &numbers))")
    case .bytes: .bytes([1, 2, 3])
    case .json: .json("{\"number\": \(Int.random(in: 0...9, using: &numbers))}")
    }
  }

  private mutating func wild(_ type: ValueType) -> Value {
    switch type {
    case .nothing: .nothing
    case .int32: .int(Int64(Int32(truncatingIfNeeded: integer())))
    case .int64: .int(integer())
    case .uint32: .unsigned(UInt64(UInt32(truncatingIfNeeded: integer())))
    case .uint64: .unsigned(UInt64(bitPattern: integer()))
    case .double: .double(double())
    case .bool: .bool(Bool.random(using: &numbers))
    case .text: .text(text())
    case .bytes: .bytes(bytes())
    case .json: .json(json(depth: 3).description)
    }
  }

  /// Numbers at which arithmetic breaks, more often than others.
  private mutating func integer() -> Int64 {
    let edges: [Int64] = [
      0, 1, -1, .min, .max, Int64(Int32.min), Int64(Int32.max), Int64(Int32.max) + 1, Int64(UInt32.max), 1 << 53,
    ]
    if Bool.random(using: &numbers) { return edges.randomElement(using: &numbers)! }
    return Int64.random(in: .min ... .max, using: &numbers) >> Int64.random(in: 0...63, using: &numbers)
  }

  private mutating func double() -> Double {
    let edges: [Double] = [
      0, -0.0, 1, -1, .nan, .infinity, -.infinity, .greatestFiniteMagnitude, .leastNonzeroMagnitude, 0.1, 1e308,
    ]
    if Bool.random(using: &numbers) { return edges.randomElement(using: &numbers)! }
    return Double(bitPattern: numbers.next())
  }

  mutating func text() -> String {
    let edges = [
      "", " ", "\0", "\n\r\t", "\"\\", "{}", "../..", "%s%n", "a,b;c", "\u{1F469}\u{200D}\u{1F680}", "\u{FEFF}é",
    ]
    if Bool.random(using: &numbers) { return edges.randomElement(using: &numbers)! }
    let letters = Array("abc XYZ09.-_/\"\\{}[]:,äßé日本\u{0}\u{7F}\u{1F600}")
    let length = Int.random(in: 0...Self.textLimit, using: &numbers) >> Int.random(in: 0...8, using: &numbers)
    var text = ""
    for _ in 0..<length { text.append(letters.randomElement(using: &numbers)!) }
    return text
  }

  mutating func bytes(_ limit: Int = 4096) -> [UInt8] {
    let length = Int.random(in: 0...limit, using: &numbers) >> Int.random(in: 0...8, using: &numbers)
    var bytes: [UInt8] = []
    for _ in 0..<length { bytes.append(UInt8.random(in: 0...255, using: &numbers)) }
    return bytes
  }

  mutating func json(depth: Int) -> JSON {
    switch Int.random(in: 0..<(depth > 0 ? 7 : 5), using: &numbers) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &numbers))
    case 2: return .int(integer())
    case 3: return .double(Double(Int32(truncatingIfNeeded: integer())) / 8)
    case 4: return .string(text())
    case 5: return .array((0..<Int.random(in: 0...4, using: &numbers)).map { _ in json(depth: depth - 1) })
    default:
      let count = Int.random(in: 0...4, using: &numbers)
      return .object(JSONObject((0..<count).map { ("key\($0)", json(depth: depth - 1)) }))
    }
  }
}
