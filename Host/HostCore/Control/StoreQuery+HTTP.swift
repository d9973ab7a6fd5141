import NodeValues

/// How a question to a store travels: `GET /v1/roles/ROLE/store`, `GET …/store/value`, `POST …/store/put` and
/// `…/store/delete`. Where a key or value is not text, its name ends in `_base64`.
extension StoreQuery {
  var method: String { changes ? "POST" : "GET" }

  /// Behind `store`.
  var segments: [String] {
    switch self {
    case .list: []
    case .get: ["value"]
    case .put: ["put"]
    case .delete: ["delete"]
    }
  }

  var items: [HTTPRequestHead.QueryItem] {
    switch self {
    case .list(let page):
      [.init("limit", String(page.limit))] + (page.prefix.isEmpty ? [] : [Self.item("prefix", page.prefix)])
        + (page.after.map { [Self.item("after", $0)] } ?? []) + (page.withValues ? [.init("values", "1")] : [])
    case .get(let key): [Self.item("key", key)]
    case .put, .delete: []
    }
  }

  private static func item(_ name: String, _ bytes: [UInt8]) -> HTTPRequestHead.QueryItem {
    if let text = JSONBytes.text(bytes) { return .init(name, text) }
    return .init(name + JSONBytes.suffix, Base64.encode(bytes))
  }

  var body: JSON? {
    var object = JSONObject()
    switch self {
    case .list, .get: return nil
    case .put(let key, let value, let expected):
      JSONBytes.put(key, as: "key", into: &object)
      JSONBytes.put(value, as: "value", into: &object)
      object["expect"] = expected.map { JSON(Int64(clamping: $0)) }
    case .delete(let key, let expected):
      JSONBytes.put(key, as: "key", into: &object)
      object["expect"] = expected.map { JSON(Int64(clamping: $0)) }
    }
    return .object(object)
  }

  /// The question of a path behind `store`, the rest of it still unread.
  static func find(_ path: [String]) -> StoreQuery? {
    switch path {
    case []: .list(StorePage())
    case ["value"]: .get([])
    case ["put"]: .put([], [])
    case ["delete"]: .delete([])
    default: nil
    }
  }

  /// Reads what the path alone does not say.
  func complete(_ head: HTTPRequestHead, _ body: JSONObject, _ place: String) throws(ControlFailure) -> StoreQuery {
    func need(_ bytes: [UInt8]?, _ name: String) throws(ControlFailure) -> [UInt8] {
      if let bytes { return bytes }
      throw ControlFailure(.invalidArgument, "\"\(name)\" is missing, or \"\(name)_base64\"", place: place)
    }
    switch self {
    case .list:
      var page = StorePage(
        prefix: try Self.bytes("prefix", head, place) ?? [], after: try Self.bytes("after", head, place),
        withValues: head.queryValue("values") == "1")
      if let text = head.queryValue("limit") {
        guard let limit = Int(text), (1...StorePage.mostEntries).contains(limit) else {
          throw ControlFailure(
            .invalidArgument, "limit is a whole number from 1 to \(StorePage.mostEntries), not \"\(text)\"",
            place: place)
        }
        page.limit = limit
      }
      return .list(page)
    case .get: return .get(try need(Self.bytes("key", head, place), "key"))
    case .put:
      let key = try need(Self.bytes("key", body, place), "key")
      return .put(
        key, try need(Self.bytes("value", body, place), "value"), expected: try Self.revision(body, place))
    case .delete:
      return .delete(try need(Self.bytes("key", body, place), "key"), expected: try Self.revision(body, place))
    }
  }

  private static func bytes(_ name: String, _ head: HTTPRequestHead, _ place: String) throws(ControlFailure) -> [UInt8]?
  {
    if let text = head.queryValue(name) { return Array(text.utf8) }
    return try head.queryValue(name + JSONBytes.suffix).map { text throws(ControlFailure) in
      try decode(text, name, place)
    }
  }

  private static func bytes(_ name: String, _ object: JSONObject, _ place: String) throws(ControlFailure) -> [UInt8]? {
    if let value = object[name] {
      guard let text = value.string else {
        throw ControlFailure(.invalidArgument, "\"\(name)\" is text, not \(value.kind)", place: place)
      }
      return Array(text.utf8)
    }
    guard let value = object[name + JSONBytes.suffix] else { return nil }
    return try decode(value.string ?? "?", name, place)
  }

  private static func decode(_ text: String, _ name: String, _ place: String) throws(ControlFailure) -> [UInt8] {
    if let bytes = Base64.decode(text) { return bytes }
    throw ControlFailure(.invalidArgument, "\"\(name)_base64\" is not base64", place: place)
  }

  private static func revision(_ object: JSONObject, _ place: String) throws(ControlFailure) -> UInt64? {
    guard let value = object["expect"], value != .null else { return nil }
    guard let number = value.int, number >= 0 else {
      throw ControlFailure(.invalidArgument, "\"expect\" is a revision: a whole number from 0", place: place)
    }
    return UInt64(number)
  }
}
