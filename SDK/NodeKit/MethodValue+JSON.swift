// Types that have no letter of their own travel as JSON, by way of their form as a setting.

extension MethodValue where Self: SettingValue {
  public static var valueType: ValueType { .json }
  public var value: Value { (setting ?? .null).value }
  public init(_ value: Value) throws { try self.init(setting: JSON(value), at: "") }
}

extension Optional: MethodParameter where Wrapped: SettingValue {}
extension Optional: MethodValue where Wrapped: SettingValue {}

extension Dictionary: MethodParameter where Key == String, Value: SettingValue {}
extension Dictionary: MethodValue where Key == String, Value: SettingValue {}

/// What a list that a method takes may hold. Lists of bytes are bytes; all others are JSON.
public protocol MethodElement: SendableMetatype {
  static var listType: ValueType { get }
  static func value(of list: [Self]) -> Value
  static func list(from value: Value) throws -> [Self]
}

extension MethodElement where Self: SettingValue {
  public static var listType: ValueType { .json }
  public static func value(of list: [Self]) -> Value { (list.setting ?? .null).value }
  public static func list(from value: Value) throws -> [Self] { try [Self](setting: JSON(value), at: "") }
}

extension UInt8: MethodElement {
  public static var listType: ValueType { .bytes }
  public static func value(of list: [UInt8]) -> Value { .bytes(list) }
  public static func list(from value: Value) throws -> [UInt8] {
    guard case .bytes(let bytes) = value else { throw mismatch(value, .bytes) }
    return bytes
  }
}

extension Int: MethodElement {}
extension Double: MethodElement {}
extension Bool: MethodElement {}
extension String: MethodElement {}
extension JSON: MethodElement {}

extension Array: MethodParameter where Element: MethodElement {}
extension Array: MethodValue where Element: MethodElement {
  public static var valueType: ValueType { Element.listType }
  public var value: Value { Element.value(of: self) }
  public init(_ value: Value) throws { self = try Element.list(from: value) }
}
