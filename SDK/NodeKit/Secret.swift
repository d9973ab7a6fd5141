/// Text that never shows: not in a log, not in a dump, not in a schema's default. Use ``reveal()`` where it is
/// needed and nowhere else.
public struct Secret: SettingValue, Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible,
  CustomReflectable
{
  private let text: String

  public init(_ text: String) { self.text = text }
  public func reveal() -> String { text }

  public var description: String { "(secret)" }
  public var debugDescription: String { "(secret)" }
  public var customMirror: Mirror { Mirror(self, children: []) }

  /// `writeOnly` tells everyone who shows a configuration to leave the value out.
  public static func schema() -> JSONObject { JSONObject([("type", "string"), ("writeOnly", true)]) }
  public init(setting: JSON, at place: String) throws {
    guard let text = setting.string else { throw expected("text", setting, at: place) }
    self.text = text
  }
  public var setting: JSON? { nil }
}
