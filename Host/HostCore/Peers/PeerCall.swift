package import NodeValues

/// A call of a role's method on another node.
package struct PeerRequest: Sendable, Equatable {
  package enum Arguments: Sendable, Equatable {
    /// From a role, which gives each a type.
    case values([Value])
    /// From a person or a program; only the node that has the method's signature can read them.
    case written(CallRequest.Input)

    package var count: Int {
      switch self {
      case .values(let values): values.count
      case .written(.words(let words)): words.count
      case .written(.arguments(let list)): list.count
      }
    }
  }

  /// Before the arguments.
  fileprivate enum Form: UInt8 { case values, words, json }

  /// The caller's number for it.
  package var id: UInt64
  /// How long the caller still waits, in nanoseconds; the clocks of two nodes have nothing in common.
  package var timeout: Int64
  package var target: String
  package var method: String
  /// At most `Signature.parameterLimit`.
  package var arguments: Arguments

  package init(id: UInt64, timeout: Int64, target: String, method: String, arguments: Arguments) {
    (self.id, self.timeout, self.target, self.method, self.arguments) = (id, timeout, target, method, arguments)
  }

  package var body: [UInt8] {
    var body: [UInt8] = []
    body.append(little: id)
    body.append(little: timeout)
    body.append(short: target)
    body.append(short: method)
    body.append(form.rawValue)
    body.append(UInt8(arguments.count))
    switch arguments {
    case .values(let values): for value in values { body.append(value: value) }
    case .written(.words(let words)): for word in words { body.append(long: word.utf8) }
    case .written(.arguments(let list)): for argument in list { body.append(long: argument.description.utf8) }
    }
    return body
  }

  private var form: Form {
    switch arguments {
    case .values: .values
    case .written(.words): .words
    case .written(.arguments): .json
    }
  }

  package init(_ body: UnsafeRawBufferPointer) throws(PeerFault) {
    var fields = PeerFields(body, "call")
    id = try fields.number()
    timeout = try fields.number()
    target = try fields.short()
    method = try fields.short()
    let letter: UInt8 = try fields.number()
    guard let form = Form(rawValue: letter) else { throw PeerFault("a call whose arguments are of no known form") }
    let count: UInt8 = try fields.number()
    guard Int(count) <= Signature.parameterLimit else { throw PeerFault("a call with \(count) arguments") }
    arguments = try fields.arguments(form, Int(count))
    guard fields.isEmpty else { throw PeerFault("a call with something behind it") }
  }
}

extension PeerFields {
  fileprivate mutating func arguments(_ form: PeerRequest.Form, _ count: Int) throws(PeerFault) -> PeerRequest.Arguments
  {
    switch form {
    case .values: return .values(try list(count) { (fields) throws(PeerFault) in try fields.value() })
    case .words: return .written(.words(try list(count) { (fields) throws(PeerFault) in try fields.longText() }))
    case .json: return .written(.arguments(try list(count) { (fields) throws(PeerFault) in try fields.json() }))
    }
  }

  private mutating func list<Item>(
    _ count: Int, _ next: (inout PeerFields) throws(PeerFault) -> Item
  ) throws(PeerFault) -> [Item] {
    var items: [Item] = []
    for _ in 0..<count { items.append(try next(&self)) }
    return items
  }

  private mutating func json() throws(PeerFault) -> JSON {
    let text = try longText()
    do { return try JSON(parsing: text) } catch { throw PeerFault("an argument that is not JSON") }
  }
}

/// How such a call ended.
package struct PeerResponse: Sendable, Equatable {
  package enum Outcome: Sendable, Equatable {
    /// The type is the method's; a value alone does not tell a text from bytes that hold one.
    case value(Value, ValueType)
    case error(status: Int32, message: String)
  }

  package var id: UInt64
  package var outcome: Outcome

  package init(id: UInt64, _ outcome: Outcome) { (self.id, self.outcome) = (id, outcome) }

  private static let messageLimit = 4_096

  package var body: [UInt8] {
    var body: [UInt8] = []
    body.append(little: id)
    switch outcome {
    case .value(let value, let type):
      body.append(little: Int32(0))
      body.append(type.rawValue)
      body.append(value: value)
    case .error(let status, let message):
      body.append(little: status)
      body.append(long: message.utf8.prefix(Self.messageLimit))
    }
    return body
  }

  package init(_ body: UnsafeRawBufferPointer) throws(PeerFault) {
    var fields = PeerFields(body, "answer")
    id = try fields.number()
    let status: Int32 = try fields.number()
    if status == 0 {
      let letter: UInt8 = try fields.number()
      guard let type = ValueType(rawValue: letter) else { throw PeerFault("an answer of no known type") }
      guard let value = try fields.value().converted(to: type) else { throw PeerFault("an answer of another type") }
      outcome = .value(value, type)
    } else {
      let words = try fields.long()
      outcome = .error(status: status, message: String(decoding: words.prefix(Self.messageLimit), as: UTF8.self))
    }
    guard fields.isEmpty else { throw PeerFault("an answer with something behind it") }
  }
}

/// A value is the letter of what it is, and then what it holds.
extension [UInt8] {
  fileprivate mutating func append(value: Value) {
    switch value {
    case .nothing: append(UInt8(ascii: "v"))
    case .int(let number):
      append(UInt8(ascii: "l"))
      append(little: number)
    case .unsigned(let number):
      append(UInt8(ascii: "L"))
      append(little: number)
    case .double(let number):
      append(UInt8(ascii: "d"))
      append(little: number.bitPattern)
    case .bool(let truth):
      append(UInt8(ascii: "z"))
      append(truth ? 1 : 0)
    case .text(let text):
      append(UInt8(ascii: "s"))
      append(long: text.utf8)
    case .json(let text):
      append(UInt8(ascii: "j"))
      append(long: text.utf8)
    case .bytes(let bytes):
      append(UInt8(ascii: "b"))
      append(long: bytes)
    }
  }
}

extension PeerFields {
  fileprivate mutating func value() throws(PeerFault) -> Value {
    let letter: UInt8 = try number()
    switch letter {
    case UInt8(ascii: "v"): return .nothing
    case UInt8(ascii: "l"): return .int(try number())
    case UInt8(ascii: "L"): return .unsigned(try number())
    case UInt8(ascii: "d"): return .double(Double(bitPattern: try number()))
    case UInt8(ascii: "z"):
      let truth: UInt8 = try number()
      return .bool(truth != 0)
    case UInt8(ascii: "s"): return .text(try longText())
    case UInt8(ascii: "j"): return .json(try longText())
    case UInt8(ascii: "b"): return .bytes([UInt8](try long()))
    default: throw PeerFault("a value of the unknown letter \(letter)")
    }
  }

  private mutating func longText() throws(PeerFault) -> String {
    let count: UInt32 = try number()
    return try text(Int(count))
  }
}
