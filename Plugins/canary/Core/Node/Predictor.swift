internal import NodeKit

/// Answers requests for a decision. All of an answer but the request's own input is made when the state changes.
struct Predictor {
  private let nodeName: String
  private var seed: UInt64 = 1
  private var chooser: Chooser?
  private var sticky: RoutingState.Sticky?
  /// For each version, what stands before the input.
  private var answers: [[UInt8]] = []
  /// As `GET /routing/state` has it, without the last brace.
  private(set) var stateText = ""

  static let end = Array("}\n".utf8)
  private static let noInput = Array("{}".utf8)

  init(nodeName: String) { self.nodeName = nodeName }

  mutating func begin(seed: UInt64) { self.seed = seed }

  mutating func take(_ state: RoutingState, digest: String) {
    let routing = Self.wire(state)
    let text = routing.description
    answers = state.releases.map { release in
      Array("{\"model_selected\":\(JSON.string(release.id)),\"routing_state\":\(text),\"input\":".utf8)
    }
    chooser = state.version == 0 ? nil : Chooser(state, seed: seed &+ UInt64(state.version))
    sticky = state.sticky
  }

  /// The members that have always been there.
  static func wire(_ state: RoutingState) -> JSON {
    [
      "version": .int(state.version), "stable_model_id": state.stable.isEmpty ? .null : .string(state.stable),
      "canary_model_id": state.canary.map { .string($0) } ?? .null,
      "weights": .object(JSONObject(state.releases.map { ($0.id, .double($0.share.fraction)) })),
      "status": state.version == 0 ? "PREPARED" : "COMMITTED", "txid": .string(state.transaction),
      "timestamp": .string(Timestamp.text(state.timestampMs)),
    ]
  }

  /// Whether the version is known only when the body is there.
  var readsBody: Bool { if case .member = sticky { true } else { false } }

  /// The version for a request, as a place in the state's; nil while there is no state.
  mutating func choose(_ request: HTTPRequest, _ body: UnsafeRawBufferPointer? = nil) -> Int? {
    guard chooser != nil else { return nil }
    return chooser!.choose(key(request, body)) { request.header($0) }
  }

  /// The answer's body. An input that is no JSON counts as none.
  func answer(_ place: Int, _ body: UnsafeRawBufferPointer) -> [UInt8] {
    let input = JSONScan.value(in: body)
    // The state may have changed while the body came.
    let front = answers[min(place, answers.count - 1)]
    let count = front.count + (input?.count ?? 2) + 2
    return [UInt8](unsafeUninitializedCapacity: count) { room, filled in
      var end = room.baseAddress!
      func add(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count > 0 { UnsafeMutableRawPointer(end).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count) }
        end += bytes.count
      }
      front.withUnsafeBytes(add)
      if let input { add(UnsafeRawBufferPointer(rebasing: body[input])) } else { Self.noInput.withUnsafeBytes(add) }
      Self.end.withUnsafeBytes(add)
      filled = count
    }
  }

  /// The same as a forward table takes.
  private func key(_ request: HTTPRequest, _ body: UnsafeRawBufferPointer?) -> UInt64? {
    switch sticky {
    case nil: return nil
    case .header(let name): return request.header(name).map(Self.hash)
    case .cookie(let name):
      return request.headers.lazy.filter { $0.name == "cookie" }.compactMap { Self.cookie(name, in: $0.value) }.first
        .map(Self.hash)
    case .source:
      let remote = request.remote
      var host = remote.lastIndex(of: ":").map { remote[..<$0] } ?? remote[...]
      if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
      return Self.hash(String(host))
    case .member(let name):
      guard let body else { return nil }
      var name = name
      return name.withUTF8 { name in
        JSONScan.member(UnsafeRawBufferPointer(name), in: body).map {
          StickyHash.key(UnsafeRawBufferPointer(rebasing: body[$0]))
        }
      }
    }
  }

  static func hash(_ text: String) -> UInt64 {
    var text = text
    return text.withUTF8 { StickyHash.key(UnsafeRawBufferPointer($0)) }
  }

  private static func cookie(_ name: String, in list: String) -> String? {
    for pair in list.split(separator: ";") {
      let trimmed = pair.drop { $0 == " " }
      if trimmed.hasPrefix(name + "=") { return String(trimmed.dropFirst(name.count + 1)) }
    }
    return nil
  }
}
