/// A method that `hostctl call` and other roles can call. Its signature comes from the Swift types:
///
///     Method("add(a,b)", "The sum of two numbers.", add)
///
/// with `func add(_ a: Int, _ b: Int) throws -> Int` in the role. A method that cannot answer at once takes a
/// ``Reply`` as one of its parameters and returns nothing; the caller does not see that parameter, so it is not
/// named. What a method throws is its answer.
public struct Method<R: AnyObject>: Sendable {
  let declaration: MethodDeclaration
  @usableFromInline let run: @Sendable (R, inout Arguments) throws -> Value?

  /// - Parameters:
  ///   - name: the name and, in parentheses, the parameters' names.
  ///   - doc: one sentence for the person who reads `hostctl describe`.
  ///   - idempotent: asking twice does no harm, so that a caller may retry after a lost answer.
  @inlinable public init<each Parameter: MethodParameter, Result: MethodValue>(
    _ name: String, _ doc: String, idempotent: Bool = false,
    _ body: @escaping @Sendable (R) -> (repeat each Parameter) throws -> Result
  ) {
    var kinds: [ParameterKind] = []
    for type in repeat (each Parameter).self { kinds.append(type.parameterKind) }
    self.init(name, doc, kinds, Result.valueType, idempotent) { role, arguments in
      try body(role)(repeat (each Parameter).next(from: &arguments)).value
    }
  }

  @inlinable public init<each Parameter: MethodParameter>(
    _ name: String, _ doc: String, idempotent: Bool = false,
    _ body: @escaping @Sendable (R) -> (repeat each Parameter) throws -> Void
  ) {
    var kinds: [ParameterKind] = []
    for type in repeat (each Parameter).self { kinds.append(type.parameterKind) }
    self.init(name, doc, kinds, nil, idempotent) { role, arguments in
      try body(role)(repeat (each Parameter).next(from: &arguments))
      return arguments.isAnsweredLater ? nil : .nothing
    }
  }

  /// The two above are inlinable, so that a call goes through the plugin's own types and not through generic ones
  /// that are looked up each time.
  @usableFromInline init(
    _ name: String, _ doc: String, _ kinds: [ParameterKind], _ result: ValueType?, _ idempotent: Bool,
    _ run: @escaping @Sendable (R, inout Arguments) throws -> Value?
  ) {
    declaration = MethodDeclaration(name, doc, kinds, result: result, idempotent: idempotent)
    self.run = run
  }
}

/// What the host is told of a method, and what is wrong with it. A class, so that each call takes one reference
/// to it instead of copying its texts.
final class MethodDeclaration: Sendable {
  let name: String
  let doc: String
  let parameterNames: [String]
  let signature: Signature
  let idempotent: Bool
  /// As it was written.
  private let text: String
  private let replyCount: Int
  private let returnsValue: Bool

  init(_ text: String, _ doc: String, _ kinds: [ParameterKind], result: ValueType?, idempotent: Bool) {
    let parts = text.split(separator: "(", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let list = Self.isList(text) ? String(parts[1].dropLast()) : ""
    let names = list.split(separator: ",", omittingEmptySubsequences: false).map(Self.trimmed)
    let replies: [ValueType] = kinds.compactMap { if case .reply(let type) = $0 { type } else { nil } }

    name = parts[0]
    self.doc = doc
    self.idempotent = idempotent
    parameterNames = names == [""] ? [] : names
    signature = Signature(
      result: result ?? replies.first ?? .nothing,
      parameters: kinds.compactMap { if case .value(let type) = $0 { type } else { nil } })
    self.text = text
    replyCount = replies.count
    returnsValue = result != nil
  }

  /// What is wrong with the declaration, if anything.
  var problem: String? {
    let count = signature.parameters.count
    if !Self.isList(text) || !Self.isName(name) {
      return "Method(\"\(text)\"): write the name and its parameters' names, like \"add(a,b)\""
    }
    if let bad = parameterNames.first(where: { !Self.isName($0) }) {
      return "Method(\"\(text)\"): \"\(bad)\" is no parameter name; use letters, digits and _"
    }
    if parameterNames.count != count {
      return "Method(\"\(text)\") names \(parameterNames.count) parameters, but its function takes \(count)"
        + " (\(signature)); name each one"
    }
    if Set(parameterNames).count != count { return "Method(\"\(text)\") uses one parameter name twice" }
    if replyCount > 1 { return "Method(\"\(text)\") takes more than one Reply; one call has one answer" }
    if replyCount == 1, returnsValue {
      return "Method(\"\(text)\") takes a Reply and returns a value; it must do one of the two"
    }
    if count > Signature.parameterLimit {
      return
        "Method(\"\(text)\") takes \(count) parameters, and the limit is \(Signature.parameterLimit); take a struct"
    }
    return nil
  }

  private static func isList(_ text: String) -> Bool { text.contains("(") && text.hasSuffix(")") }

  private static func trimmed(_ text: Substring) -> String {
    var rest = text.drop { $0 == " " }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }

  private static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
    return text.utf8.allSatisfy {
      switch $0 {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
        true
      default: false
      }
    }
  }
}
