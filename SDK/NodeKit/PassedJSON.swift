/// JSON that is handed on as it came, unread: a method that takes it, or answers with it, costs no parsing.
public struct PassedJSON: MethodValue, Sendable, Equatable {
  public var text: String

  /// - Parameter text: JSON; nobody checks it before whoever reads it.
  public init(text: String) { self.text = text }
  public init(_ json: JSON) { text = json.description }

  public static var valueType: ValueType { .json }
  public var value: Value { .json(text) }
  public init(_ value: Value) throws {
    guard case .json(let text) = value else { throw mismatch(value, Self.valueType) }
    self.text = text
  }

  public func read() throws -> JSON {
    do { return try JSON(parsing: text) } catch { throw RoleError(.invalidArgument, "not JSON: \(error)") }
  }
}
