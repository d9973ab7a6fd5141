internal import NodeKit

/// An object that came from outside, read member by member: every error says where it is and what was expected.
struct Fields {
  let object: JSONObject
  let place: String

  init(_ json: JSON, at place: String, known: [String]) throws {
    guard let object = json.object else {
      throw RoleError(.invalidArgument, "expected an object, got \(json.kind)", at: place)
    }
    (self.object, self.place) = (object, place)
    for member in object.members where !known.contains(member.key) {
      throw fault(member.key, "not known here; expected one of \(known.joined(separator: ", "))")
    }
  }

  /// Null is the same as nothing.
  subscript(key: String) -> JSON? {
    guard let value = object[key], value != .null else { return Optional<JSON>.none }
    return value
  }

  func fault(_ key: String, _ words: String) -> RoleError {
    RoleError(.invalidArgument, words, at: "\(place)/\(key)")
  }

  private func expected(_ key: String, _ what: String) -> RoleError {
    fault(key, "expected \(what), got \(self[key].map(\.kind) ?? "nothing")")
  }

  func optionalText(_ key: String, most: Int = 1_000) throws -> String? {
    guard let value = self[key] else { return nil }
    guard let text = value.string else { throw expected(key, "text") }
    guard text.utf8.count <= most else { throw fault(key, "\(text.utf8.count) bytes are more than \(most)") }
    return text
  }

  func text(_ key: String, most: Int = 1_000) throws -> String {
    guard let text = try optionalText(key, most: most) else { throw expected(key, "text") }
    return text
  }

  func optionalInteger(_ key: String, _ range: ClosedRange<Int64> = 0...Int64.max) throws -> Int64? {
    guard let value = self[key] else { return nil }
    guard let number = value.int else { throw expected(key, "a whole number") }
    guard range.contains(number) else {
      throw fault(key, "\(number) is not from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func integer(_ key: String, _ range: ClosedRange<Int64> = 0...Int64.max) throws -> Int64 {
    guard let number = try optionalInteger(key, range) else { throw expected(key, "a whole number") }
    return number
  }

  func number(_ key: String, _ range: ClosedRange<Double>) throws -> Double? {
    guard let value = self[key] else { return nil }
    guard let number = value.double else { throw expected(key, "a number") }
    guard range.contains(number) else {
      throw fault(key, "\(number) is not from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func list(_ key: String, most: Int) throws -> [JSON] {
    guard let value = self[key] else { return [] }
    guard let items = value.array else { throw expected(key, "a list") }
    guard items.count <= most else { throw fault(key, "\(items.count) entries are more than \(most)") }
    return items
  }

  func texts(_ key: String, most: Int) throws -> [String] {
    try list(key, most: most).enumerated().map { place, item in
      guard let text = item.string else { throw fault("\(key)/\(place)", "expected text, got \(item.kind)") }
      return text
    }
  }

  func fields(_ key: String, known: [String]) throws -> Fields? {
    try self[key].map { try Fields($0, at: "\(place)/\(key)", known: known) }
  }
}

extension JSON {
  /// Without spaces and with sorted keys: the same value is the same text on every node.
  var canonical: String { sorted.description }

  private var sorted: JSON {
    switch self {
    case .array(let items): .array(items.map(\.sorted))
    case .object(let object):
      .object(JSONObject(object.members.sorted { $0.key < $1.key }.map { ($0.key, $0.value.sorted) }))
    default: self
    }
  }

  /// An object without the members that are null.
  static func sparse(_ pairs: [(String, JSON)]) -> JSON { .object(JSONObject(pairs.filter { $0.1 != .null })) }
}
