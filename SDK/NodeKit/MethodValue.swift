/// What a method may take: a ``MethodValue``, or the ``Reply`` with which it answers later.
public protocol MethodParameter: SendableMetatype {
  static var parameterKind: ParameterKind { get }
  static func next(from arguments: inout Arguments) throws -> Self
}

public enum ParameterKind: Sendable, Equatable {
  case value(ValueType)
  /// Not sent by the caller: the promise of an answer of this type.
  case reply(ValueType)
}

/// A Swift type that a method takes or returns. `Int`, `Int32`, `UInt32`, `UInt64`, `Double`, `Bool`,
/// `String` and `[UInt8]` have a letter of their own; ``JSON``, structs of settings (``RoleConfig``), and lists,
/// dictionaries and optionals of all these travel as JSON.
public protocol MethodValue: MethodParameter {
  static var valueType: ValueType { get }
  var value: Value { get }
  /// Throws if the value is of another type; the message says what was expected.
  init(_ value: Value) throws
}

extension MethodValue {
  public static var parameterKind: ParameterKind { .value(valueType) }
  public static func next(from arguments: inout Arguments) throws -> Self { try arguments.next() }
}

/// Thrown when a value is not what a type expects.
func mismatch(_ value: Value, _ type: ValueType) -> RoleError {
  RoleError(.invalidArgument, "expected \(type.expectation), got \(value.widestType.name)")
}

/// What a method returns that returns nothing, where Swift wants a type: `Reply<Nothing>`.
public struct Nothing: MethodValue, Sendable, Equatable {
  public init() {}
  public static var valueType: ValueType { .nothing }
  public var value: Value { .nothing }
  public init(_ value: Value) {}
}

extension Int: MethodValue {
  public static var valueType: ValueType { .int64 }
  public var value: Value { .int(Int64(self)) }
  public init(_ value: Value) throws {
    guard case .int(let number) = value else { throw mismatch(value, Self.valueType) }
    self = Int(number)
  }
}

extension Int32: MethodValue {
  public static var valueType: ValueType { .int32 }
  public var value: Value { .int(Int64(self)) }
  public init(_ value: Value) throws {
    guard case .int(let number) = value, let small = Int32(exactly: number) else {
      throw mismatch(value, Self.valueType)
    }
    self = small
  }
}

extension UInt32: MethodValue {
  public static var valueType: ValueType { .uint32 }
  public var value: Value { .unsigned(UInt64(self)) }
  public init(_ value: Value) throws {
    guard case .unsigned(let number) = value, let small = UInt32(exactly: number) else {
      throw mismatch(value, Self.valueType)
    }
    self = small
  }
}

extension UInt64: MethodValue {
  public static var valueType: ValueType { .uint64 }
  public var value: Value { .unsigned(self) }
  public init(_ value: Value) throws {
    guard case .unsigned(let number) = value else { throw mismatch(value, Self.valueType) }
    self = number
  }
}

extension Double: MethodValue {
  public static var valueType: ValueType { .double }
  public var value: Value { .double(self) }
  public init(_ value: Value) throws {
    guard case .double(let number) = value else { throw mismatch(value, Self.valueType) }
    self = number
  }
}

extension Bool: MethodValue {
  public static var valueType: ValueType { .bool }
  public var value: Value { .bool(self) }
  public init(_ value: Value) throws {
    guard case .bool(let truth) = value else { throw mismatch(value, Self.valueType) }
    self = truth
  }
}

extension String: MethodValue {
  public static var valueType: ValueType { .text }
  public var value: Value { .text(self) }
  public init(_ value: Value) throws {
    guard case .text(let text) = value else { throw mismatch(value, Self.valueType) }
    self = text
  }
}

extension JSON: MethodValue {
  public static var valueType: ValueType { .json }
  public var value: NodeValues.Value { .json(description) }
  public init(_ value: NodeValues.Value) throws {
    guard case .json(let text) = value else { throw mismatch(value, Self.valueType) }
    do {
      self = try JSON(parsing: text)
    } catch {
      throw RoleError(.invalidArgument, "not JSON: \(error)")
    }
  }
}
