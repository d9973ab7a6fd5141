/// A type that a setting can have. Enums of words need nothing but the name:
///
///     enum Mode: String, CaseIterable, SettingValue { case fast, careful }
public protocol SettingValue: SendableMetatype {
  /// What the type itself says in JSON Schema.
  static func schema() throws -> JSONObject
  /// Whether a setting of this type may be left out though it has no default.
  static var isOptional: Bool { get }
  /// - Parameter place: the path of the setting, for errors.
  init(setting: JSON, at place: String) throws
  /// As it would stand in a manifest; nil if part of it must not be shown or is still missing.
  var setting: JSON? { get }
}

extension SettingValue {
  public static var isOptional: Bool { false }
}

/// A number that can be held to a range.
public protocol SettingNumber: SettingValue, Comparable {
  /// As JSON.
  var number: JSON { get }
}

extension SettingNumber {
  public var setting: JSON? { number }
}

/// What a value must be, in the words of an error.
func expected(_ what: String, _ found: JSON, at place: String) -> RoleError {
  RoleError(.invalidArgument, "expected \(what), got \(found.kind)", at: place)
}

extension SettingNumber where Self: FixedWidthInteger {
  public static func schema() -> JSONObject {
    var schema = JSONObject([("type", "integer")])
    // 64 bits are the widest that JSON holds here, so those bounds say nothing.
    if min != 0, bitWidth < 64 { schema["minimum"] = JSON(min) }
    if min == 0 { schema["minimum"] = 0 }
    if bitWidth < 64 { schema["maximum"] = JSON(max) }
    return schema
  }
  public init(setting: JSON, at place: String) throws {
    let number: Self? =
      switch setting {
      case .unsigned(let large): Self(exactly: large)
      default: setting.int.flatMap { Self(exactly: $0) }
      }
    guard let number else {
      if setting.double == nil { throw expected("a whole number", setting, at: place) }
      throw RoleError(.invalidArgument, "\(setting) is no whole number from \(Self.min) to \(Self.max)", at: place)
    }
    self = number
  }
  public var number: JSON { JSON(self) }
}

extension Int: SettingNumber {}
extension Int32: SettingNumber {}
extension UInt16: SettingNumber {}
extension UInt32: SettingNumber {}
extension UInt64: SettingNumber {}

extension Double: SettingNumber {
  public static func schema() -> JSONObject { JSONObject([("type", "number")]) }
  public init(setting: JSON, at place: String) throws {
    guard let number = setting.double else { throw expected("a number", setting, at: place) }
    self = number
  }
  public var number: JSON { .double(self) }
}

extension Bool: SettingValue {
  public static func schema() -> JSONObject { JSONObject([("type", "boolean")]) }
  public init(setting: JSON, at place: String) throws {
    guard let truth = setting.bool else { throw expected("true or false", setting, at: place) }
    self = truth
  }
  public var setting: JSON? { .bool(self) }
}

extension String: SettingValue {
  public static func schema() -> JSONObject { JSONObject([("type", "string")]) }
  public init(setting: JSON, at place: String) throws {
    guard let text = setting.string else { throw expected("text", setting, at: place) }
    self = text
  }
  public var setting: JSON? { .string(self) }
}

/// Anything; for what the role only passes on.
extension JSON: SettingValue {
  public static func schema() -> JSONObject { JSONObject() }
  public init(setting: JSON, at place: String) { self = setting }
  public var setting: JSON? { self }
}

extension SettingValue where Self: RawRepresentable & CaseIterable, RawValue == String {
  public static func schema() -> JSONObject {
    JSONObject([("type", "string"), ("enum", .array(allCases.map { .string($0.rawValue) }))])
  }
  public init(setting: JSON, at place: String) throws {
    guard let word = setting.string else { throw expected("text", setting, at: place) }
    guard let value = Self(rawValue: word) else {
      let words = Self.allCases.map(\.rawValue).joined(separator: ", ")
      throw RoleError(.invalidArgument, "\"\(word)\" is none of \(words)", at: place)
    }
    self = value
  }
  public var setting: JSON? { .string(rawValue) }
}

extension Optional: SettingValue where Wrapped: SettingValue {
  public static var isOptional: Bool { true }
  public static func schema() throws -> JSONObject { try Wrapped.schema() }
  public init(setting: JSON, at place: String) throws {
    self = setting == .null ? nil : try Wrapped(setting: setting, at: place)
  }
  public var setting: JSON? { self?.setting }
}

extension Array: SettingValue where Element: SettingValue {
  public static func schema() throws -> JSONObject {
    JSONObject([("type", "array"), ("items", .object(try Element.schema()))])
  }
  public init(setting: JSON, at place: String) throws {
    guard let items = setting.array else { throw expected("a list", setting, at: place) }
    self = try items.enumerated().map { try Element(setting: $1, at: "\(place)/\($0)") }
  }
  public var setting: JSON? {
    let items = map(\.setting)
    return items.contains { $0 == nil } ? nil : .array(items.compactMap { $0 })
  }
}

extension Dictionary: SettingValue where Key == String, Value: SettingValue {
  public static func schema() throws -> JSONObject {
    JSONObject([("type", "object"), ("additionalProperties", .object(try Value.schema()))])
  }
  public init(setting: JSON, at place: String) throws {
    guard let object = setting.object else { throw expected("an object", setting, at: place) }
    let pairs = try object.members.map { ($0.key, try Value(setting: $0.value, at: "\(place)/\($0.key)")) }
    self.init(pairs, uniquingKeysWith: { $1 })
  }
  public var setting: JSON? {
    let pairs = sorted { $0.key < $1.key }.map { ($0.key, $0.value.setting) }
    return pairs.contains { $0.1 == nil } ? nil : .object(JSONObject(pairs.map { ($0, $1 ?? .null) }))
  }
}
