import NodeSchema
import NodeValues

/// A configuration with one thing wrong in it.
struct ConfigMutant {
  var config: JSON
  /// A JSON pointer to what is wrong.
  var place: String
  var what: String

  /// Every setting as each kind that it is not, and every object with a member that nobody knows.
  static func all(of config: JSON, _ schema: JSONSchema) -> [ConfigMutant] {
    var mutants: [ConfigMutant] = []
    visit(config, SchemaPlace(schema), "") { value, place, pointer, replace in
      if case .object(let object) = value {
        var object = object
        object["no_such_setting"] = true
        mutants.append(
          .init(
            config: replace(.object(object)), place: pointer + "/no_such_setting",
            what: "a setting that does not exist"))
      }
      for other in [JSON.null, true, .int(-7), .double(0.5), "text", [], .object(JSONObject())]
      where other.kind != value.kind && !isNamed(other, place) {
        let name = pointer.isEmpty ? "the configuration" : "`\(pointer.dropFirst())`"
        mutants.append(.init(config: replace(other), place: pointer, what: "\(name) as \(other.kind)"))
      }
    } replace: {
      $0
    }
    return mutants
  }

  /// Whether the schema names this kind; a schema that names none names no kind in particular.
  private static func isNamed(_ value: JSON, _ place: SchemaPlace) -> Bool {
    guard place.mayBe(value) else { return false }
    // Something that may be everything has no type, and that is what is looked for.
    return ![JSON.null, true, .int(1), "", [], .object(JSONObject())].allSatisfy(place.mayBe)
  }

  private static func visit(
    _ value: JSON, _ place: SchemaPlace, _ pointer: String,
    _ body: (JSON, SchemaPlace, String, @escaping (JSON) -> JSON) -> Void, replace: @escaping (JSON) -> JSON
  ) {
    body(value, place, pointer, replace)
    switch value {
    case .object(let object):
      for member in object.members {
        let step = member.key.split(separator: "~", omittingEmptySubsequences: false).joined(separator: "~0")
          .split(separator: "/", omittingEmptySubsequences: false).joined(separator: "~1")
        visit(member.value, place.member(member.key), pointer + "/" + step, body) { new in
          var changed = object
          changed[member.key] = new
          return replace(.object(changed))
        }
      }
    case .array(let items):
      for (index, item) in items.enumerated() {
        visit(item, place.item(index), pointer + "/\(index)", body) { new in
          var changed = items
          changed[index] = new
          return replace(.array(changed))
        }
      }
    default: break
    }
  }
}
