import Glibc
@testable import HostRuntime
import NodeValues
import Testing

/// What a listener does besides answering, in both versions of HTTP.
@Suite struct HTTPListenerTests {
  /// curl's words for each version.
  static let versions = [["--http1.1"], ["--http2-prior-knowledge"]]

  // MARK: Compression

  @Test(arguments: versions) func largeTextsAreCompressedForWhoCanReadIt(_ version: [String]) {
    let web = WebNode("compress_from: 1000")
    let gzip = version + ["-H", "Accept-Encoding: br, gzip;q=0.8", "-D", "-"]
    let plain = web.curl("/text/100000", version + ["-D", "-", "-o", "/dev/null", "-w", "%{size_download}"]).output
    #expect(plain.hasSuffix("100000") && plain.contains("vary: accept-encoding"))
    #expect(!plain.contains("content-encoding"))
    let head = web.curl("/text/100000", gzip + ["-o", "/dev/null"]).output
    #expect(head.contains("content-encoding: gzip\r\n") && head.contains("vary: accept-encoding\r\n"), "\(head)")
    #expect(head.contains("etag: W/\"one\"\r\n") && !head.contains("accept-ranges"))
    let body = web.curl("/text/100000", version + ["--compressed", "-w", "%{size_download}"]).output
    #expect(body.prefix(100_000).allSatisfy { $0 == "x" })
    #expect(Int(body.dropFirst(100_000)).map { $0 < 1000 } == true, "few bytes travel")
    #expect(!web.curl("/text/999", gzip + ["-o", "/dev/null"]).output.contains("content-encoding"))
    #expect(!web.curl("/text/5000", version + ["-H", "Accept-Encoding: gzip;q=0", "-i"]).output.contains("gzip"))
    #expect(
      !web.curl("/pour/5000", gzip + ["-o", "/dev/null"]).output.contains("content-encoding"), "of no known type")
  }

  @Test(arguments: versions) func aHeadTellsNoLengthThatIsNotTrue(_ version: [String]) {
    let web = WebNode("compress_from: 1000")
    let head = web.curl("/text/5000", version + ["-I", "-H", "Accept-Encoding: gzip"]).output
    #expect(head.contains("vary: accept-encoding\r\n") && !head.contains("content-encoding"), "\(head)")
  }

  @Test func eachEventOfACompressedStreamLeavesAtOnce() {
    let web = WebNode("compress_from: 64")
    let client = web.connect()
    client.send("GET /tick HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
    // A flushed piece ends in an empty stored block.
    let answer = client.receiveBytes { $0.hasSuffix([0, 0, 0xFF, 0xFF, 13, 10]) }
    #expect(!answer.isClosed && String(decoding: answer.bytes, as: UTF8.self).contains("content-encoding: gzip"))
  }

  // MARK: The access log

  @Test(arguments: versions) func eachRequestIsALineOfJSON(_ version: [String]) throws {
    let folder = Place.temporaryFolder()
    defer { run(["rm", "-rf", folder]) }
    let web = WebNode("access_log: \(folder)/access.log")
    _ = web.curl("/hello/ada?a=%22b", version + ["-A", "an \"agént\" \\"])
    _ = web.curl("/nothing", version)
    _ = web.curl("/short", version)
    let lines = try Self.lines("\(folder)/access.log", 3)
    #expect(lines[0]["method"] == "GET" && lines[0]["status"] == 200 && lines[0]["bytes"] == 11)
    #expect(lines[0]["target"] == "/hello/ada?a=%22b" && lines[0]["agent"] == "an \"agént\" \\")
    #expect(lines[0]["protocol"] == (version == ["--http1.1"] ? "HTTP/1.1" : "HTTP/2"))
    #expect(lines[0]["listener"] == "data" && lines[0]["whole"] == true && lines[0]["secure"] == false)
    #expect(lines[1]["status"] == 404)
    // logrotate moves the file away and sends SIGHUP.
    #expect(run(["mv", "\(folder)/access.log", "\(folder)/old.log"]).code == 0)
    #expect(web.live.node.services.http.reopenLogs() == [])
    _ = web.curl("/nothing", version)
    #expect(try Self.lines("\(folder)/access.log", 1)[0]["target"] == "/nothing")
    #expect(try Self.lines("\(folder)/old.log", 3).count == 3)
  }

  @Test func whatIsNoHTTPIsNotedToo() throws {
    let folder = Place.temporaryFolder()
    defer { run(["rm", "-rf", folder]) }
    let web = WebNode("access_log: \(folder)/access.log")
    _ = web.exchange("\u{1}\u{2}\r\n\r\n")
    _ = web.exchange("GET /\"\\x HTTP/1.1\r\nHost: \u{7F}\r\n\r\n")
    #expect(try Self.lines("\(folder)/access.log", 2).allSatisfy { $0["status"] == 400 })
  }

  @Test func aConnectionWithoutARequestIsNone() {
    let web = WebNode("status: on")
    for _ in 0..<5 {
      let client = web.connect()
      client.finish()
      #expect(client.receive().isClosed)
    }
    #expect(web.curl("/metrics").output.contains("nodehost_http_failures_total{node=\"node-t\",listener=\"data\"} 0\n"))
  }

  private static func lines(_ path: String, _ count: Int) throws -> [JSON] {
    var text = ""
    eventually("\(count) lines") {
      text = String(decoding: readFile(path, limit: 1 << 20) ?? [], as: UTF8.self)
      return text.split(separator: "\n").count == count
    }
    return try text.split(separator: "\n").map { try JSON(parsing: String($0)) }
  }

  // MARK: Limits

  @Test func whoSendsHeadsSlowlyIsRefused() {
    let web = WebNode("limits: { head_ms: 1000, idle_ms: 60000 }")
    let silent = web.connect(), slow = web.connect(), slowSecond = web.connect(), http2 = web.connect()
    slow.send("GET /hello/ada HTTP/1.1\r\nHost: x\r\n")
    slowSecond.send("GET /hello/ada HTTP/1.1\r\nHost: x\r\n\r\nGET /hel")
    http2.send(Frames.preface + Frames.headers(1, ends: false, headEnds: false))
    for number in 0..<15 {
      usleep(100_000)
      slow.send("X-\(number): slow\r\n")
    }
    #expect(statuses(slow.receive().text) == [408])
    #expect(statuses(slowSecond.receive().text) == [200, 408])
    #expect(silent.receive().isClosed)
    let last = Frames.parse(http2.receiveBytes { _ in false }.bytes).last
    #expect(last?.type == 7 && last?.code == 11, "GOAWAY, ENHANCE_YOUR_CALM: \(String(describing: last))")
  }

  @Test func whoSendsBodiesSlowlyIsRefused() {
    let web = WebNode("limits: { stall_ms: 1000 }")
    let first = web.connect(), http2 = web.connect()
    first.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
    http2.send(Frames.preface + Frames.headers(1, method: "POST", path: "/count", ends: false))
    for _ in 0..<15 {
      usleep(100_000)
      first.send("x")
      http2.send(Frames.data(1, [0x78], ends: false))
    }
    #expect(statuses(first.receive().text) == [408])
    let answered = http2.receiveBytes { Frames.parse($0).contains { $0.type == 1 && $0.stream == 1 } }
    #expect(!answered.isClosed, "it is answered with 408")
    eventually("the role has forgotten both") { (try? web.open()) == 0 }
  }

  @Test func whoDoesNotReadIsCutOff() throws {
    let web = WebNode("limits: { stall_ms: 1000 }")
    let first = web.connect(), http2 = web.connect()
    first.send("GET /pour/100000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    http2.send(Frames.preface + Frames.headers(1, path: "/pour/100000000"))
    eventually("both came") { (try? web.open()) == 2 }
    eventually("the role has forgotten both") { (try? web.open()) == 0 }
  }

  @Test func idleConnectionsEndAndBusyOnesDoNot() {
    let web = WebNode("limits: { idle_ms: 1000 }")
    let idle = web.connect(), busy = web.connect(), http2 = web.connect()
    idle.send("GET /hello/ada HTTP/1.1\r\nHost: x\r\n\r\n")
    http2.send(Frames.preface)
    busy.send("GET /later/2500 HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(busy.receive(endingIn: "late from 1").hasSuffix("late from 1"))
    let rest = idle.receive()
    #expect(rest.isClosed && statuses(rest.text) == [200])
    let last = Frames.parse(http2.receiveBytes { _ in false }.bytes).last
    #expect(last?.type == 7 && last?.code == 0)
  }

  @Test func moreConnectionsThanAllowedAreClosed() {
    let web = WebNode("limits: { connections: 4 }")
    let clients = (0..<4).map { _ in web.connect() }
    for client in clients {
      client.send("GET /hello/ada HTTP/1.1\r\nHost: x\r\n\r\n")
      #expect(client.receive(endingIn: "ada\n").hasSuffix("ada\n"))
    }
    #expect(web.connect().receive().isClosed)
    clients[0].finish()
    #expect(clients[0].receive().isClosed)
    eventually("there is room again") { web.status("/hello/ada") == "200" }
  }

  @Test(arguments: versions) func whatIsTooLargeIsRefused(_ version: [String]) {
    let web = WebNode("body_limit: 1000")
    let body = String(repeating: "x", count: 1001)
    #expect(web.status("/count", version + ["-d", body]) == "413")
    #expect(web.status("/count", version + ["-d", body, "-H", "Transfer-Encoding: chunked"]) == "413")
    #expect(web.curl("/count", version + ["-d", String(body.dropLast())]).output == "1000")
    #expect(web.status("/hello/ada", version + ["-H", "X-Large: \(String(repeating: "x", count: 40_000))"]) == "431")
    let many = (0..<150).flatMap { ["-H", "X-\($0): many"] }
    #expect(web.status("/hello/ada", version + many) == "431")
    #expect(web.status("/hello/" + String(repeating: "a", count: 40_000), version).hasPrefix("4"))
  }
}
