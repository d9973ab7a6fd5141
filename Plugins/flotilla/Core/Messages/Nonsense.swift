import NodeKit

/// What is wrong with a message, said once for all kinds of them.
enum Nonsense {
  static func error(_ message: String, _ place: String) -> RoleError {
    RoleError(.invalidArgument, message, at: place)
  }

  static func object(_ bytes: [UInt8]) throws(RoleError) -> JSONObject {
    let json: JSON
    do throws(JSONError) { json = try JSON(parsing: bytes) } catch {
      throw Nonsense.error("it is no JSON: \(error)", "")
    }
    guard let object = json.object else { throw Nonsense.error("it is \(json.kind) where an object is expected", "") }
    return object
  }

  /// Text that can stand in a log and in a list.
  static func word(_ value: JSON, _ what: String, _ limit: Int, _ place: String) throws(RoleError) -> String {
    guard let text = value.string else { throw error("\(what) is \(value.kind) where text is expected", place) }
    guard !text.isEmpty, text.utf8.count <= limit else {
      throw error("\(what) has \(text.utf8.count) bytes; 1 to \(limit) are allowed", place)
    }
    guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
      throw error("\(what) has control characters", place)
    }
    return text
  }
}
