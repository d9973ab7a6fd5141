public import NodeKit

extension RoutingState {
  private static let keys = [
    "version", "transaction", "timestamp_ms", "stable", "canary", "versions", "sticky", "match", "mirror", "rollout",
    "freeze", "cool_until_ms", "decision",
  ]

  /// Reads a state and checks all that it says: it comes from other nodes, and from whoever may propose one.
  public init(_ json: JSON) throws {
    let top = try Fields(json, at: "", known: Self.keys)
    version = try top.integer("version", 0...Int64.max - 1)
    transaction = try top.text("transaction", most: 64)
    timestampMs = try top.integer("timestamp_ms")
    stable = try top.text("stable", most: 64)
    canary = try top.optionalText("canary", most: 64)
    releases = try top.list("versions", most: Self.versionLimit).enumerated().map {
      try Release($1, at: "/versions/\($0)")
    }
    sticky = try top.fields("sticky", known: ["header", "cookie", "source", "member"]).map(Sticky.init)
    rules = try top.list("match", most: Self.ruleLimit).enumerated().map { try Rule($1, at: "/match/\($0)") }
    mirror = try top.fields("mirror", known: ["url", "percent"]).map(Mirror.init)
    rollout = try top["rollout"].map { try Rollout($0, at: "/rollout") }
    freeze = try top.texts("freeze", most: FreezeWindow.limit).map { try FreezeWindow($0) }
    coolUntilMs = try top.optionalInteger("cool_until_ms") ?? 0
    decision = try top["decision"].map { try Decision($0, at: "/decision") } ?? Decision()
    try check()
  }

  /// From bytes of the disk or of another node.
  public init(parsing bytes: [UInt8]) throws {
    guard bytes.count <= Self.byteLimit else {
      throw RoleError(.invalidArgument, "a state of \(bytes.count) bytes is larger than \(Self.byteLimit)")
    }
    try self.init(JSON(payload: bytes))
  }

  /// What each member may be is known; this is about how they fit together.
  func check() throws {
    func fault(_ place: String, _ words: String) -> RoleError { RoleError(.invalidArgument, words, at: place) }
    guard !releases.isEmpty else { throw fault("/versions", "expected at least one version") }
    let ids = releases.map(\.id)
    for (place, id) in ids.enumerated() where ids[..<place].contains(id) {
      throw fault("/versions/\(place)/id", "`\(id)` is taken already")
    }
    let sum = releases.reduce(0) { $0 + $1.share.millionths }
    guard sum == Share.whole.millionths else {
      throw fault("/versions", "the shares add up to \(Share(millionths: sum).words), and must to 100 %")
    }
    guard ids.contains(stable) else { throw fault("/stable", "no version has the id `\(stable)`") }
    if let canary, !ids.contains(canary) || canary == stable {
      throw fault("/canary", "expected the id of another version than the stable one, got `\(canary)`")
    }
    if let bare = releases.firstIndex(where: { $0.url == nil }), hasUpstreams {
      throw fault("/versions/\(bare)/url", "it is missing, and other versions have one: give all a URL, or none")
    }
    if case .member = sticky, hasUpstreams {
      throw fault("/sticky/member", "bodies go to the upstreams unread; take a header, a cookie or the source")
    }
    if mirror != nil, !hasUpstreams { throw fault("/mirror", "there are no upstreams whose requests it could copy") }
    for (place, rule) in rules.enumerated() {
      for id in rule.versions where !ids.contains(id) {
        throw fault("/match/\(place)/versions", "no version has the id `\(id)`")
      }
    }
    try rollout?.check(in: self)
  }

  public var json: JSON {
    .sparse([
      ("version", .int(version)), ("transaction", .string(transaction)), ("timestamp_ms", .int(timestampMs)),
      ("stable", .string(stable)), ("canary", canary.map { .string($0) } ?? .null),
      ("versions", .array(releases.map(\.json))), ("sticky", sticky?.json ?? .null),
      ("match", rules.isEmpty ? .null : .array(rules.map(\.json))), ("mirror", mirror?.json ?? .null),
      ("rollout", rollout?.json ?? .null),
      ("freeze", freeze.isEmpty ? .null : .array(freeze.map { .string($0.text) })),
      ("cool_until_ms", coolUntilMs == 0 ? .null : .int(coolUntilMs)), ("decision", decision.json),
    ])
  }

  /// As it is stored, compared and sent.
  public var bytes: [UInt8] { Array(json.canonical.utf8) }
}

extension RoutingState.Release {
  init(_ json: JSON, at place: String) throws {
    let fields = try Fields(json, at: place, known: ["id", "url", "share"])
    id = try fields.text("id", most: 64)
    guard Self.isName(id) else {
      throw fields.fault("id", "`\(id)` is no name: letters, digits, `.`, `_` and `-`, at most 64")
    }
    url = try fields.optionalText("url", most: 512)
    if let url { try Self.check(url, fields) }
    share = Share(millionths: Int(try fields.integer("share", 0...1_000_000)))
  }

  var json: JSON {
    .sparse([("id", .string(id)), ("url", url.map { .string($0) } ?? .null), ("share", .int(Int64(share.millionths)))])
  }

  static func isName(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 64
      && text.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
  }

  /// The host reads it whole when it gets the table; here only what would let all nodes refuse a committed state.
  static func check(_ url: String, _ fields: Fields, key: String = "url") throws {
    let words = "expected http://HOST:PORT, https://HOST:PORT or h2c://HOST:PORT, got `\(url)`"
    let schemes = ["http://", "https://", "h2c://"]
    guard let scheme = schemes.first(where: url.hasPrefix) else { throw fields.fault(key, words) }
    let authority = url.dropFirst(scheme.count)
    let parts = authority.split(separator: ":", omittingEmptySubsequences: false)
    let isBracketed = authority.hasPrefix("[") && authority.contains("]")
    guard !authority.isEmpty, authority.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
      !authority.contains(where: { "/?#@\\".contains($0) }), isBracketed || parts.count <= 2,
      isBracketed || !parts[0].isEmpty,
      isBracketed || parts.count == 1 || (UInt16(parts[1]).map { $0 > 0 } ?? false)
    else { throw fields.fault(key, words) }
  }
}

extension RoutingState.Sticky {
  init(_ fields: Fields) throws {
    let header = try fields.optionalText("header", most: 128), cookie = try fields.optionalText("cookie", most: 128)
    let member = try fields.optionalText("member", most: 128)
    let source = fields["source"] == .bool(true)
    switch (header, cookie, source, member) {
    case (let header?, nil, false, nil) where RoutingState.isToken(header): self = .header(header.lowercased())
    case (nil, let cookie?, false, nil) where RoutingState.isToken(cookie): self = .cookie(cookie)
    case (nil, nil, true, nil): self = .source
    case (nil, nil, false, let member?) where !member.isEmpty: self = .member(member)
    default:
      throw RoleError(
        .invalidArgument,
        "expected one of {\"header\": NAME}, {\"cookie\": NAME}, {\"source\": true} and {\"member\": NAME}",
        at: fields.place)
    }
  }

  var json: JSON {
    switch self {
    case .header(let name): ["header": .string(name)]
    case .cookie(let name): ["cookie": .string(name)]
    case .source: ["source": true]
    case .member(let name): ["member": .string(name)]
    }
  }
}

extension RoutingState {
  /// What may be the name of a header or a cookie.
  static func isToken(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !Array("\"(),/:;<=>?@[\\]{}".utf8).contains($0) }
  }
}

extension RoutingState.Rule {
  init(_ json: JSON, at place: String) throws {
    let fields = try Fields(json, at: place, known: ["header", "value", "prefix", "versions"])
    header = try fields.text("header", most: 128).lowercased()
    guard RoutingState.isToken(header) else { throw fields.fault("header", "`\(header)` cannot be a header's name") }
    switch (try fields.optionalText("value"), try fields.optionalText("prefix")) {
    case (let exact?, nil): value = .exact(exact)
    case (nil, let prefix?): value = .prefix(prefix)
    case (nil, nil): value = .any
    default: throw fields.fault("value", "`value` and `prefix` exclude each other")
    }
    versions = try fields.texts("versions", most: RoutingState.versionLimit)
    guard !versions.isEmpty else { throw fields.fault("versions", "expected ids of versions") }
  }

  var json: JSON {
    var pairs: [(String, JSON)] = [("header", .string(header)), ("versions", .array(versions.map { .string($0) }))]
    switch value {
    case .any: break
    case .exact(let text): pairs.append(("value", .string(text)))
    case .prefix(let text): pairs.append(("prefix", .string(text)))
    }
    return .object(JSONObject(pairs))
  }
}

extension RoutingState.Mirror {
  init(_ fields: Fields) throws {
    url = try fields.text("url", most: 512)
    try RoutingState.Release.check(url, fields)
    percent = try fields.number("percent", 0...100) ?? 100
  }

  var json: JSON { ["url": .string(url), "percent": .double(percent)] }
}

extension Decision {
  init(_ json: JSON, at place: String) throws {
    let fields = try Fields(json, at: place, known: ["kind", "by", "why", "numbers"])
    let word = try fields.text("kind")
    guard let kind = Kind(rawValue: word) else {
      throw fields.fault("kind", "`\(word)` is none of \(Kind.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    self.kind = kind
    by = try fields.text("by", most: 256)
    why = try fields.text("why", most: Self.whyLimit)
    numbers = fields["numbers"] ?? .null
    guard numbers.description.utf8.count <= Self.numbersLimit else {
      throw fields.fault("numbers", "they are longer than \(Self.numbersLimit) bytes")
    }
  }

  public var json: JSON {
    .sparse([("kind", .string(kind.rawValue)), ("by", .string(by)), ("why", .string(why)), ("numbers", numbers)])
  }
}
