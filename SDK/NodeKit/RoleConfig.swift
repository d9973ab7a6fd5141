/// A struct of settings: a role's configuration, a part of one, an argument of a method, a saved state. All
/// of its stored properties are ``Setting``s.
public protocol RoleConfig: SettingValue, MethodValue, MethodElement, Payload {
  init()
}

/// For roles without settings.
public struct NoConfig: RoleConfig, Sendable {
  public init() {}
}

extension RoleConfig {
  /// The JSON Schema of the struct, derived from its declarations.
  public static func schema() throws -> JSONObject {
    var properties = JSONObject()
    var required: [JSON] = []
    for (name, setting) in try Self().settings() {
      guard properties[name] == nil else {
        throw RoleError(.failedPrecondition, "\(Self.self): two settings are called \(name) in the manifest", at: name)
      }
      do {
        let (schema, isRequired) = try setting.describe()
        properties[name] = .object(schema)
        if isRequired { required.append(.string(name)) }
      } catch {
        throw RoleError(.failedPrecondition, "\(Self.self).\(name): \(RoleError(error).message)", at: name)
      }
    }
    var schema = JSONObject([("type", "object"), ("properties", .object(properties))])
    if !required.isEmpty { schema["required"] = .array(required) }
    schema["additionalProperties"] = false
    return schema
  }

  public init(setting: JSON, at place: String) throws {
    guard let object = setting.object else { throw expected("an object", setting, at: place) }
    self.init()
    let settings = try settings()
    for member in object.members where !settings.contains(where: { $0.name == member.key }) {
      let known = settings.map(\.name).joined(separator: ", ")
      throw RoleError(
        .invalidArgument, "there is no such setting; known are \(known.isEmpty ? "none" : known)",
        at: "\(place)/\(member.key)")
    }
    for (name, setting) in settings { try setting.take(object[name], at: "\(place)/\(name)") }
  }

  public var setting: JSON? {
    guard let settings = try? settings() else { return nil }
    var object = JSONObject()
    for (name, setting) in settings {
      if let value = setting.current {
        object[name] = value
      } else if !setting.mayBeLeftOut {
        return nil
      }
    }
    return .object(object)
  }

  private func settings() throws -> [(name: String, setting: any AnySetting)] {
    // A mirror asks the runtime whether the type has one of its own, which takes longer with each library there is.
    if Self.self == NoConfig.self { return [] }
    return try Mirror(reflecting: self).children.map { child in
      // A wrapped property is stored under its name with an underscore before it.
      let label = child.label ?? ""
      guard let setting = child.value as? any AnySetting else {
        throw RoleError(.failedPrecondition, "\(Self.self).\(label) has no @Setting; write one before it", at: label)
      }
      return (manifestName(of: label.drop { $0 == "_" }, suffix: setting.suffix), setting)
    }
  }
}

/// `maxURLLength` is `max_url_length` in a manifest; a unit comes last, once.
func manifestName(of property: some StringProtocol, suffix: String) -> String {
  let letters = Array(property)
  var name = ""
  for (index, letter) in letters.enumerated() {
    let startsWord =
      index > 0 && letter.isUppercase
      && (!letters[index - 1].isUppercase || (index + 1 < letters.count && letters[index + 1].isLowercase))
    if startsWord { name += "_" }
    name += letter.lowercased()
  }
  return suffix.isEmpty || name.hasSuffix("_" + suffix) ? name : name + "_" + suffix
}
