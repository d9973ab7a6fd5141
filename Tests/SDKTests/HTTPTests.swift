import NodeTesting
import Testing

/// Routes, as a Swift role sees them.
@Suite struct RouteTests {
  final class Notes: Role {
    static let about = About("notes", version: "1.0.0", "Keeps notes.")
    static let needs: [Need] = [.http, .timer]

    private let context: RoleContext
    private(set) var failures: [String] = []
    private(set) var kept: [HTTPRequest] = []
    private(set) var removable: HTTPRoute?
    private(set) weak var poured: HTTPRequest?
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

    func start() throws {
      let http = context.http
      try http.route("GET", "/hello/{name}") { try $0.answer(text: "hello, \($0["name"] ?? "")") }
      try http.route("GET", "/hello/ada") { try $0.answer(200, ["x-route": "word"], text: "the countess") }
      try http.route("GET", "/files/{path*}") { try $0.answer(text: $0["path"] ?? "-") }
      try http.route("", "/any") { try $0.answer(json: ["method": .string($0.method), "q": .string($0.query)]) }
      try http.route("GET", "/dropped") { _ in }
      try http.route("GET", "/throws/{status}") { request in
        throw RoleError(Status(rawValue: Int32(request["status"] ?? "") ?? 0), "no luck")
      }
      try http.route("GET", "/kept") { [unowned self] request in
        request.whenFailed { self.failures.append($0.message) }
        kept.append(request)
      }
      try http.route("GET", "/late") { [unowned self] request in
        try context.timer.once(after: .seconds(1)) {
          try request.answer(text: "\(request.path) \(request.header("x-kept") ?? "") \(request.remote)")
        }
      }
      try http.route("POST", "/collect") { request in
        request.collectBody(limit: 100_000) { try request.answer(text: "\($0.count)") }
      }
      try http.route("POST", "/credit") { request in
        request.readBody(byCredit: true) { _ in
        } then: {
          try request.answer(text: "\($0["sum"] ?? "")")
        }
        self.kept = [request]
      }
      try http.route("POST", "/throwing") { request in
        request.readBody { _ in
          throw RoleError(.outOfRange, "too much")
        } then: { _ in
        }
      }
      try http.route("GET", "/stream") { [unowned self] request in
        poured = request
        try request.begin(type: "text/plain")
        try Self.pour(request, from: 0)
      }
      removable = try http.route("DELETE", "/gone") { try $0.answer(204) }
    }

    /// Ten pieces of a hundred bytes, as fast as the client reads.
    private static func pour(_ request: HTTPRequest, from first: Int) throws {
      for number in first..<10 {
        guard try request.write([UInt8](repeating: UInt8(ascii: "0") + UInt8(number), count: 100)) else {
          request.whenWritable { try pour(request, from: number) }
          return
        }
      }
      request.end(["x-pieces": "10"])
    }
  }

  private func host() throws -> FakeHost {
    let host = try FakeHost(Notes.self)
    try host.start()
    return host
  }

  @Test func theMostExactRouteAnswers() throws {
    let host = try host()
    #expect(host.request("GET", "/hello/bob").text == "hello, bob")
    let ada = host.request("GET", "/hello/ada")
    #expect(ada.text == "the countess" && ada.headers["x-route"] == "word" && ada.status == 200)
    #expect(ada.headers["content-type"] == "text/plain; charset=utf-8" && ada.state == .answered)
    #expect(host.request("GET", "/hello/a%2Bb+c?x=1").text == "hello, a+b+c")
    #expect(host.request("GET", "/files/a/b/").text == "a/b/")
    #expect(host.request("GET", "/files/").text == "")
    #expect(try host.request("PATCH", "/any?a=b").json()["method"]?.string == "PATCH")
    #expect(host.misuse.isEmpty)
  }

  @Test func whatNoRouteTakesIsTheHostsToRefuse() throws {
    let host = try host()
    #expect(host.request("GET", "/nothing").status == 404)
    #expect(host.request("GET", "/hello/").status == 404)
    #expect(host.request("GET", "/files").status == 404)
    #expect(host.request("POST", "/hello/bob").status == 405)
    #expect(host.request("GET", "/any", on: "admin").status == 404)
    let head = host.request("HEAD", "/hello/bob")
    #expect(head.status == 200 && head.body.isEmpty)
    #expect(host.request("DELETE", "/gone").status == 204)
    host.role(as: Notes.self)?.removable?.remove()
    #expect(host.request("DELETE", "/gone").status == 404)
    host.drain()
    #expect(host.request("GET", "/hello/bob").status == 503)
  }

  @Test func whoNeitherAnswersNorKeepsAnswers500() throws {
    let host = try host()
    let dropped = host.request("GET", "/dropped")
    #expect(dropped.status == 500 && dropped.text == "the role did not answer\n")
    #expect(host.log.contains { $0.level == .error && $0.message.contains("dropped without an answer") })
    #expect(host.misuse.isEmpty)
  }

  @Test(arguments: [
    (Status.invalidArgument, 400), (.notFound, 404), (.permissionDenied, 403), (.unavailable, 503), (.internal, 500),
    (.resourceExhausted, 429), (.alreadyExists, 409),
  ])
  func anErrorBecomesTheNearestStatus(_ status: Status, _ expected: Int) throws {
    let host = try host()
    let answer = host.request("GET", "/throws/\(status.rawValue)")
    #expect(answer.status == expected && answer.text.contains("no luck"))
    #expect(host.log.contains { $0.level == .error } == (expected >= 500))
  }

  @Test func aRequestMayBeKept() throws {
    let host = try host()
    let late = host.request("GET", "/late", headers: ["X-Kept": "yes"])
    #expect(late.state == .waiting && late.status == 0)
    host.clock.advance(by: .seconds(1))
    #expect(late.text == "/late yes 10.0.0.7:51234" && late.state == .answered)
    #expect(host.misuse.isEmpty)
  }

  @Test func aClientThatGoesIsTold() throws {
    let host = try host()
    let kept = host.request("GET", "/kept")
    kept.hangUp()
    let role = try #require(host.role(as: Notes.self))
    #expect(kept.state == .broken && role.failures == ["the connection was closed"])
    let error = #expect(throws: RoleError.self) { try role.kept[0].answer(text: "too late") }
    #expect(error?.status == .failedPrecondition)
    #expect(host.misuse.isEmpty)
  }

  @Test func bodiesAreCollectedUpToALimit() throws {
    let host = try host()
    #expect(host.request("POST", "/collect").text == "0")
    #expect(host.request("POST", "/collect", body: [UInt8](repeating: 1, count: 100_000)).text == "100000")
    let large = host.request("POST", "/collect", body: [UInt8](repeating: 1, count: 200_000))
    #expect(large.status == 413 && large.state == .answered)
    #expect(host.misuse.isEmpty)
  }

  @Test func bodiesFlowByCredit() throws {
    let host = try host()
    let request = host.openRequest("POST", "/credit")
    request.send([UInt8](repeating: 1, count: 70_000))
    #expect(request.unsent == 70_000 - (64 << 10) && request.credit == 0)
    request.finish(["sum": "70000"])
    #expect(request.state == .waiting)
    try #require(host.role(as: Notes.self)).kept[0].wantMore(1 << 20)
    host.clock.advance(by: .zero)
    #expect(request.unsent == 0 && request.text == "70000")
    #expect(host.misuse.isEmpty)
  }

  @Test func anErrorInTheMiddleOfABodyIsAnsweredToo() throws {
    let host = try host()
    let answer = host.request("POST", "/throwing", body: "abc")
    #expect(answer.status == 400 && answer.text == "too much\n")
  }

  @Test func aSlowReaderIsWaitedFor() throws {
    let host = try host()
    let slow = host.request("GET", "/stream", room: 250)
    #expect(slow.pieces.count == 3 && slow.state == .answering)
    slow.read()
    #expect(slow.pieces.count == 6)
    slow.read()
    slow.read()
    #expect(slow.pieces.count == 10 && slow.state == .answered && slow.trailers["x-pieces"] == "10")
    #expect(slow.body.count == 1000 && slow.body.last == UInt8(ascii: "9"))
    #expect(host.misuse.isEmpty)
  }

  @Test func aSwapEndsWhatIsOpenAndKeepsTheRoutes() throws {
    let host = try host()
    let kept = host.request("GET", "/kept"), slow = host.request("GET", "/stream", room: 1)
    let role = try #require(host.role(as: Notes.self))
    let next = try host.swap(to: Notes.self)
    #expect(kept.status == 503 && role.failures == ["notes is being swapped"])
    #expect(slow.status == 200 && slow.state == .broken)
    #expect(next.request("GET", "/hello/bob").text == "hello, bob")
    #expect(next.misuse.isEmpty && host.misuse.isEmpty)
  }

  @Test func aStopEndsWhatIsOpen() throws {
    let host = try host()
    let kept = host.request("GET", "/kept"), slow = host.request("GET", "/stream", room: 1)
    host.destroy()
    #expect(kept.status == 503 && slow.state == .broken)
    #expect(host.misuse.isEmpty)
  }

  /// Closures that wait for something hold the role and the request.
  @Test func anEndedRoleGoesWithWhatIsOpen() throws {
    let host = try host()
    _ = host.request("GET", "/kept")
    _ = host.request("GET", "/stream", room: 1)
    weak let role = host.role(as: Notes.self)
    weak let poured = role?.poured
    #expect(role != nil && poured != nil)
    host.destroy()
    #expect(role == nil && poured == nil)
  }
}

/// What the host does not let through.
@Suite struct RouteRefusalTests {
  final class Odd: Role {
    static let about = About("odd", version: "1.0.0", "Says what cannot be sent.")
    static let needs: [Need] = [.http]
    let context: RoleContext
    private(set) var errors: [RoleError] = []
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

    func start() throws {
      try context.http.route("GET", "/odd") { [unowned self] request in
        attempt { try request.answer(200, ["x": "a\r\nset-cookie: b"], text: "split") }
        attempt { try request.answer(200, ["x y": "a"], text: "split") }
        attempt { try request.answer(99, text: "no status") }
        attempt { _ = try request.write([1]) }
        try request.begin(200, ["content-length": "3"])
        attempt { try request.begin() }
        attempt { _ = try request.write([1, 2, 3, 4]) }
        _ = try request.write([1, 2, 3])
        request.end()
        attempt { _ = try request.write([1]) }
        request.end()
        request.abort()
      }
    }

    private func attempt(_ body: () throws -> Void) {
      do { try body() } catch { errors.append(RoleError(error)) }
    }
  }

  @Test func answersThatCannotBeSentThrow() throws {
    let host = try FakeHost(Odd.self)
    try host.start()
    let answer = host.request("GET", "/odd")
    #expect(answer.status == 200 && answer.body == [1, 2, 3] && answer.headers["x"] == nil)
    let errors = try #require(host.role(as: Odd.self)).errors.map(\.status)
    #expect(
      errors == [
        .invalidArgument, .invalidArgument, .failedPrecondition, .failedPrecondition, .failedPrecondition, .outOfRange,
        .failedPrecondition,
      ])
    #expect(host.misuse.isEmpty)
  }

  @Test(arguments: ["odd", "/a/{b", "/{a*}/b", "/{}", "/{a}/{a}", "/odd"])
  func aWrongRouteThrows(_ pattern: String) throws {
    let host = try FakeHost(Odd.self)
    try host.start()
    let context = try #require(host.role(as: Odd.self)).context
    let error = #expect(throws: RoleError.self) { try context.http.route("GET", pattern) { _ in } }
    #expect(error?.status == .invalidArgument && error?.place == pattern)
  }

  @Test func aListenerMustBeInTheManifest() throws {
    let host = try FakeHost(Odd.self)
    host.listeners = ["data", "admin"]
    try host.start()
    let context = try #require(host.role(as: Odd.self)).context
    try context.http.route("GET", "/x", listener: "admin") { try $0.answer(text: "x") }
    #expect(throws: RoleError.self) { try context.http.route("GET", "/x", listener: "other") { _ in } }
    #expect(host.request("GET", "/x", on: "admin").text == "x")
    #expect(host.request("GET", "/x").status == 404)
  }
}
