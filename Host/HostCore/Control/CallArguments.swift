package import NodeValues

/// A method as a caller sees it.
package struct MethodShape: Sendable, Equatable {
  package var name: String
  package var signature: Signature
  /// As many as the signature has parameters.
  package let parameterNames: [String]

  /// Names that the plugin did not give are `1`, `2` and so on.
  package init(name: String, signature: Signature, parameterNames: [String] = []) {
    self.name = name
    self.signature = signature
    self.parameterNames = signature.parameters.indices.map { place in
      let given = place < parameterNames.count ? parameterNames[place] : ""
      return given.isEmpty ? String(place + 1) : given
    }
  }

  var parameters: String {
    zip(parameterNames, signature.parameters).map { "\($0): \($1.name)" }.joined(separator: ", ")
  }

  /// `add(a: int, b: int) -> int`
  package var usage: String {
    "\(name)(\(parameters))" + (signature.result == .nothing ? "" : " -> \(signature.result.name)")
  }
}

/// Why arguments do not fit a method; the message names the parameter.
package struct CallArgumentsError: Error, Sendable, Equatable, CustomStringConvertible {
  package var description: String

  package init(description: String) { self.description = description }
}

/// Converts what a person or a program wrote into the values of a method's signature.
package enum CallArguments {
  /// An error quotes this many characters of what was given.
  private static let quotedLength = 60

  /// Words as typed in a shell. Bytes are in base64.
  package static func values(_ words: [String], for method: MethodShape) throws(CallArgumentsError) -> [Value] {
    try check(words.count, method)
    var values: [Value] = []
    for (place, word) in words.enumerated() {
      let type = method.signature.parameters[place]
      guard let value = value(word: word, type) else { throw unfit(place, quote("\"\(word)\""), method) }
      values.append(value)
    }
    return values
  }

  /// JSON values, one for each parameter.
  package static func values(_ arguments: [JSON], for method: MethodShape) throws(CallArgumentsError) -> [Value] {
    try check(arguments.count, method)
    var values: [Value] = []
    for (place, argument) in arguments.enumerated() {
      let type = method.signature.parameters[place]
      guard let value = value(json: argument, type) else { throw unfit(place, quote(argument.description), method) }
      values.append(value)
    }
    return values
  }

  package static func values(_ input: CallRequest.Input, for method: MethodShape) throws(CallArgumentsError) -> [Value]
  {
    switch input {
    case .words(let words): try values(words, for: method)
    case .arguments(let arguments): try values(arguments, for: method)
    }
  }

  /// A reply for JSON: bytes in base64, and a number that JSON cannot write as text.
  package static func replyJSON(_ value: Value) -> JSON {
    switch value {
    case .nothing: .null
    case .int(let number): .int(number)
    case .unsigned(let number): JSON(number)
    case .double(let number): number.isFinite ? .double(number) : .string(number.description)
    case .bool(let truth): .bool(truth)
    case .text(let text): .string(text)
    case .bytes(let bytes): .string(Base64.encode(bytes))
    case .json(let text): (try? JSON(parsing: text)) ?? .string(text)
    }
  }

  private static func check(_ count: Int, _ method: MethodShape) throws(CallArgumentsError) {
    let wanted = method.signature.parameters.count
    guard count != wanted else { return }
    let takes = wanted == 0 ? "no arguments" : wanted == 1 ? "1 argument" : "\(wanted) arguments"
    let named = wanted == 0 ? "" : " (\(method.parameters))"
    throw CallArgumentsError(description: "\(method.name) takes \(takes)\(named), got \(count)")
  }

  private static func unfit(_ place: Int, _ given: String, _ method: MethodShape) -> CallArgumentsError {
    let type = method.signature.parameters[place]
    let name = method.parameterNames[place]
    return CallArgumentsError(
      description: "\(method.name): parameter `\(name)` (\(type.name)): \(given) is not \(type.expectation)")
  }

  private static func quote(_ text: String) -> String {
    text.count <= quotedLength ? text : text.prefix(quotedLength) + "…"
  }

  private static func value(word: String, _ type: ValueType) -> Value? {
    switch type {
    case .nothing: nil
    case .int32: Int32(word).map { .int(Int64($0)) }
    case .int64: Int64(word).map { .int($0) }
    case .uint32: UInt32(word).map { .unsigned(UInt64($0)) }
    case .uint64: UInt64(word).map { .unsigned($0) }
    case .double: number(word).map { .double($0) }
    case .bool: word == "true" ? .bool(true) : word == "false" ? .bool(false) : nil
    case .text: .text(word)
    case .bytes: Base64.decode(word).map { .bytes($0) }
    case .json: (try? JSON(parsing: word)).map { _ in .json(word) }
    }
  }

  /// Decimal and finite: Swift also reads hexadecimal, "nan" and "infinity", which nobody types on purpose.
  private static func number(_ word: String) -> Double? {
    guard word.utf8.allSatisfy({ HTTPByte.isDigit($0) || "+-.eE".utf8.contains($0) }) else { return nil }
    return Double(word).flatMap { $0.isFinite ? $0 : nil }
  }

  private static func value(json: JSON, _ type: ValueType) -> Value? {
    switch type {
    case .nothing: nil
    case .int32: json.int.flatMap { Int32(exactly: $0) }.map { .int(Int64($0)) }
    case .int64: json.int.map { .int($0) }
    case .uint32: json.int.flatMap { UInt32(exactly: $0) }.map { .unsigned(UInt64($0)) }
    case .uint64: unsigned(json).map { .unsigned($0) }
    case .double: json.double.map { .double($0) }
    case .bool: json.bool.map { .bool($0) }
    case .text: json.string.map { .text($0) }
    case .bytes: json.string.flatMap(Base64.decode).map { .bytes($0) }
    case .json: .json(json.description)
    }
  }

  private static func unsigned(_ json: JSON) -> UInt64? {
    switch json {
    case .unsigned(let number): number
    case .double(let number): UInt64(exactly: number)
    default: json.int.flatMap { UInt64(exactly: $0) }
    }
  }
}
