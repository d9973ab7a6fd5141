import NodeTesting
import Testing

/// Live pages and parts of bodies, as a Swift role serves them.
@Suite struct HTTPStreamTests {
  final class Pages: Role {
    static let about = About("pages", version: "1.0.0", "Shows what happens.")
    static let needs: [Need] = [.http, .blob, .timer]

    private let context: RoleContext
    private(set) var pages: [EventStream] = []
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

    func start() throws {
      let http = context.http, blobs = context.blobs
      try http.route("GET", "/events") { [unowned self] in pages.append(try $0.beginEvents(["x-page": "1"])) }
      try http.route("GET", "/text") {
        try $0.answer(rangeOf: Array("0123456789".utf8), type: "text/plain", tag: "v1")
      }
      try http.route("PUT", "/objects") { request in
        request.collectBody { bytes in
          try blobs.put(bytes, as: "up", mediaType: "text/plain") { try request.answer(text: $0.get().sha256) }
        }
      }
      try http.route("GET", "/objects/{name}") { try $0.answer(blob: $0["name"] ?? "", from: blobs) }
    }
  }

  private func host() throws -> (FakeHost, Pages) {
    let host = try FakeHost(Pages.self)
    try host.start()
    return (host, try #require(host.role(as: Pages.self)))
  }

  // MARK: Events

  @Test func eventsGoOutAsTheyHappen() throws {
    let (host, role) = try host()
    let page = host.request("GET", "/events", headers: ["Last-Event-ID": "7"])
    #expect(page.headers["content-type"] == "text/event-stream" && page.headers["cache-control"] == "no-store")
    #expect(page.headers["x-page"] == "1" && role.pages[0].lastEventID == "7")
    #expect(try role.pages[0].send("one\r\ntwo\n\nthree\rfour", event: "lines", id: "8"))
    #expect(page.text == "event: lines\nid: 8\ndata: one\ndata: two\ndata: \ndata: three\ndata: four\n\n")
    try role.pages[0].send(json: ["a": 1])
    #expect(page.text.hasSuffix("data: {\"a\":1}\n\n"))
    try role.pages[0].ping()
    #expect(page.text.hasSuffix("\n\n:\n\n"))
    role.pages[0].end()
    #expect(page.state == .answered && !role.pages[0].isOpen)
    #expect(try !role.pages[0].send("late"))
    #expect(host.misuse.isEmpty)
  }

  @Test func namesAndIdsCannotSmuggleLines() throws {
    let (host, role) = try host()
    let page = host.request("GET", "/events")
    for word in ["a\nb", "a\rb", "a\r\nb", "a\0b"] {
      #expect(throws: RoleError.self) { try role.pages[0].send("x", event: word) }
      #expect(throws: RoleError.self) { try role.pages[0].send("x", id: word) }
    }
    #expect(page.text == "")
  }

  @Test func aPageThatDoesNotReadMissesSomeAndHoldsNobodyUp() throws {
    let (host, role) = try host()
    let page = host.request("GET", "/events", room: 1)
    let large = String(repeating: "x", count: 100_000)
    var taken = 0
    for _ in 0..<10 where try role.pages[0].send(large) { taken += 1 }
    #expect((2...4).contains(taken) && role.pages[0].missed == 10 - taken)
    page.read()
    #expect(try role.pages[0].send("on it goes") || role.pages[0].missed > 0)
    page.read()
    #expect(page.text.utf8.count >= taken * large.utf8.count)
    page.hangUp()
    #expect(!role.pages[0].isOpen)
    #expect(try !role.pages[0].ping())
  }

  // MARK: Ranges

  @Test func aRangeIsWhatItSays() {
    let cases: [(String?, HTTPRange)] = [
      (nil, .whole), ("bytes=0-3", .part(0..<4)), ("bytes=4-", .part(4..<10)), ("bytes=-3", .part(7..<10)),
      ("bytes=-30", .part(0..<10)), ("bytes=9-99", .part(9..<10)), ("Bytes= 2 - 2 ", .part(2..<3)),
      ("bytes=10-", .unsatisfiable), ("bytes=-0", .unsatisfiable), ("bytes=99999999999999999-", .unsatisfiable),
      ("bytes=3-2", .whole), ("bytes=0-1,4-5", .whole), ("lines=1-2", .whole), ("bytes=", .whole), ("bytes=-", .whole),
      ("bytes=+1-2", .whole), ("bytes=1-x", .whole), ("bytes=99999999999999999999-", .whole), ("bytes=--1", .whole),
    ]
    for (header, range) in cases { #expect(HTTPRange(header, size: 10) == range, "\(header ?? "none")") }
    #expect(HTTPRange("bytes=0-", size: 0) == .unsatisfiable)
  }

  @Test func partsOfWhatIsInMemory() throws {
    let (host, _) = try host()
    let whole = host.request("GET", "/text")
    #expect(whole.status == 200 && whole.text == "0123456789" && whole.headers["accept-ranges"] == "bytes")
    let part = host.request("GET", "/text", headers: ["range": "bytes=2-4"])
    #expect(part.status == 206 && part.text == "234" && part.headers["content-range"] == "bytes 2-4/10")
    let behind = host.request("GET", "/text", headers: ["range": "bytes=10-"])
    #expect(behind.status == 416 && behind.headers["content-range"] == "bytes */10")
    let same = host.request("GET", "/text", headers: ["range": "bytes=2-4", "if-range": "\"v1\""])
    #expect(same.status == 206)
    let other = host.request("GET", "/text", headers: ["range": "bytes=2-4", "if-range": "\"v0\""])
    #expect(other.status == 200 && other.text == "0123456789")
    for known in ["\"v1\"", "W/\"v1\"", "\"v0\", \"v1\"", "*"] {
      #expect(host.request("GET", "/text", headers: ["if-none-match": known]).status == 304)
    }
    #expect(host.request("GET", "/text", headers: ["if-none-match": "\"v0\""]).status == 200)
    let head = host.request("HEAD", "/text", headers: ["range": "bytes=2-4"])
    #expect(head.status == 200 && head.headers["content-length"] == "10" && head.body.isEmpty)
    #expect(host.misuse.isEmpty)
  }

  @Test func partsOfAnObject() throws {
    let (host, _) = try host()
    let content = (0..<400_000).map { UInt8($0 % 251) }
    let name = host.request("PUT", "/objects", body: content)
    host.clock.advance(by: .seconds(1))
    let path = "/objects/\(name.text)"
    let whole = host.request("GET", path)
    host.clock.advance(by: .seconds(1))
    #expect(whole.status == 200 && whole.body == content && whole.state == .answered)
    #expect(whole.headers["content-type"] == "text/plain" && whole.headers["etag"] == "\"\(name.text)\"")
    let part = host.request("GET", path, headers: ["range": "bytes=100000-299999"])
    host.clock.advance(by: .seconds(1))
    #expect(part.status == 206 && part.body == Array(content[100_000..<300_000]))
    let slow = host.request("GET", path, room: 1)
    for _ in 0..<200 where slow.state != .answered {
      host.clock.advance(by: .milliseconds(10))
      slow.read()
    }
    #expect(slow.body == content && slow.state == .answered)
    let gone = host.request("GET", path, room: 1)
    host.clock.advance(by: .milliseconds(10))
    gone.hangUp()
    host.clock.advance(by: .seconds(1))
    let missing = host.request("GET", "/objects/\(String(repeating: "0", count: 64))")
    host.clock.advance(by: .seconds(1))
    #expect(missing.status == 404)
    #expect(host.misuse.isEmpty)
  }
}
