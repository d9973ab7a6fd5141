import Glibc
@testable import HostRuntime
import Testing
import TestPorts

/// Requests that two servers could understand differently, which is how one is smuggled behind another. The same bytes
/// go to nginx and to the node, with a second request behind them: both must find the same requests in them, and
/// where they do not there is a reason.
@Suite struct SmugglingTests {
  private static let tail = "GET /hello/tail HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

  @Test func theNodeFindsTheRequestsThatNginxFinds() throws {
    let web = WebNode()
    let nginx = try Nginx()
    for bytes in Self.cases {
      let theirs = Self.verdict(nginx.port, bytes + Self.tail), ours = Self.verdict(web.port(), bytes + Self.tail)
      let difference = Difference.all.first { $0.cases.contains(bytes) }
      let what: Comment = "\(bytes.debugDescription): nginx \(theirs), here \(ours)"
      switch difference?.kind {
      case nil: #expect(ours == theirs, what)
      case .stricter: #expect(ours.taken < theirs.taken && ours.isRefused, what)
      case .laxer: #expect(ours.taken > theirs.taken && theirs.isRefused, what)
      }
    }
    #expect(Difference.all.flatMap(\.cases).allSatisfy(Self.cases.contains), "each is tried")
  }

  /// What came of the bytes: how many requests were found in them, and whether something was found to be none.
  struct Verdict: Equatable, CustomStringConvertible {
    /// The statuses that say that the message itself is wrong; all others answer a request.
    private static let refusals = [400, 408, 411, 413, 414, 417, 431, 501, 505]

    var taken: Int
    var isRefused: Bool

    init(_ statuses: [Int]) {
      taken = statuses.count { !Self.refusals.contains($0) }
      isRefused = statuses.contains { Self.refusals.contains($0) }
    }

    var description: String { "takes \(taken)\(isRefused ? " and refuses the rest" : "")" }
  }

  private static func verdict(_ port: UInt16, _ request: String) -> Verdict {
    let client = RawClient(port)
    client.send(request)
    // Neither knows that nothing more comes before it is told.
    usleep(20_000)
    client.finish()
    return Verdict(answers(client.receive().text).map(\.status))
  }

  fileprivate static func get(_ fields: String = "", path: String = "/hello/x") -> String {
    "GET \(path) HTTP/1.1\r\nHost: x\r\n\(fields)\r\n"
  }

  fileprivate static func post(_ fields: String, _ body: String) -> String {
    "POST /count HTTP/1.1\r\nHost: x\r\n\(fields)\r\n\(body)"
  }

  fileprivate static let chunked = "Transfer-Encoding: chunked\r\n"
  static let cases: [String] = plain + lengths + codings + chunks + lines + targets

  private static let plain: [String] = [
    get(), post("Content-Length: 3\r\n", "abc"), post(chunked, "3\r\nabc\r\n0\r\n\r\n"),
    post("Content-Length: 0\r\n", ""), get("Content-Length: 3\r\n") + "abc", "\r\n" + get(),
    "GET /hello/x HTTP/1.0\r\n\r\n", "GET /hello/x HTTP/1.1\r\n\r\n",
    "GET /hello/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "GET /hello/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    "GET /hello/x HTTP/2.0\r\nHost: x\r\n\r\n", "GET /hello/x HTTP/1.2\r\nHost: x\r\n\r\n",
    "GET  /hello/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /hello/x  HTTP/1.1\r\nHost: x\r\n\r\n", "GET /hello/x HTTP/1.1 \r\nHost: x\r\n\r\n",
    "get /hello/x HTTP/1.1\r\nHost: x\r\n\r\n", "G\u{0}T /hello/x HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /hello/x http/1.1\r\nHost: x\r\n\r\n", "GET\t/hello/x HTTP/1.1\r\nHost: x\r\n\r\n",
  ]

  private static let lengths: [String] = [
    "Content-Length: 3\r\nContent-Length: 3\r\n", "Content-Length: 3\r\nContent-Length: 5\r\n",
    "Content-Length: 3, 3\r\n", "Content-Length: 3,5\r\n", "Content-Length: +3\r\n", "Content-Length: -3\r\n",
    "Content-Length: 0x3\r\n", "Content-Length: 3 \r\n", "Content-Length:\t3\r\n", "Content-Length: 3 4\r\n",
    "Content-Length: \r\n", "Content-Length: 3a\r\n", "Content-Length: 00003\r\n", "Content-Length: 3.0\r\n",
    "Content-Length: 18446744073709551619\r\n", "Content-Length: 9223372036854775811\r\n",
    "Content-Length : 3\r\n", " Content-Length: 3\r\n", "Content-Length\t: 3\r\n", "Content_Length: 3\r\n",
    "Content-Length: \u{B}3\r\n", "Content-Length: 3\u{0}\r\n", "Content-Length: ;3\r\n",
    "X: a\r\nContent-Length: 3\r\n",
  ].map { post($0, "abc") }

  private static let codings: [String] = [
    "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    "Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: chunked, identity\r\n",
    "Transfer-Encoding: identity, chunked\r\n", "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "Transfer-Encoding: Chunked\r\n",
    "Transfer-Encoding: CHUNKED\r\n", "Transfer-Encoding:chunked\r\n", "Transfer-Encoding:\tchunked\r\n",
    "Transfer-Encoding: chunked \r\n", "Transfer-Encoding : chunked\r\n", " Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: \"chunked\"\r\n", "Transfer-Encoding: chunked;q=1\r\n", "Transfer-Encoding: \u{B}chunked\r\n",
    "Transfer-Encoding: ,chunked\r\n", "Transfer-Encoding: chunked,\r\n", "Transfer-Encoding:\r\n chunked\r\n",
    "X: y\r\n\tTransfer-Encoding: chunked\r\n", "Transfer_Encoding: chunked\r\n", "Transfer-Encoding: c\u{0}hunked\r\n",
    "Transfer-Encoding:\u{A0}chunked\r\n",
  ].map { post($0, "3\r\nabc\r\n0\r\n\r\n") }

  private static let chunks: [String] = [
    "3;a=b\r\nabc\r\n0\r\n\r\n", "3;a=\"b\"\r\nabc\r\n0\r\n\r\n", "3 \r\nabc\r\n0\r\n\r\n", "3\t\r\nabc\r\n0\r\n\r\n",
    "03\r\nabc\r\n0\r\n\r\n", "0x3\r\nabc\r\n0\r\n\r\n", "+3\r\nabc\r\n0\r\n\r\n", "-3\r\nabc\r\n0\r\n\r\n",
    " 3\r\nabc\r\n0\r\n\r\n", "3\nabc\r\n0\r\n\r\n", "3\rabc\r\n0\r\n\r\n", "3\r\nabcd\r\n0\r\n\r\n",
    "3\r\nab\r\n0\r\n\r\n",
    "3\r\nabc0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "g\r\nabc\r\n0\r\n\r\n", "\r\nabc\r\n0\r\n\r\n",
    "3\r\nabc\r\n000000\r\n\r\n", "FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n", "8000000000000003\r\nabc\r\n0\r\n\r\n",
    "10000000000000003\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    "3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n",
    "3\r\nabc\r\n0\r\nX y\r\n\r\n", "3\r\nabc\r\n0\r\n X: y\r\n\r\n", "3\r\nabc\r\n0\n\r\n", "3\r\nabc\r\n0\r\n\n",
    "3;\u{0}\r\nabc\r\n0\r\n\r\n", "3;\rx\r\nabc\r\n0\r\n\r\n", "3;\n\r\nabc\r\n0\r\n\r\n", "3 ;a\r\nabc\r\n0\r\n\r\n",
    "3 a\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0;x\r\n\r\n",
  ].map { post(chunked, $0) }

  private static let lines: [String] = [
    "GET /hello/x HTTP/1.1\nHost: x\n\n", "GET /hello/x HTTP/1.1\r\nHost: x\n\r\n",
    "GET /hello/x HTTP/1.1\r\nHost: x\r\n\n", "GET /hello/x HTTP/1.1\r\nHost: x\r\rX: y\r\n\r\n",
    "\n" + get(), "\r\n\r\n" + get(), " " + get(), "GET /hello/x HTTP/1.1\r\n Host: x\r\n\r\n",
    get("X\r\n"), get(": y\r\n"), get("X: a\r\n b\r\n"), get("X: a\u{0}b\r\n"),
    get("X: a\u{7F}b\r\n"), get("X: a\u{1}b\r\n"), get("X y: a\r\n"), get("X\u{1}: a\r\n"),
    get("X(: a\r\n"), get("X: a\rb\r\n"), get("X:\r\n"), get("é: a\r\n"), get("X: é\r\n"),
    get("Connection: close, te\r\n"), get("Expect: 200-ok\r\n"),
  ]

  private static let targets: [String] = [
    "/hello/x?a=b", "/hello/%41", "/hello/%00", "/hello/%zz", "/hello/%", "/hello/../hello/x", "/../../hello/x",
    "/hello/x#y", "hello/x", "*", "http://x/hello/x", "http://other/hello/x", "//hello/x", "/hello/\u{1}", "/hello/é",
    "/hello/\\x", "/hello/%2e%2e/hello/x", "/hello/x y", "/hello/\"x\"", "/hello/<x>",
  ].map { get(path: $0) }
}

/// Where the node and nginx part, and why.
private struct Difference {
  enum Kind { case stricter, laxer }

  var kind: Kind
  var reason: String
  var cases: [String]

  init(_ kind: Kind, _ reason: String, _ cases: [String]) {
    (self.kind, self.reason, self.cases) = (kind, reason, cases)
  }

  private static let get = SmugglingTests.get(_:path:)
  private static let post = SmugglingTests.post
  private static let end = "\r\nHost: x\r\n\r\n"

  private static func chunked(_ body: String) -> String { post(SmugglingTests.chunked, body) }

  static let all: [Difference] = [
    Difference(
      .laxer, "a method is any token, of whatever case (RFC 9110, 9.1); such as no route has is answered with 405",
      ["get /hello/x HTTP/1.1\(end)", post("Content_Length: 3\r\n", "abc")]),
    Difference(
      .laxer, "the space before a value may be a tab (RFC 9110, 5.6.3)",
      [post("Content-Length:\t3\r\n", "abc"), post("Transfer-Encoding:\tchunked\r\n", "3\r\nabc\r\n0\r\n\r\n")]),
    Difference(.stricter, "nobody knows what HTTP/1.2 would mean", ["GET /hello/x HTTP/1.2\(end)"]),
    Difference(
      .stricter, "one space stands between the parts of the first line (RFC 9112, 3)",
      ["GET  /hello/x HTTP/1.1\(end)", "GET /hello/x  HTTP/1.1\(end)", "GET /hello/x HTTP/1.1 \(end)"]),
    Difference(
      .stricter, "a reader may take LF for a line's end and need not (RFC 9112, 2.2), so another may differ",
      [
        "GET /hello/x HTTP/1.1\nHost: x\n\n", "GET /hello/x HTTP/1.1\r\nHost: x\n\r\n",
        "GET /hello/x HTTP/1.1\r\nHost: x\r\n\n", "\n" + get("", "/hello/x"), chunked("3\nabc\r\n0\r\n\r\n"),
        chunked("3\r\nabc\n0\r\n\r\n"), chunked("3\r\nabc\r\n0\n\r\n"), chunked("3\r\nabc\r\n0\r\n\n"),
      ]),
    Difference(.stricter, "one empty line before a request is enough", ["\r\n\r\n" + get("", "/hello/x")]),
    Difference(.stricter, "a chunk is as long as it says", [chunked("3\r\nab\r\n0\r\n\r\n")]),
    Difference(
      .stricter, "what is no extension does not stand behind a chunk's size",
      [chunked("3;\u{0}\r\nabc\r\n0\r\n\r\n"), chunked("3 a\r\nabc\r\n0\r\n\r\n")]),
    Difference(
      .stricter, "trailers are read as strictly as headers",
      [chunked("3\r\nabc\r\n0\r\nX y\r\n\r\n"), chunked("3\r\nabc\r\n0\r\n X: y\r\n\r\n")]),
    Difference(
      .stricter, "what is no header is refused, not passed over",
      [
        get("X\r\n", "/hello/x"), get("X(: a\r\n", "/hello/x"), get("é: a\r\n", "/hello/x"),
        get("X: a\u{7F}b\r\n", "/hello/x"), get("X: a\u{1}b\r\n", "/hello/x"),
      ]),
    Difference(.stricter, "nothing else can be expected (RFC 9110, 10.1.1)", [get("Expect: 200-ok\r\n", "/hello/x")]),
    Difference(
      .stricter, "a target has no fragment, and what is not ASCII is escaped (RFC 9112, 3.2)",
      [get("", "/hello/x#y"), get("", "/hello/é")]),
  ]
}

/// nginx with a listener that answers everything with 200, in a folder of its own.
private final class Nginx {
  let port: UInt16
  private let folder = Place.temporaryFolder()

  init() throws {
    port = freePorts(1)[0]
    let text = """
      daemon on; pid \(folder)/pid; error_log \(folder)/errors; worker_processes 1;
      events { worker_connections 64; }
      http {
        access_log off; client_body_temp_path \(folder)/a; proxy_temp_path \(folder)/b; fastcgi_temp_path \(folder)/c;
        uwsgi_temp_path \(folder)/d; scgi_temp_path \(folder)/e;
        server { listen 127.0.0.1:\(port); location / { return 200 taken; } }
      }
      """
    #expect(writeFile("\(folder)/conf", Array(text.utf8), mode: 0o600))
    // In the background it would hold on to the test's own output.
    let command = "nginx -e \(folder)/errors -c \(folder)/conf -p \(folder) >\(folder)/output 2>&1"
    let code = run(["sh", "-c", command]).code
    try #require(code == 0, "\(run(["cat", "\(folder)/output"]).output)")
  }

  deinit {
    if let text = readFile("\(folder)/pid", limit: 32),
      let process = Int32(String(decoding: text, as: UTF8.self).filter(\.isNumber))
    {
      kill(process, SIGTERM)
    }
    run(["rm", "-rf", folder])
  }
}
