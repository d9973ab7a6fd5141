package import NodeValues
import NodeSchema

/// What is wrong in a forward table, and where.
package struct ForwardTableFault: Error, Sendable, Equatable {
  /// "/upstreams/0/weight".
  package var place: String
  package var words: String

  package init(place: String, words: String) {
    self.place = place
    self.words = words
  }
}

extension ForwardTable {
  /// Reads a table from its JSON text.
  package init(parsing text: String) throws(ForwardTableFault) {
    let json: JSON
    do { json = try JSON(parsing: text) } catch {
      throw ForwardTableFault(place: "", words: "it is not JSON: \(error)")
    }
    try self.init(json)
  }

  package init(_ json: JSON) throws(ForwardTableFault) {
    let top = try Section(
      json, "",
      keys: [
        "listener", "prefix", "upstreams", "sticky", "match", "mirror", "timeout_ms", "retries", "health", "ejection",
        "limits", "host", "name_header",
      ])
    listener = try top.text("listener") ?? ""
    prefix = try top.text("prefix") ?? "/"
    try Self.checkPrefix(prefix, top)
    try readUpstreams(top)
    sticky = try top.section("sticky", keys: ["header", "cookie", "source"]).map(Self.sticky)
    try readRules(top)
    mirror = try top.section("mirror", keys: ["url", "percent"]).map(Self.mirror)
    timeoutMilliseconds = try top.integer("timeout_ms", 1...86_400_000) ?? 30_000
    retries = try Self.retries(top)
    health = try top.section(
      "health", keys: ["path", "interval_ms", "timeout_ms", "healthy", "unhealthy"]
    ).map(Self.health)
    ejection = try top.section("ejection", keys: ["failures", "for_ms", "most_percent"]).map(Self.ejection)
    limits = try top.section("limits", keys: ["requests"]).map(Self.limits)
    if let name = try top.text("name_header") { nameHeader = try top.headerName("name_header", name) }
    if let word = try top.text("host") {
      guard let known = Host(rawValue: word) else { throw top.fault("host", "expected `client` or `upstream`") }
      host = known
    }
  }

  private static func checkPrefix(_ prefix: String, _ top: Section) throws(ForwardTableFault) {
    guard prefix.hasPrefix("/") else { throw top.fault("prefix", "expected a path that begins with a slash") }
    guard !prefix.utf8.contains(where: { [UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "?")].contains($0) })
    else {
      throw top.fault("prefix", "a prefix is plain text, without {names} and without a query")
    }
  }

  private mutating func readUpstreams(_ top: Section) throws(ForwardTableFault) {
    let entries = try top.list("upstreams", keys: ["id", "url", "weight"], limit: Self.upstreamLimit)
    guard !entries.isEmpty else {
      throw top.fault("upstreams", "expected at least one, such as {\"id\": \"a\", \"url\": \"http://10.0.0.7:8080\"}")
    }
    for entry in entries {
      guard let id = try entry.text("id"), !id.isEmpty else { throw entry.fault("id", "expected a name") }
      guard !upstreams.contains(where: { $0.id == id }) else { throw entry.fault("id", "`\(id)` is taken already") }
      let weight = try entry.integer("weight", 0...1_000_000) ?? 1
      upstreams.append(Upstream(id: id, url: try entry.url("url"), weight: Int(weight)))
    }
    guard upstreams.contains(where: { $0.weight > 0 }) else {
      throw top.fault("upstreams", "all weights are 0, so no request could go anywhere")
    }
  }

  private static func sticky(_ section: Section) throws(ForwardTableFault) -> Sticky {
    let header = try section.text("header"), cookie = try section.text("cookie"), source = try section.truth("source")
    switch (header, cookie, source ?? false) {
    case (let header?, nil, false): return .header(try section.headerName("header", header))
    case (nil, let cookie?, false) where !cookie.isEmpty: return .cookie(cookie)
    case (nil, nil, true): return .source
    default:
      throw section.fault("", "expected one of {\"header\": NAME}, {\"cookie\": NAME} and {\"source\": true}")
    }
  }

  private mutating func readRules(_ top: Section) throws(ForwardTableFault) {
    for entry in try top.list("match", keys: ["header", "value", "prefix", "upstreams"], limit: Self.ruleLimit) {
      guard let header = try entry.text("header") else { throw entry.fault("header", "expected the name of a header") }
      let exact = try entry.text("value"), prefix = try entry.text("prefix")
      let value: Rule.Value
      switch (exact, prefix) {
      case (let exact?, nil): value = .exact(exact)
      case (nil, let prefix?): value = .prefix(prefix)
      case (nil, nil): value = .any
      default: throw entry.fault("", "`value` and `prefix` exclude each other")
      }
      let ids = try entry.texts("upstreams")
      var places: [Int] = []
      for (index, id) in ids.enumerated() {
        guard let place = upstreams.firstIndex(where: { $0.id == id }) else {
          let hint = nearestWord(to: id, among: upstreams.map(\.id)).map { "; did you mean `\($0)`?" } ?? ""
          throw entry.fault("upstreams/\(index)", "no upstream has the id `\(id)`\(hint)")
        }
        places.append(place)
      }
      guard !places.isEmpty else { throw entry.fault("upstreams", "expected ids of upstreams") }
      rules.append(Rule(header: try entry.headerName("header", header), value: value, upstreams: places))
    }
  }

  private static func mirror(_ section: Section) throws(ForwardTableFault) -> Mirror {
    Mirror(url: try section.url("url"), percent: try section.number("percent", 0...100) ?? 100)
  }

  /// A number alone is the count.
  private static func retries(_ top: Section) throws(ForwardTableFault) -> Retries {
    var retries = Retries()
    if top["retries"]?.int != nil {
      retries.count = Int(try top.integer("retries", 0...10) ?? 1)
    } else if let section = try top.section("retries", keys: ["count", "budget_percent"]) {
      retries.count = Int(try section.integer("count", 0...10) ?? 1)
      retries.budgetPercent = try section.number("budget_percent", 0...100) ?? retries.budgetPercent
    }
    return retries
  }

  private static func health(_ section: Section) throws(ForwardTableFault) -> Health {
    var health = Health(path: try section.text("path") ?? "/")
    guard health.path.hasPrefix("/"), health.path.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw section.fault("path", "expected a path that begins with a slash, escaped")
    }
    health.intervalMilliseconds = try section.integer("interval_ms", 10...86_400_000) ?? health.intervalMilliseconds
    health.timeoutMilliseconds = try section.integer("timeout_ms", 1...86_400_000) ?? health.timeoutMilliseconds
    health.healthy = Int(try section.integer("healthy", 1...100) ?? 2)
    health.unhealthy = Int(try section.integer("unhealthy", 1...100) ?? 3)
    return health
  }

  private static func limits(_ section: Section) throws(ForwardTableFault) -> Limits {
    guard let requests = try section.integer("requests", 1...1_000_000) else {
      throw section.fault("requests", "expected how many requests an upstream may have at once")
    }
    return Limits(requests: Int(requests))
  }

  private static func ejection(_ section: Section) throws(ForwardTableFault) -> Ejection {
    var ejection = Ejection()
    ejection.failures = Int(try section.integer("failures", 1...1_000) ?? 5)
    ejection.milliseconds = try section.integer("for_ms", 1...86_400_000) ?? ejection.milliseconds
    ejection.mostPercent = Int(try section.integer("most_percent", 0...100) ?? 50)
    return ejection
  }
}

/// An object of the table, whose keys are all known and whose members say where they stand.
private struct Section {
  private let object: JSONObject
  private let place: String

  init(_ json: JSON, _ place: String, keys: [String]) throws(ForwardTableFault) {
    guard let object = json.object else {
      throw ForwardTableFault(place: place, words: "expected an object, got \(json.kind)")
    }
    self.object = object
    self.place = place
    for member in object.members where !keys.contains(member.key) {
      let hint = nearestWord(to: member.key, among: keys).map { "; did you mean `\($0)`?" } ?? ""
      throw fault(member.key, "`\(member.key)` is not known here\(hint)")
    }
  }

  /// Null is the same as nothing.
  subscript(key: String) -> JSON? {
    guard let value = object[key], value != .null else { return Optional<JSON>.none }
    return value
  }

  func fault(_ key: String, _ words: String) -> ForwardTableFault {
    ForwardTableFault(place: key.isEmpty ? place : "\(place)/\(key)", words: words)
  }

  private func expected(_ key: String, _ what: String) -> ForwardTableFault {
    fault(key, "expected \(what), got \(self[key].map(\.kind) ?? "nothing")")
  }

  func text(_ key: String) throws(ForwardTableFault) -> String? {
    guard let value = self[key] else { return nil }
    guard let text = value.string else { throw expected(key, "text") }
    return text
  }

  func truth(_ key: String) throws(ForwardTableFault) -> Bool? {
    guard let value = self[key] else { return nil }
    guard let truth = value.bool else { throw expected(key, "a truth value") }
    return truth
  }

  func integer(_ key: String, _ range: ClosedRange<Int64>) throws(ForwardTableFault) -> Int64? {
    guard let value = self[key] else { return nil }
    guard let number = value.int, range.contains(number) else {
      throw fault(key, "expected a whole number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func number(_ key: String, _ range: ClosedRange<Double>) throws(ForwardTableFault) -> Double? {
    guard let value = self[key] else { return nil }
    guard let number = value.double, range.contains(number) else {
      throw fault(key, "expected a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  func texts(_ key: String) throws(ForwardTableFault) -> [String] {
    guard let value = self[key] else { return [] }
    guard let items = value.array else { throw expected(key, "a list") }
    var texts: [String] = []
    for (index, item) in items.enumerated() {
      guard let text = item.string else { throw fault("\(key)/\(index)", "expected text, got \(item.kind)") }
      texts.append(text)
    }
    return texts
  }

  func section(_ key: String, keys: [String]) throws(ForwardTableFault) -> Section? {
    guard let value = self[key] else { return nil }
    return try Section(value, "\(place)/\(key)", keys: keys)
  }

  func list(_ key: String, keys: [String], limit: Int) throws(ForwardTableFault) -> [Section] {
    guard let value = self[key] else { return [] }
    guard let items = value.array else { throw expected(key, "a list") }
    guard items.count <= limit else { throw fault(key, "expected at most \(limit) entries, got \(items.count)") }
    var sections: [Section] = []
    for (index, item) in items.enumerated() {
      sections.append(try Section(item, "\(place)/\(key)/\(index)", keys: keys))
    }
    return sections
  }

  func headerName(_ key: String, _ name: String) throws(ForwardTableFault) -> String {
    guard Array(name.utf8).withUnsafeBytes({ HTTP1Fields.isName($0) }) else {
      throw fault(key, "`\(name)` cannot be the name of a header")
    }
    return name.lowercased()
  }

  func url(_ key: String) throws(ForwardTableFault) -> HTTPURL {
    let form = "expected http://HOST:PORT, https://HOST:PORT or h2c://HOST:PORT"
    guard let text = try text(key) else { throw fault(key, form) }
    guard let url = HTTPURL(text, HTTPURL.Scheme.allCases) else { throw fault(key, form) }
    guard url.target == "/" else { throw fault(key, "\(form); the path is the client's, so none may stand here") }
    return url
  }
}
