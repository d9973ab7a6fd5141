import HostCore

/// A request to one of the role's routes, and how its client behaves.
struct MadeRequest {
  var method: String
  var path: String
  var query = ""
  var headers: [(String, String)] = []
  var captures: [(String, String)] = []
  var body: [UInt8] = []
  var trailers: [(String, String)] = []
  /// So much of an answer is taken before the client reads on.
  var room = Int.max
  /// The client hangs up before it has an answer.
  var isAbandoned = false
}

/// Makes requests up from the patterns of routes.
struct RequestMaker {
  private var numbers: SeededNumbers

  init(seed: UInt64) { numbers = SeededNumbers(seed: seed, stream: 7) }

  /// Tame ones are small and friendly.
  mutating func request(to route: ScriptedHost.Route, isTame: Bool) -> MadeRequest {
    let methods = isTame ? ["GET", "POST"] : ["GET", "POST", "PUT", "DELETE", "OPTIONS", "X-OWN"]
    var request = MadeRequest(method: route.method.isEmpty ? pick(methods) : route.method, path: "")
    for segment in route.pattern.segments {
      request.path += "/"
      switch segment {
      case .word(let word): request.path += String(decoding: word, as: UTF8.self)
      case .any(let name): catches(name, pick(isTame ? Self.tame : Self.wild), &request)
      case .rest(let name):
        catches(name, pick(isTame ? ["", "a/b"] : Self.wild + ["", "//", "a/\u{1F600}/"]), &request)
      }
    }
    request.headers = [("host", "node.test"), ("user-agent", "checker/1")]
    if request.method != "GET" { request.body = pick(isTame ? Self.tameBodies : Self.wildBodies) }
    guard !isTame else { return request }
    request.query = pick(["", "a=b", "&&=&%zz=%00&a=%F0", "limit=-1&offset=99999999999999999999"])
    request.headers += pick([
      [], [("accept", "text/event-stream")], [("x-empty", ""), ("x-empty", "")],
      [("range", "bytes=0-0,-1"), ("accept-encoding", "gzip, *;q=0")],
      [("x-long", String(repeating: "long ", count: 1500))],
      [("x-latin", "\u{E9}"), ("content-type", "application/json")],
    ])
    if !request.body.isEmpty { request.trailers = pick([[], [("x-sum", "1")]]) }
    request.room = pick([.max, 1, 1000])
    request.isAbandoned = pick([false, false, false, true])
    return request
  }

  private func catches(_ name: String, _ value: String, _ request: inout MadeRequest) {
    request.path += value
    request.captures.append((name, value))
  }

  private mutating func pick<T>(_ choices: [T]) -> T { choices.randomElement(using: &numbers)! }

  private static let tame = ["a", "node-1", "7"]
  private static let wild = [
    "-1", "18446744073709551616", "%", "\u{1F600}", "..", "a b\"'\\;", String(repeating: "long", count: 1000), "\n",
  ]
  private static let tameBodies: [[UInt8]] = [[], Array("hello".utf8), Array("{\"a\": 1}".utf8)]
  private static let wildBodies: [[UInt8]] = [
    [], [0], Array("[[[[{\"a\":".utf8), [UInt8](repeating: 0xFF, count: 1000), [UInt8](repeating: 0x61, count: 200_000),
  ]
}
