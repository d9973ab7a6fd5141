import NodeTesting
import Testing

/// Requests to others, as a Swift role sees them, with the test as the others.
@Suite struct ClientTests {
  final class Asker: Role {
    static let about = About("asker", version: "1.0.0", "Asks others.")
    static let needs: [Need] = [.client]

    private let context: RoleContext
    private(set) var results: [Result<HTTPAnswer, RoleError>] = []
    private(set) var events: [Client.Event] = []
    private(set) var stream: ClientRequest?
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

    func start() throws { try ask("http://first/") }

    func ask(_ url: String, limit: Int = 1 << 20) throws {
      try context.client.request(
        "POST", url, headers: ["X-Kind": "test"], body: "hello", timeout: .seconds(5), retries: 2, limit: limit
      ) { [unowned self] in results.append($0) }
    }

    func open(byCredit: Bool = false, throwsAt: Int = .max) throws {
      stream = try context.client.open("PUT", "http://other/", body: nil, byCredit: byCredit) {
        [unowned self] _, event in
        events.append(event)
        if events.count == throwsAt { throw RoleError(.internal, "enough") }
      }
    }
  }

  private func host() throws -> (FakeHost, Asker) {
    let host = try FakeHost(Asker.self)
    try host.start()
    return (host, try #require(host.role(as: Asker.self)))
  }

  @Test func theTestAnswers() throws {
    let (host, role) = try host()
    let request = try #require(host.sentRequests.first)
    #expect(request.method == "POST" && request.url == "http://first/" && request.text == "hello" && request.isWhole)
    #expect(request.headers["x-kind"] == "test" && request.timeout == .seconds(5) && request.retries == 2)
    request.answer(201, ["location": "/1"], body: "made")
    #expect(try role.results.first?.get() == HTTPAnswer(201, ["location": "/1"], body: Array("made".utf8)))
    #expect(host.sentRequests.isEmpty && request.state == .answered)
  }

  @Test func othersMayBePlayedByAClosure() throws {
    let (host, role) = try host()
    host.sentRequests.first?.answer(204)
    host.whenRequested = { $0.answer(200, body: $0.url) }
    try role.ask("http://second/")
    host.clock.advance(by: .zero)
    #expect(try role.results.map { try $0.get().status } == [204, 200])
    #expect(try role.results.last?.get().text == "http://second/")
  }

  @Test func nothingIsAnsweredInTime() throws {
    let (host, role) = try host()
    host.clock.advance(by: .seconds(5))
    guard case .failure(let error)? = role.results.first else { return #expect(Bool(false)) }
    #expect(error.status == .deadlineExceeded && host.sentRequests.isEmpty)
  }

  @Test func failuresAndLargeAnswersAreTold() throws {
    let (host, role) = try host()
    host.sentRequests.first?.fail(.unavailable, "nobody there")
    try role.ask("http://large/", limit: 10)
    let large = try #require(host.sentRequests.first)
    large.answer(200, body: [UInt8](repeating: 1, count: 11))
    let errors = role.results.map { result -> Status? in
      if case .failure(let error) = result { error.status } else { nil }
    }
    #expect(errors == [.unavailable, .resourceExhausted] && large.state == .cancelled)
  }

  @Test(arguments: ["ftp://x/", "x", ""]) func wrongAddressesAreRefused(_ url: String) throws {
    let (host, role) = try host()
    #expect { try role.ask(url) } throws: { ($0 as? RoleError)?.place == "/url" }
    #expect(host.sentRequests.count == 1)
  }

  @Test func bodiesAndAnswersFlowAsTheyAreTaken() throws {
    let (host, role) = try host()
    try role.open(byCredit: true)
    let sent = try #require(host.sentRequests.last), stream = try #require(role.stream)
    sent.room = 4
    #expect(try stream.write(Array("12345".utf8)) && !stream.write([6]))
    sent.read()
    #expect(role.events == [.writable])
    #expect(try stream.write([6]))
    stream.finish()
    #expect(sent.isWhole && sent.body.count == 6)
    sent.begin(200, ["x": "y"])
    sent.write([UInt8](repeating: 7, count: 100_000))
    sent.finish(["sum": "1"])
    #expect(role.events.count == 3 && role.events[2] == .body([UInt8](repeating: 7, count: 65_536)))
    stream.wantMore(100_000)
    host.clock.advance(by: .zero)
    #expect(role.events.count == 5 && role.events.last == .ended(trailers: ["sum": "1"]))
    #expect(throws: RoleError.self) { try stream.write([1]) }
  }

  @Test func aClosureThatThrowsGivesItUp() throws {
    let (host, role) = try host()
    try role.open(throwsAt: 1)
    let sent = try #require(host.sentRequests.last)
    sent.begin(200)
    #expect(sent.state == .cancelled && host.log.last?.message.contains("enough") == true)
  }

  @Test func aSwapEndsThemForTheOldAndOnlyForIt() throws {
    let (host, _) = try host()
    let old = try #require(host.sentRequests.first)
    let next = try host.swap(to: Asker.self)
    #expect(old.state == .failed && next.sentRequests.count == 1, "the new one asks for itself")
  }

  @Test func withoutTheNeedThereIsNone() throws {
    final class Silent: Role {
      static let about = About("silent", version: "1.0.0", "Asks without saying so.")
      private let context: RoleContext
      init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
      func start() throws { try context.client.request("GET", "http://a/") { _ in } }
    }
    let host = try FakeHost(Silent.self)
    #expect { try host.start() } throws: { "\($0)".contains("add it to `needs`") }
  }
}

/// Forward tables, with the test as what counts.
@Suite struct ForwardingTests {
  final class Canary: Role {
    static let about = About("canary", version: "1.0.0", "Shifts weight.")
    static let needs: [Need] = [.http]
    private let context: RoleContext
    private var forwarding: Forwarding?
    private(set) var counted: [Int64] = []
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

    func table(_ weight: Int) -> JSON {
      [
        "prefix": "/api",
        "upstreams": [
          ["id": "stable", "url": "http://a", "weight": 90],
          ["id": "canary", "url": "http://b", "weight": JSON(weight)],
        ],
      ]
    }

    func start() throws {
      forwarding = try context.http.forward(table(10)) { [unowned self] counts in
        counted.append(counts["upstreams"]?.array?.first?["requests"]?.int ?? -1)
        try forwarding?.replace(with: table(0))
      }
      #expect(throws: RoleError.self) { try context.http.forward(table(5)) }
    }
  }

  @Test func theTestSeesTablesAndSaysWhatWasCounted() throws {
    let host = try FakeHost(Canary.self)
    try host.start()
    #expect(host.forwardTables.count == 1)
    #expect(host.forwardTables[0]["upstreams"]?.array?[1]["weight"] == 10)
    host.reportForwarding("/api", upstreams: [["id": "stable", "requests": 41]])
    #expect(host.role(as: Canary.self)?.counted == [41])
    #expect(host.forwardTables[0]["upstreams"]?.array?[1]["weight"] == 0)
  }
}
