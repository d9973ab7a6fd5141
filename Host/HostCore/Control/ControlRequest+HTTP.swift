import NodeSchema
package import NodeValues

extension ControlRequest {
  /// How a client sends it.
  package var method: String {
    switch self {
    case .call, .load, .unload, .restart, .reload, .swap, .rollback, .cutPeer: "POST"
    case .store(_, let query): query.method
    case .blobs(_, let query): query.method
    default: "GET"
    }
  }

  /// The target of the request line.
  package var target: String {
    let path = ([ControlAPI.version] + segments).map(HTTPRequestHead.escape).joined(separator: "/")
    let query = items.map { "\($0.name)=\(HTTPRequestHead.escape($0.value))" }.joined(separator: "&")
    return "/" + path + (query.isEmpty ? "" : "?" + query)
  }

  /// The JSON to send with it.
  package var body: JSON? {
    switch self {
    case .call(_, _, let call): call.json
    case .load(let load): load.json
    case .swap(let swap): swap.json
    case .rollback(_, let generation): generation.map { ["generation": JSON($0)] } ?? [:]
    case .unload, .restart, .reload, .blobs(_, .scrub): [:]
    case .store(_, let query): query.body
    case .cutPeer(let cut): cut.isCut ? ["direction": .string(cut.direction.rawValue)] : [:]
    default: nil
    }
  }

  private var segments: [String] {
    switch self {
    case .version: ["version"]
    case .status: ["status"]
    case .roles: ["roles"]
    case .role(let name): ["roles", name]
    case .call(let role, let method, _): ["roles", role, "call", method]
    case .load: ["load"]
    case .unload(let name): ["roles", name, "unload"]
    case .restart(let name): ["roles", name, "restart"]
    case .swap: ["swap"]
    case .history(let name): ["roles", name, "history"]
    case .rollback(let name, _): ["roles", name, "rollback"]
    case .store(let name, let query): ["roles", name, "store"] + query.segments
    case .blobs(let name, let query): ["roles", name] + query.segments
    case .reload: ["reload"]
    case .health: ["health"]
    case .logs: ["logs"]
    case .metrics: ["metrics"]
    case .peers: ["peers"]
    case .cutPeer(let cut): ["peers", String(cut.id), cut.isCut ? "cut" : "heal"]
    }
  }

  private var items: [HTTPRequestHead.QueryItem] {
    switch self {
    case .metrics(json: true): [.init("format", "json")]
    case .store(_, let query): query.items
    case .blobs(_, let query): query.items
    case .logs(let query):
      [.init("lines", String(query.lines))] + (query.role.map { [.init("role", $0)] } ?? [])
        + (query.level.map { [.init("level", $0)] } ?? []) + (query.follow ? [.init("follow", "1")] : [])
    default: []
    }
  }
}

extension ControlRequest {
  /// Understands an HTTP request, or says with which error to answer it.
  package init(_ head: HTTPRequestHead, body: [UInt8]) throws(ControlFailure) {
    // Where Prometheus looks if nobody tells it otherwise.
    if head.path == ["metrics"] {
      self = .metrics(json: false)
      return
    }
    guard head.path.first == ControlAPI.version else {
      throw ControlFailure(
        .notFound, "there is nothing at \(head.target); all paths begin with /\(ControlAPI.version)/", place: "http")
    }
    let fields = ControlFields(head: head, body: body)
    let found = try Self.find(Array(head.path.dropFirst()), fields)
    let method = head.method == "HEAD" ? "GET" : head.method
    guard found.method == method else {
      throw ControlFailure(
        .unimplemented, "\(head.target) takes \(found.method), not \(head.method)", place: "http",
        allowedMethod: found.method)
    }
    self = try found.complete(fields)
  }

  /// The request of a path, its body and query still unread.
  private static func find(_ path: [String], _ fields: ControlFields) throws(ControlFailure) -> ControlRequest {
    switch path.first {
    case "version" where path.count == 1: return .version
    case "status" where path.count == 1: return .status
    case "load" where path.count == 1: return .load(LoadRequest(role: ""))
    case "reload" where path.count == 1: return .reload
    case "swap" where path.count == 1: return .swap(SwapRequest())
    case "health" where path.count == 1: return .health
    case "logs" where path.count == 1: return .logs(LogQuery())
    case "metrics" where path.count == 1: return .metrics(json: false)
    case "peers":
      if path.count == 1 { return .peers }
      if path.count == 3, ["cut", "heal"].contains(path[2]), let id = PeerOverride.identifier(path[1]) {
        return .cutPeer(PeerCut(id: id, isCut: path[2] == "cut"))
      }
    case "roles":
      if path.count == 1 { return .roles }
      if path.count == 2, !path[1].isEmpty { return .role(path[1]) }
      if path.count == 3, path[2] == "unload" { return .unload(path[1]) }
      if path.count == 3, path[2] == "restart" { return .restart(path[1]) }
      if path.count == 3, path[2] == "history" { return .history(path[1]) }
      if path.count == 3, path[2] == "rollback" { return .rollback(path[1], generation: nil) }
      if path.count >= 3, path[2] == "store", let query = StoreQuery.find(Array(path[3...])) {
        return .store(role: path[1], query)
      }
      if path.count == 4, path[2] == "call" { return .call(role: path[1], method: path[3], CallRequest(.words([]))) }
      if path.count > 2, let query = BlobQuery.find(path[2...], method: fields.head.method) {
        return .blobs(role: path[1], query)
      }
    default: break
    }
    let known = ["version", "status", "roles", "load", "reload", "swap", "health", "logs", "metrics", "peers"]
    let near = path.count == 1 ? nearestWord(to: path[0], among: known) : nil
    let hint = near.map { "; did you mean /\(ControlAPI.version)/\($0)?" } ?? ""
    throw ControlFailure(.notFound, "there is nothing at \(fields.head.target)\(hint)", place: "http")
  }

  /// Reads what the path alone does not say.
  private func complete(_ fields: ControlFields) throws(ControlFailure) -> ControlRequest {
    switch self {
    case .call(let role, let method, _): .call(role: role, method: method, try fields.call("\(role).\(method)"))
    case .load: .load(try fields.load())
    case .swap: .swap(try fields.swap())
    case .rollback(let name, _): .rollback(name, generation: try fields.generation(name))
    case .store(let role, let query): .store(role: role, try fields.store(query, role))
    case .logs: .logs(try fields.logs())
    case .blobs(let name, let query): .blobs(role: name, try query.complete(fields.head))
    case .metrics: .metrics(json: try fields.format() == "json")
    case .cutPeer(let cut) where cut.isCut:
      .cutPeer(PeerCut(id: cut.id, direction: try fields.direction(), isCut: true))
    default: self
    }
  }
}

/// The parts of a request that say more than its path.
private struct ControlFields {
  let head: HTTPRequestHead
  let body: [UInt8]

  func object(_ place: String, known: [String]) throws(ControlFailure) -> JSONObject {
    let json: JSON
    do { json = body.isEmpty ? [:] : try JSON(parsing: body) } catch {
      throw ControlFailure(.invalidArgument, "the body is not JSON: \(error)", place: place)
    }
    guard let object = json.object else {
      throw ControlFailure(.invalidArgument, "the body is \(json.kind), not an object", place: place)
    }
    for member in object.members where !known.contains(member.key) {
      let near = nearestWord(to: member.key, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
      throw ControlFailure(.invalidArgument, "the body has an unknown key \"\(member.key)\"\(near)", place: place)
    }
    return object
  }

  func call(_ place: String) throws(ControlFailure) -> CallRequest {
    let object = try object(place, known: ["words", "arguments", "timeout_ms", "node"])
    var timeout: Int64?
    if let given = object["timeout_ms"] {
      guard let number = given.int, (1...ControlAPI.longestCallMilliseconds).contains(number) else {
        throw ControlFailure(
          .invalidArgument, "timeout_ms is a whole number from 1 to \(ControlAPI.longestCallMilliseconds)", place: place
        )
      }
      timeout = number
    }
    return CallRequest(
      try input(object, place), timeoutMilliseconds: timeout, node: try text(object, "node", place))
  }

  private func input(_ object: JSONObject, _ place: String) throws(ControlFailure) -> CallRequest.Input {
    switch (object["words"], object["arguments"]) {
    case (nil, nil): return .arguments([])
    case (let words?, nil):
      let texts = words.array?.compactMap(\.string)
      guard let texts, texts.count == words.array?.count else {
        throw ControlFailure(
          .invalidArgument, "\"words\" is a list of texts; for values use \"arguments\"", place: place)
      }
      return .words(texts)
    case (nil, let arguments?):
      guard let values = arguments.array else {
        throw ControlFailure(.invalidArgument, "\"arguments\" is a list, not \(arguments.kind)", place: place)
      }
      return .arguments(values)
    default:
      throw ControlFailure(.invalidArgument, "give either \"words\" or \"arguments\"", place: place)
    }
  }

  func load() throws(ControlFailure) -> LoadRequest {
    let object = try object("load", known: ["role", "name", "plugin", "config"])
    guard let role = try text(object, "role", "load"), !role.isEmpty else {
      throw ControlFailure(.invalidArgument, "\"role\" is missing: the id of the role to load", place: "load")
    }
    return LoadRequest(
      role: role, name: try text(object, "name", "load"), plugin: try text(object, "plugin", "load"),
      config: object["config"])
  }

  private func text(_ object: JSONObject, _ key: String, _ place: String) throws(ControlFailure) -> String? {
    guard let value = object[key], value != .null else { return nil }
    guard let text = value.string else {
      throw ControlFailure(.invalidArgument, "\"\(key)\" is text, not \(value.kind)", place: place)
    }
    return text
  }

  func swap() throws(ControlFailure) -> SwapRequest {
    let object = try object("swap", known: ["roles", "all", "plugin", "force"])
    let request = SwapRequest(
      roles: try names(object, "roles"), all: try flag(object, "all"), plugin: try text(object, "plugin", "swap"),
      force: try flag(object, "force"))
    guard request.all == request.roles.isEmpty else {
      throw ControlFailure(.invalidArgument, "give either \"roles\" or \"all\": true", place: "swap")
    }
    guard let plugin = request.plugin else { return request }
    guard request.roles.count == 1 else {
      throw ControlFailure(.invalidArgument, "\"plugin\" goes with exactly one role", place: "swap")
    }
    guard plugin.hasPrefix("/") else {
      throw ControlFailure(.invalidArgument, "\"plugin\" is a file's absolute path, not \"\(plugin)\"", place: "swap")
    }
    return request
  }

  private func names(_ object: JSONObject, _ key: String) throws(ControlFailure) -> [String] {
    guard let value = object[key], value != .null else { return [] }
    let names = value.array?.compactMap(\.string)
    guard let names, names.count == value.array?.count, Set(names).count == names.count else {
      throw ControlFailure(.invalidArgument, "\"\(key)\" is a list of names, each once", place: "swap")
    }
    return names
  }

  func direction() throws(ControlFailure) -> PeerCut.Direction {
    let written = try text(try object("peers", known: ["direction"]), "direction", "peers")
    guard let direction = PeerCut.Direction(rawValue: written ?? PeerCut.Direction.both.rawValue) else {
      let known = PeerCut.Direction.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
      throw ControlFailure(.invalidArgument, "\"direction\" is one of \(known)", place: "peers")
    }
    return direction
  }

  private func flag(_ object: JSONObject, _ key: String) throws(ControlFailure) -> Bool {
    guard let value = object[key], value != .null else { return false }
    guard let flag = value.bool else {
      throw ControlFailure(.invalidArgument, "\"\(key)\" is true or false, not \(value.kind)", place: "swap")
    }
    return flag
  }

  func generation(_ role: String) throws(ControlFailure) -> Int? {
    let object = try object(role, known: ["generation"])
    guard let value = object["generation"], value != .null else { return nil }
    guard let number = value.int, number >= 1 else {
      throw ControlFailure(
        .invalidArgument, "generation is a whole number from 1; GET /v1/roles/\(role)/history lists them", place: role)
    }
    return Int(number)
  }

  func store(_ query: StoreQuery, _ role: String) throws(ControlFailure) -> StoreQuery {
    let place = "\(role).store"
    let names = ["key", "value", "prefix", "after"].flatMap { [$0, $0 + JSONBytes.suffix] }
    try knowQuery(names + ["limit", "values"], place)
    let object = query.changes ? try object(place, known: names + ["expect"]) : JSONObject()
    return try query.complete(head, object, place)
  }

  func logs() throws(ControlFailure) -> LogQuery {
    try knowQuery(["lines", "role", "level", "follow"], "logs")
    var query = LogQuery(role: head.queryValue("role"))
    if let lines = head.queryValue("lines") {
      guard let number = Int(lines), (0...ControlAPI.mostLogLines).contains(number) else {
        throw ControlFailure(
          .invalidArgument, "lines is a whole number from 0 to \(ControlAPI.mostLogLines), not \"\(lines)\"",
          place: "logs")
      }
      query.lines = number
    }
    if let level = head.queryValue("level") {
      guard ControlAPI.logLevels.contains(level) else {
        let known = ControlAPI.logLevels.joined(separator: ", ")
        throw ControlFailure(.invalidArgument, "level is one of \(known), not \"\(level)\"", place: "logs")
      }
      query.level = level
    }
    switch head.queryValue("follow") {
    case nil, "0", "false": break
    case "1", "true", "": query.follow = true
    default: throw ControlFailure(.invalidArgument, "follow is 0 or 1", place: "logs")
    }
    return query
  }

  func format() throws(ControlFailure) -> String {
    try knowQuery(["format"], "metrics")
    let format = head.queryValue("format") ?? "text"
    guard ["text", "json"].contains(format) else {
      throw ControlFailure(.invalidArgument, "format is text or json, not \"\(format)\"", place: "metrics")
    }
    return format
  }

  private func knowQuery(_ known: [String], _ place: String) throws(ControlFailure) {
    for item in head.query where !known.contains(item.name) {
      let near = nearestWord(to: item.name, among: known).map { "; did you mean \($0)?" } ?? ""
      throw ControlFailure(.invalidArgument, "\(place) does not know the setting \"\(item.name)\"\(near)", place: place)
    }
  }
}

extension CallRequest {
  fileprivate var json: JSON {
    var object = JSONObject()
    switch input {
    case .words(let words): object["words"] = .array(words.map(JSON.string))
    case .arguments(let values): object["arguments"] = .array(values)
    }
    object["timeout_ms"] = timeoutMilliseconds.map { .int($0) }
    object["node"] = node.map { .string($0) }
    return .object(object)
  }
}

extension LoadRequest {
  fileprivate var json: JSON {
    var object = JSONObject([("role", .string(role))])
    object["name"] = name.map { .string($0) }
    object["plugin"] = plugin.map { .string($0) }
    object["config"] = config
    return .object(object)
  }
}
