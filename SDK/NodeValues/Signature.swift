/// A type of the signature alphabet that a method may take or return.
public enum ValueType: UInt8, Sendable, CaseIterable {
  case nothing = 0x76  // v
  case int32 = 0x69  // i
  case uint32 = 0x49  // I
  case int64 = 0x6C  // l
  case uint64 = 0x4C  // L
  case double = 0x64  // d
  case bool = 0x7A  // z
  case text = 0x73  // s
  case bytes = 0x62  // b
  case json = 0x6A  // j

  public var letter: Character { Character(Unicode.Scalar(rawValue)) }

  /// The short name in usage lines: `add(a: int, b: int) -> int`.
  public var name: String {
    switch self {
    case .nothing: "nothing"
    case .int32: "int32"
    case .uint32: "uint32"
    case .int64: "int"
    case .uint64: "uint"
    case .double: "number"
    case .bool: "bool"
    case .text: "text"
    case .bytes: "bytes"
    case .json: "json"
    }
  }

  /// What an error says was expected.
  public var expectation: String {
    switch self {
    case .nothing: "nothing"
    case .int32: "a whole number from \(Int32.min) to \(Int32.max)"
    case .uint32: "a whole number from 0 to \(UInt32.max)"
    case .int64: "a whole number from \(Int64.min) to \(Int64.max)"
    case .uint64: "a whole number from 0 to \(UInt64.max)"
    case .double: "a number"
    case .bool: "true or false"
    case .text: "text"
    case .bytes: "bytes in base64"
    case .json: "a JSON value"
    }
  }
}

public struct SignatureError: Error, Equatable, CustomStringConvertible {
  public var description: String
}

/// A method's types: `l(ll)` takes two int64 and returns one.
public struct Signature: Sendable, Equatable, CustomStringConvertible {
  /// More would not fit a person's memory, and keeps a call's frame small.
  public static let parameterLimit = 16

  public var result: ValueType
  public var parameters: [ValueType]

  public init(result: ValueType, parameters: [ValueType]) {
    self.result = result
    self.parameters = parameters
  }

  public init(parsing text: String) throws(SignatureError) {
    let letters = Array(text.utf8)
    guard letters.count >= 3, letters[1] == UInt8(ascii: "("), letters.last == UInt8(ascii: ")") else {
      throw SignatureError(description: "\"\(text)\" is no signature; one looks like l(ll)")
    }
    let types = [letters[0]] + letters[2..<(letters.count - 1)]
    var found: [ValueType] = []
    for (place, letter) in types.enumerated() {
      guard let type = ValueType(rawValue: letter), place == 0 || type != .nothing else {
        let known = ValueType.allCases.map { String($0.letter) }.joined(separator: " ")
        throw SignatureError(
          description: "\"\(text)\": no type has the letter '\(Character(Unicode.Scalar(letter)))'; there are \(known)")
      }
      found.append(type)
    }
    guard found.count - 1 <= Self.parameterLimit else {
      throw SignatureError(description: "\"\(text)\" has more than \(Self.parameterLimit) parameters")
    }
    self.init(result: found[0], parameters: Array(found.dropFirst()))
  }

  public var description: String { "\(result.letter)(\(String(parameters.map(\.letter))))" }
}
