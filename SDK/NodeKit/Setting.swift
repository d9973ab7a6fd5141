/// One setting of a role, declared where it is used: its name, type, default, doc and limits are read from the
/// declaration, so the schema cannot say something else.
///
///     @Setting("Seconds between two ticks.", in: 1...3600) var tickSeconds = 10
///     @Setting("Where to send.") var target: String
///
/// In the manifest the first is `tick_seconds`, and the second must be there, since it has no default. Optional
/// settings may be missing.
@propertyWrapper
public struct Setting<Value> {
  private var cell: Cell<Value>

  public var wrappedValue: Value {
    get {
      guard let value = cell.value else { preconditionFailure("a setting without default was read before it was set") }
      return value
    }
    set {
      // A copy of a configuration is its own.
      if !isKnownUniquelyReferenced(&cell) { cell = Cell(cell.value, cell.form) }
      cell.value = newValue
    }
  }

  init(_ value: Value?, _ form: SettingForm<Value>) { cell = Cell(value, form) }
}

/// Holds the value by reference, so that decoding reaches it through a mirror of the struct around it.
private final class Cell<Value> {
  var value: Value?
  let form: SettingForm<Value>

  init(_ value: Value?, _ form: SettingForm<Value>) {
    self.value = value
    self.form = form
  }
}

/// Everything about a setting but its name and value.
struct SettingForm<Value> {
  var doc: String
  /// Ends the name in the manifest: the unit of a duration.
  var suffix = ""
  var isOptional = false
  /// What the declaration adds to the type's schema: a range, a pattern.
  var limits: [(String, JSON)] = []
  var schema: () throws -> JSONObject
  var decode: (JSON, String) throws -> Value
  var encode: (Value) -> JSON?
  /// What is wrong with a value that has the right type.
  var fault: (Value) -> String? = { _ in nil }
  /// A default that is there but must not be shown.
  var hidesDefault = false
}

/// Any ``Setting``, seen from the struct around it.
protocol AnySetting {
  var suffix: String { get }
  /// Its schema with doc and default, and whether it must be given.
  func describe() throws -> (schema: JSONObject, isRequired: Bool)
  func take(_ setting: JSON?, at place: String) throws
  /// Nil if part of it must not be shown or is still missing.
  var current: JSON? { get }
  var mayBeLeftOut: Bool { get }
}

extension Setting: AnySetting {
  var suffix: String { cell.form.suffix }

  func describe() throws -> (schema: JSONObject, isRequired: Bool) {
    var schema = JSONObject([("description", .string(cell.form.doc))])
    for member in try cell.form.schema().members { schema[member.key] = member.value }
    for (key, limit) in cell.form.limits { schema[key] = limit }
    if let shown = current {
      if let value = cell.value, let fault = cell.form.fault(value) {
        throw RoleError(.failedPrecondition, "its default \(shown) is not allowed: \(fault)")
      }
      schema["default"] = shown
    }
    return (schema, !mayBeLeftOut && current == nil)
  }

  func take(_ setting: JSON?, at place: String) throws {
    guard let setting else {
      if cell.value == nil, !cell.form.isOptional {
        throw RoleError(.invalidArgument, "this setting is missing: \(cell.form.doc)", at: place)
      }
      return
    }
    let value = try cell.form.decode(setting, place)
    if let fault = cell.form.fault(value) { throw RoleError(.invalidArgument, fault, at: place) }
    cell.value = value
  }

  var current: JSON? { cell.value.flatMap(cell.form.encode) }
  var mayBeLeftOut: Bool { cell.form.isOptional || (cell.form.hidesDefault && cell.value != nil) }
}
