import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// Forward tables on sockets: a role says who gets what, and the host carries it there and back.
@Suite struct ForwardTests {
  let live = LiveNode(
    folders: [Place.products], ["{ role: router, name: b, cold_start: on, limits: { swap_ms: 300, drain_ms: 200 } }"],
    listen: ["data: { address: \"127.0.0.1:0\" }"])

  struct Refused: Error { var words: String }

  /// Puts a table with these upstreams in place of the one before; `more` are other members.
  func put(_ upstreams: [(name: String, server: Upstream, weight: Int)], _ more: String = "") throws {
    let list = upstreams.map { "{\"id\": \"\($0.name)\", \"url\": \"\($0.server.url)\", \"weight\": \($0.weight)}" }
    try put(table: "{\"upstreams\": [\(list.joined(separator: ", "))]\(more.isEmpty ? "" : ", \(more)")}")
  }

  func put(table: String) throws {
    let outcome = try live.call("replace", [.text(table)])
    guard case .value = outcome else { throw Refused(words: "\(outcome)") }
  }

  func curl(_ path: String = "/", _ more: [String] = []) -> (code: Int32, output: String) {
    let port = live.node.services.http.listener("data")!.address.port
    return run(["curl", "-sS", "--max-time", "10"] + more + ["http://127.0.0.1:\(port)\(path)"])
  }

  func status(_ path: String = "/", _ more: [String] = []) -> String {
    curl(path, ["-o", "/dev/null", "-w", "%{http_code}"] + more).output
  }

  /// The answers to so many requests on one connection.
  func answers(_ count: Int, _ more: [String] = []) -> [String] {
    curl("/[1-\(count)]", ["-w", "\\n"] + more).output.split(separator: "\n").map(String.init)
  }

  // MARK: Who gets it

  @Test func weightsAreKeptToTheRequest() throws {
    let stable = Upstream("stable"), canary = Upstream("canary")
    try put([("stable", stable, 90), ("canary", canary, 10)])
    let all = answers(200)
    #expect(all.count { $0 == "canary" } == 20 && all.count { $0 == "stable" } == 180)
    #expect(stable.connections == 1 && canary.connections == 1, "connections are kept")
  }

  @Test func aTableChangesFromOneRequestToTheNext() throws {
    let old = Upstream("old"), new = Upstream("new")
    try put([("old", old, 1)])
    #expect(answers(3) == ["old", "old", "old"])
    try put([("old", old, 0), ("new", new, 1)])
    #expect(answers(3) == ["new", "new", "new"])
  }

  @Test func aTablesPlaceIsKeptForItsRole() throws {
    let live = LiveNode(
      folders: [Place.products],
      [
        "{ role: router, name: b, restart: { policy: on-failure, backoff_ms: 1000 }, "
          + "config: { table: '\(Self.closed)' } }"
      ],
      listen: ["data: { address: \"127.0.0.1:0\" }"])
    let port = live.node.services.http.listener("data")!.address.port
    func status() -> String {
      run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:\(port)/there"]).output
    }
    #expect(status() == "502")
    live.onControl { node in node.faulted(node.role("b")!.instance!, "it has to") }
    eventually("it has gone") { status() == "503" }
    eventually("it is back") { status() == "502" }
  }

  /// To where nobody listens.
  private static let closed = #"{"prefix": "/", "upstreams": [{"id": "a", "url": "http://127.0.0.1:1", "weight": 1}]}"#

  @Test func aClientStaysWithItsUpstream() throws {
    let servers = ["a", "b", "c"].map { (name: $0, server: Upstream($0), weight: 1) }
    try put(servers, "\"sticky\": {\"cookie\": \"session\"}")
    var places: Set<String> = []
    for session in 0..<12 {
      let all = Set(answers(5, ["-H", "Cookie: x=1; session=s\(session)"]))
      #expect(all.count == 1)
      places.formUnion(all)
    }
    #expect(places == ["a", "b", "c"], "many clients are spread")
    let header = Set(answers(6))
    #expect(header.count == 3, "without the cookie by turns")
  }

  @Test func aHeaderMayChoose() throws {
    let stable = Upstream("stable"), canary = Upstream("canary")
    try put(
      [("stable", stable, 1), ("canary", canary, 0)],
      "\"match\": [{\"header\": \"X-Tester\", \"value\": \"yes\", \"upstreams\": [\"canary\"]}]")
    #expect(curl("/", ["-H", "x-tester: yes"]).output == "canary")
    #expect(curl("/", ["-H", "x-tester: no"]).output == "stable")
    #expect(answers(5).allSatisfy { $0 == "stable" })
  }

  @Test func aCopyGoesToTheMirrorAndIsNotWaitedFor() throws {
    let server = Upstream("real")
    let mirror = Upstream { _, _ in .late(milliseconds: 300, "copy") }
    try put([("a", server, 1)], "\"mirror\": {\"url\": \"\(mirror.url)\"}")
    #expect(curl("/notes", ["-d", "hello"]).output == "real")
    eventually("the mirror has it") { mirror.requests.count == 1 }
    #expect(mirror.requests.first?.body == Array("hello".utf8) && mirror.requests.first?.target == "/notes")
  }

  @Test func copiesAreComparedWithTheOriginals() throws {
    let server = Upstream("real")
    let mirror = Upstream { request, _ in .text(request.target == "/same" ? 200 : 500, "copy") }
    try put([("a", server, 1)], "\"mirror\": {\"url\": \"\(mirror.url)\"}")
    for path in ["/same", "/other", "/other"] { _ = curl(path) }
    eventually("the copies are counted") {
      guard case .value(.json(let text)) = try? live.call("copies"), let sums = try? JSON(parsing: text) else {
        return false
      }
      return sums["requests"] == 3 && sums["differing"] == 2 && sums["failures"] == 2
        && sums["originals"] == 3
    }
  }

  @Test func theAnswerNamesItsUpstream() throws {
    let stable = Upstream("stable")
    let canary = Upstream { _, _ in
      .raw("HTTP/1.1 200 OK\r\nX-Version: mine\r\nContent-Length: 6\r\n\r\ncanary")
    }
    try put([("v1", stable, 1), ("v2", canary, 1)], "\"name_header\": \"X-Version\"")
    for _ in 0..<4 {
      let answer = curl("/", ["-i"]).output.lowercased()
      let name = answer.contains("canary") ? "x-version: v2" : "x-version: v1"
      #expect(answer.contains(name) && !answer.contains("mine"), "\(answer)")
    }
  }

  @Test func anUpstreamThatHasEnoughIsPassedOver() throws {
    let slow = Upstream { _, _ in .late(milliseconds: 700, "slow") }, other = Upstream("other")
    try put([("slow", slow, 1_000_000), ("other", other, 1)], "\"limits\": {\"requests\": 1}")
    let url = "http://127.0.0.1:\(live.node.services.http.listener("data")!.address.port)/"
    let both = run(["bash", "-c", "curl -sS \(url) & sleep 0.2; curl -sS \(url); echo; wait"])
    #expect(both.output == "other\nslow", "\(both.output)")
    #expect(curl().output == "slow", "it has room again")
    try put([("slow", slow, 1)], "\"limits\": {\"requests\": 1}")
    let full = run(["bash", "-c", "curl -sS \(url) & sleep 0.2; curl -sS -o /dev/null -w '%{http_code} ' \(url); wait"])
    #expect(full.output == "503 slow", "\(full.output)")
  }

  // MARK: What goes over

  @Test func theUpstreamLearnsWhoAsks() throws {
    let server = Upstream("hi")
    try put([("a", server, 1)])
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    _ = curl(
      "/a%20b?x=%2F",
      [
        "-H", "X-Forwarded-For: 1.2.3.4", "-H", "traceparent: \(trace)", "-H", "Connection: x-hop",
        "-H", "X-Hop: 1", "-H", "X-Stays: 2",
      ])
    let fields = try #require(server.requests.first?.fields)
    #expect(server.requests.first?.target == "/a%20b?x=%2F")
    #expect(fields["x-forwarded-for"] == "1.2.3.4, 127.0.0.1" && fields["x-forwarded-proto"] == "http")
    #expect(fields["x-forwarded-host"] == fields["host"] && fields["x-stays"] == "2" && fields["x-hop"] == nil)
    let own = try #require(fields["traceparent"])
    #expect(own.hasPrefix("00-0af7651916cd43dd8448eb211c80319c-") && own.hasSuffix("-01") && own != trace)
    _ = curl("/")
    let fresh = try #require(server.requests.last?.fields["traceparent"])
    #expect(fresh.hasPrefix("00-") && fresh.hasSuffix("-00") && fresh.count == 55)
  }

  @Test func theHostMayBeTheUpstreams() throws {
    let server = Upstream("hi")
    try put([("a", server, 1)], "\"host\": \"upstream\"")
    _ = curl("/", ["-H", "Host: example.org"])
    #expect(server.requests.first?.fields["host"] == "127.0.0.1:\(server.port)")
    #expect(server.requests.first?.fields["x-forwarded-host"] == "example.org")
  }

  @Test func dotsDoNotLeadPastThePrefix() throws {
    let server = Upstream("hi")
    let listed = "{\"id\": \"a\", \"url\": \"\(server.url)\"}"
    try put(table: "{\"prefix\": \"/open/\", \"upstreams\": [\(listed)]}")
    #expect(status("/open/../secret", ["--path-as-is"]) == "404")
    #expect(status("/open/x/../y?z=1", ["--path-as-is"]) == "200")
    #expect(server.requests.map(\.target) == ["/open/y?z=1"])
  }

  @Test func bodiesStreamBothWays() throws {
    let server = Upstream { request, _ in .text(200, String(repeating: "y", count: request.body.count)) }
    try put([("a", server, 1)])
    let port = live.node.services.http.listener("data")!.address.port
    let upload = "curl -sS --max-time 20 -T - http://127.0.0.1:\(port)/up"
    let (code, output) = run(["bash", "-c", "head -c 5000000 /dev/zero | \(upload) | wc -c"])
    #expect(code == 0 && output.contains("5000000"), "\(output)")
    #expect(server.requests.first?.fields["transfer-encoding"] == "chunked")
  }

  @Test func chunksHeadsAndTrailersGoThrough() throws {
    let server = Upstream { request, _ in
      request.method == "HEAD"
        ? .text(200, "12345")
        : .raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 3\r\n\r\n")
    }
    try put([("a", server, 1)])
    let whole = curl("/", ["-i", "--raw"]).output
    #expect(whole.contains("abc") && whole.lowercased().contains("x-sum: 3"), "\(whole)")
    let head = curl("/", ["-I"])
    #expect(head.code == 0 && head.output.lowercased().contains("content-length: 5"), "\(head)")
  }

  @Test func otherVersionsOfHTTPReachTheSameUpstream() throws {
    let server = Upstream { request, _ in .text(200, "\(request.method) \(request.body.count)") }
    try put([("a", server, 1)])
    #expect(curl("/", ["--http2-prior-knowledge", "-d", "four"]).output == "POST 4")
    #expect(curl("/", ["--http1.0"]).output == "GET 0")
  }

  // MARK: When it does not go well

  @Test func anUpstreamThatIsGoneIsTriedOnceAndAnotherServes() throws {
    let gone = Upstream("gone"), there = Upstream("there")
    gone.stop()
    try put([("gone", gone, 1), ("there", there, 1)], "\"ejection\": {\"failures\": 2, \"for_ms\": 60000}")
    #expect(answers(20).allSatisfy { $0 == "there" })
    let report = try stats("there")
    #expect(report.retries >= 1 && report.ejections == 1, "\(report)")
  }

  /// Of 20 requests, however often each was sent.
  func stats(_ id: String) throws -> (retries: Double, ejections: Double) {
    // Gathered once a second.
    var found: (Double, Double) = (0, 0)
    eventually("counts are gathered") {
      let text = live.node.services.metricsText
      func sum(_ name: String) -> Double {
        text.split(separator: "\n").filter { $0.hasPrefix("nodehost_forward_\(name)_total{") }
          .compactMap { Double($0.split(separator: " ").last ?? "") }.reduce(0, +)
      }
      found = (sum("retries"), sum("ejections"))
      return sum("requests") >= 20 + found.0
    }
    return found
  }

  @Test func whatMayHaveHadAnEffectIsNotSentTwice() throws {
    let rude = Upstream { _, _ in .nothing }
    try put([("rude", rude, 1)], "\"retries\": 3")
    #expect(status("/", ["-d", "x=1"]) == "502")
    #expect(rude.requests.count == 1)
  }

  @Test func anUpstreamThatIsTooSlowIsNotWaitedForForEver() throws {
    let slow = Upstream { _, _ in .late(milliseconds: 3_000, "late") }
    try put([("slow", slow, 1)], "\"timeout_ms\": 200")
    #expect(status() == "504")
  }

  @Test func anAnswerThatBreaksOffIsBrokenOffForTheClientToo() throws {
    let server = Upstream { _, _ in .raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this") }
    try put([("a", server, 1)])
    #expect([18, 52].contains(curl().code), "curl says that something, or all of it, is missing")
  }

  @Test func badUpstreamsAreFoundByTheirHealth() throws {
    let sick = Upstream { request, _ in request.target == "/health" ? .text(500, "") : .text(200, "sick") }
    let well = Upstream { request, _ in request.target == "/health" ? .text(204, "") : .text(200, "well") }
    try put(
      [("sick", sick, 1), ("well", well, 1)],
      "\"health\": {\"path\": \"/health\", \"interval_ms\": 20, \"unhealthy\": 2}")
    eventually("the sick one is left out") { answers(6).allSatisfy { $0 == "well" } }
  }

  @Test func nobodyFitToAnswer() throws {
    let sick = Upstream { _, _ in .text(500, "") }
    try put([("sick", sick, 1)], "\"health\": {\"interval_ms\": 20, \"unhealthy\": 1}")
    eventually("it is refused") { status() == "503" }
    #expect(curl("/", ["-i"]).output.lowercased().contains("retry-after: 1"))
  }

  // MARK: Changes under load

  @Test func changesAndSwapsUnderLoadLoseNothing() throws {
    let one = Upstream("one"), two = Upstream("two")
    try put([("one", one, 1), ("two", two, 1)])
    let port = live.node.services.http.listener("data")!.address.port
    let load = Pending<String>()
    Upstream.onThread {
      let answers = run([
        "curl", "-sS", "--no-progress-meter", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}\\n",
        "--parallel", "--parallel-max",
        "8", "http://127.0.0.1:\(port)/[1-3000]",
      ])
      load.end(answers.output)
    }
    for round in 0..<30 {
      try put([("one", one, round % 2), ("two", two, 1 - round % 2)])
      usleep(10_000)
    }
    _ = try live.swap(["b"], isForced: true).get()
    let codes = load.outcome().split(separator: "\n")
    #expect(codes.count == 3_000 && codes.allSatisfy { $0 == "200" }, "\(Set(codes))")
  }

  /// What is counted for a role is looked at each second, and a role may be gone by then.
  @Test func aRoleThatHasEndedIsCountedForNoMore() throws {
    let one = Upstream("one")
    try put([("one", one, 1)])
    #expect(curl().output == "one")
    weak let seat = try live.instance().seat
    live.onControl { $0.restart($0.role("b")!) }
    live.waits { $0.role("b")?.state == .running && $0.role("b")?.generation == 2 }
    eventually("its place has gone") { seat == nil }
    usleep(1_200_000)
    try put([("one", one, 1)])
    #expect(curl().output == "one")
  }

  @Test(arguments: [
    ("{}", "/upstreams", "expected at least one"),
    ("{\"upstreams\": [{\"id\": \"a\", \"url\": \"x\"}]}", "/upstreams/0/url", "expected http://HOST:PORT"),
    ("{\"upstreams\": [{\"id\": \"a\", \"url\": \"http://x\"}], \"stick\": 1}", "/stick", "did you mean `sticky`?"),
    (
      "{\"listener\": \"no\", \"upstreams\": [{\"id\": \"a\", \"url\": \"http://x\"}]}", "/listener", "no listener `no`"
    ),
    ("[]", "", "expected an object"),
  ]) func wrongTablesAreRefusedWithThePlace(_ table: String, _ place: String, _ words: String) {
    do {
      try put(table: table)
      Issue.record("it was taken")
    } catch {
      let said = (error as? Refused)?.words ?? "\(error)"
      #expect(said.contains(words) && said.contains(place), "\(said)")
    }
  }
}
