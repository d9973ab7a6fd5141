import Glibc
@testable import HostRuntime
import NodeValues
import Testing

/// HTTP/1.1 as clients speak it, against a role in C.
@Suite struct HTTPServerTests {
  let web = WebNode("status: on")

  @Test func answersOneAfterTheOtherOnOneConnection() {
    let (code, output) = run([
      "curl", "-sS", "-v", "--max-time", "10", web.url("/hello/ada"), web.url("/hello/bob"), web.url("/hello/%C3%A9ve"),
    ])
    #expect(code == 0)
    #expect(output.contains("hello, ada\n") && output.contains("hello, bob\n") && output.contains("hello, éve\n"))
    #expect(output.contains("Re-using existing") || output.contains("Reusing existing"), "\(output)")
  }

  @Test func answersPipelinedRequestsInTheirOrder() {
    let names = (0..<50).map { "n\($0)" }
    let requests = names.map { "GET /hello/\($0) HTTP/1.1\r\nHost: x\r\n\r\n" }.joined()
    let answer = web.exchange(requests + "GET /hello/end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    let bodies = answer.split(separator: "\r\n").filter { $0.hasPrefix("hello, ") }
    #expect(statuses(answer).count == 51)
    #expect(bodies.enumerated().allSatisfy { $1.hasPrefix("hello, \($0 < 50 ? "n\($0)" : "end")\n") })
  }

  @Test func pipelinedBodiesAreNotMixedUp() {
    let bodies = (0..<20).map { String(repeating: "\($0 % 10)", count: 1 + $0 * 700) }
    let requests = bodies.enumerated().map { number, body in
      number % 2 == 0
        ? "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
        : "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
          + "\(String(body.utf8.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
    }
    let end = "GET /hello/end HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    let answer = web.exchange(requests.joined() + end)
    #expect(answers(answer).map(\.status) == [Int](repeating: 200, count: 21))
    #expect(answers(answer).map(\.body) == bodies + ["hello, end\n"])
  }

  @Test func everyByteOfARequestMayComeAlone() {
    let client = web.connect()
    for byte in "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".utf8 {
      client.send([byte])
      usleep(200)
    }
    // In one chunk or in several, as it came.
    let lines = client.receive(endingIn: "0\r\n\r\n").split(separator: "\r\n").drop { !$0.hasPrefix("transfer-enc") }
    #expect(lines.filter { $0.first?.isLetter == true }.dropFirst().joined() == "abc", "\(lines)")
  }

  @Test func bodiesGoBothWaysInAnyFraming() {
    #expect(web.curl("/echo", ["-d", "hello"]).output == "hello")
    #expect(web.curl("/echo", ["-d", "hello", "-H", "Transfer-Encoding: chunked"]).output == "hello")
    #expect(web.curl("/echo", ["-d", "hello", "--http1.0"]).output == "hello")
    #expect(web.curl("/count", ["-d", ""]).output == "0")
    #expect(web.curl("/count", ["-d", "12345", "-H", "Expect: 100-continue"]).output == "5")
  }

  @Test func theOldVersionIsAnsweredInItsWay() {
    let closed = web.exchange("GET /hello/ada HTTP/1.0\r\n\r\n")
    #expect(closed.contains("connection: close\r\n") && closed.hasSuffix("hello, ada\n"))
    let poured = web.exchange("GET /pour/10 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    #expect(!poured.contains("chunked") && poured.hasSuffix("\r\n\r\nxxxxxxxxxx"))
    let client = web.connect()
    client.send("GET /hello/ada HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    #expect(client.receive(endingIn: "ada\n").contains("connection: keep-alive\r\n"))
    client.send("GET /hello/bob HTTP/1.0\r\n\r\n")
    #expect(client.receive().isClosed)
  }

  @Test func aHeadRequestGetsTheHeadAlone() {
    let answer = web.exchange("HEAD /hello/ada HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(answer.contains("content-length: 11\r\n") && answer.hasSuffix("\r\n\r\n"))
    let poured = web.exchange(
      "HEAD /pour/100 HTTP/1.1\r\nHost: x\r\n\r\nGET /hello/b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(statuses(poured) == [200, 200] && !poured.contains("xxx"))
  }

  @Test func trailersComeBehindTheLastChunk() {
    let answer = web.exchange("GET /trailers HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(answer.hasSuffix("4\r\nbody\r\n0\r\nx-sum: 42\r\n\r\n"))
  }

  @Test func whoeverWaitsIsToldToContinue() {
    let client = web.connect()
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    // The role has begun its answer before it saw the body, so there is nothing to wait for.
    #expect(statuses(client.receive(endingIn: "\r\n\r\n")).count == 1)
    let other = web.connect()
    other.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    #expect(other.receive(endingIn: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
    other.send("abcd")
    #expect(other.receive(endingIn: "\r\n\r\n4").hasSuffix("4"))
    let refused = web.connect()
    refused.send("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    let answer = refused.receive()
    #expect(statuses(answer.text) == [403] && answer.isClosed, "\(answer)")
  }

  @Test func aBodyThatNobodyWantsIsPassedOver() {
    let body = String(repeating: "x", count: 10_000)
    let both = web.exchange(
      "POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n\(body)"
        + "GET /hello/ada HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    #expect(statuses(both) == [403, 200])
    // More than that is not worth reading.
    let client = web.connect()
    client.send("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n\(body)")
    let answer = client.receive()
    #expect(answer.text.contains("connection: close") && answer.isClosed)
  }

  @Test func whatIsMissingIsToldWithItsStatus() {
    #expect(web.status("/nothing") == "404")
    #expect(web.status("/hello/ada", ["-X", "POST"]) == "405")
    #expect(web.curl("/hello/ada", ["-X", "POST", "-i"]).output.contains("allow: GET\r\n"))
    #expect(web.curl("/healthz").output == "alive\n")
    #expect(web.curl("/readyz").output.contains("\"ready\":true"))
    #expect(web.curl("/metrics").output.contains("nodehost_http_requests_total{"))
  }

  @Test func aPlaceIsKeptForARoleThatComesBack() throws {
    let web = WebNode(backoff: 1_000)
    _ = web.status("/fail")
    eventually("it has gone") { web.curl("/hello/ada").output == "b is not there\n" }
    let answer = web.curl("/hello/ada", ["-i"]).output
    #expect(answer.hasPrefix("HTTP/1.1 503") && answer.contains("retry-after: 1\r\n"), "\(answer)")
    #expect(web.status("/nothing") == "404")
    eventually("it is back") { web.status("/hello/ada") == "200" }
    web.live.onControl { node in node.remove(node.role("b")!) }
    eventually("nobody waits for it") { web.status("/hello/ada") == "404" }
  }

  /// A client of gRPC takes UNAVAILABLE (14) for what passes, and UNIMPLEMENTED (12) for what stays.
  @Test func aServicesPlaceIsKeptToo() {
    let live = LiveNode(
      folders: [Place.products], ["{ role: gateway, name: b, restart: { policy: on-failure, backoff_ms: 1000 } }"],
      listen: ["data: { address: \"127.0.0.1:0\" }"])
    let url = "http://127.0.0.1:\(live.node.services.http.listener("data")!.address.port)/GatewayService/HealthCheck"
    func answer() -> String {
      run([
        "curl", "-si", "--http2-prior-knowledge", "-H", "content-type: application/grpc", "-H", "te: trailers",
        "--data-binary", "", url,
      ]).output
    }
    live.onControl { node in node.faulted(node.role("b")!.instance!, "it has to") }
    eventually("it has gone") { answer().contains("grpc-status: 14\r\n") && answer().contains("b is not there") }
    live.onControl { node in node.remove(node.role("b")!) }
    eventually("nobody waits for it") { !answer().contains("grpc-status: 14\r\n") }
  }

  @Test func headersThatCouldSplitAnAnswerAreRefused() {
    for kind in ["a%0d%0aset-cookie:%20b", "a%0ab", "a%0db", "a%01"] {
      let answer = web.curl("/bad/\(kind)", ["-i"])
      #expect(answer.output.hasPrefix("HTTP/1.1 500") && answer.output.hasSuffix("refused"), "\(kind): \(answer)")
    }
    #expect(web.curl("/bad/fine", ["-i"]).output.contains("x-bad: fine\r\n"))
  }

  @Test func anAnswerThatIsTooShortClosesTheConnection() {
    #expect(web.curl("/short").code == 18, "curl says that something is missing")
  }

  @Test func whoHangsUpIsForgotten() throws {
    do {
      let client = web.connect()
      client.send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
      eventually("it came") { (try? web.open()) == 1 }
    }
    eventually("it is gone") { (try? web.open()) == 0 }
  }

  @Test func whoOnlyClosesItsHalfStillGetsTheAnswer() {
    let client = web.connect()
    client.send("GET /later/200 HTTP/1.1\r\nHost: x\r\n\r\n")
    client.finish()
    let answer = client.receive()
    #expect(answer.text.hasSuffix("late from 1") && answer.isClosed, "\(answer)")
  }

  @Test func largeBodiesGoThroughWhole() {
    let file = "\(web.live.folder)/large"
    #expect(run(["dd", "if=/dev/urandom", "of=\(file)", "bs=1M", "count=64", "status=none"]).code == 0)
    let back = "\(web.live.folder)/back"
    #expect(web.curl("/echo", ["--data-binary", "@\(file)", "-H", "Expect:", "-o", back]).code == 0)
    #expect(run(["cmp", file, back]).code == 0)
    #expect(web.curl("/count", ["-T", file, "-X", "POST"]).output == "67108864")
    #expect(web.curl("/pour/200000000", ["-o", "/dev/null", "-w", "%{size_download}"]).output == "200000000")
  }

  @Test func aSlowReaderHoldsTheRoleUpAndNotTheMemory() throws {
    let before = Self.residentKilobytes()
    let clients = (0..<20).map { _ in web.connect() }
    for client in clients { client.send("GET /pour/1000000000 HTTP/1.1\r\nHost: x\r\n\r\n") }
    usleep(500_000)
    let after = Self.residentKilobytes()
    #expect(after - before < 40_000, "20 clients that do not read may hold 256 KiB each, not \(after - before) KB")
    #expect(web.curl("/hello/ada").output == "hello, ada\n")
    #expect(try web.open() == 20)
  }

  private static func residentKilobytes() -> Int {
    let output = run(["grep", "VmRSS", "/proc/\(getpid())/status"]).output
    return Int(output.split(whereSeparator: { !$0.isNumber }).first ?? "") ?? 0
  }

  @Test func manyClientsAreServedAtOnce() {
    let clients = (0..<400).map { _ in web.connect() }
    for client in clients { client.send("GET /later/100 HTTP/1.1\r\nHost: x\r\n\r\n") }
    let answers = clients.map { $0.receive(endingIn: "late from 1") }
    #expect(answers.allSatisfy { $0.hasSuffix("late from 1") })
  }
}
