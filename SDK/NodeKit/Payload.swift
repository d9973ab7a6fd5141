/// What can travel as bytes: an event on the bus, a saved state.
public protocol Payload: SendableMetatype {
  var payload: [UInt8] { get }
  init(payload: [UInt8]) throws
}

extension String: Payload {
  public var payload: [UInt8] { Array(utf8) }
  public init(payload: [UInt8]) throws {
    guard let text = payload.withUnsafeBufferPointer({ String(utf8: $0) }) else {
      throw RoleError(.invalidArgument, "the payload is not text in UTF-8")
    }
    self = text
  }
}

extension JSON: Payload {
  public var payload: [UInt8] { Array(description.utf8) }
  public init(payload: [UInt8]) throws {
    do {
      self = try JSON(parsing: payload)
    } catch {
      throw RoleError(.invalidArgument, "the payload is not JSON: \(error)")
    }
  }
}

extension [UInt8]: Payload {
  public var payload: [UInt8] { self }
  public init(payload: [UInt8]) { self = payload }
}

/// Structs of settings travel as JSON, so that their fields are checked on arrival.
extension Payload where Self: SettingValue {
  public var payload: [UInt8] { (setting ?? .null).payload }
  public init(payload: [UInt8]) throws { try self.init(setting: JSON(payload: payload), at: "") }
}
