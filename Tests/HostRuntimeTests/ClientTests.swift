import CNodeABI
@testable import HostRuntime
import NodeValues
import Testing

/// The client service: a role that asks servers which answer well, badly, late or not at all.
@Suite struct ClientTests {
  let live = LiveNode(
    folders: [Place.products], ["{ role: asker, name: b, cold_start: on, limits: { swap_ms: 300, drain_ms: 200 } }"])

  func ask(
    _ url: String, _ method: String = "GET", body: String = "", timeout: Int = 5_000, retries: Int = 0
  ) throws -> JSON {
    let outcome = try live.call(
      "ask", [.text(method), .text(url), .text(body), .int(Int64(timeout)), .int(Int64(retries))])
    guard case .value(.json(let text)) = outcome else { throw Refused(words: "\(outcome)") }
    return try JSON(parsing: text)
  }

  struct Refused: Error { var words: String }

  /// What was said instead of an answer.
  func refusal(_ url: String, timeout: Int = 5_000, retries: Int = 0) -> String {
    do { return "answered: \(try ask(url, timeout: timeout, retries: retries))" } catch {
      return (error as? Refused)?.words ?? "\(error)"
    }
  }

  @Test func anAnswerComesWhole() throws {
    let server = Upstream { request, _ in .text(201, "\(request.method) \(request.target)") }
    let answer = try ask("\(server.url)/notes?kind=x#part", "POST", body: "hello")
    #expect(answer["status"] == 201 && answer["body"] == "POST /notes?kind=x")
    #expect(answer["headers"]?["x-upstream"] == "yes")
    let request = try #require(server.requests.first)
    #expect(request.fields["host"] == "127.0.0.1:\(server.port)" && request.fields["x-asked-by"] == "b")
    #expect(request.fields["user-agent"] == "nodehost" && request.body == Array("hello".utf8))
  }

  @Test func connectionsAreUsedAgain() throws {
    let server = Upstream("hi")
    for _ in 0..<20 { #expect(try ask(server.url)["body"] == "hi") }
    #expect(server.connections == 1)
  }

  @Test(arguments: ["HEAD", "DELETE", "OPTIONS", "PATCH"]) func methodsAreTheRoles(_ method: String) throws {
    let server = Upstream("hi")
    let answer = try ask("\(server.url)/x", method)
    #expect(server.requests.first?.method == method)
    #expect(answer["body"]?.string == (method == "HEAD" ? "" : "hi"))
  }

  @Test func chunksAndTrailersArrive() throws {
    let server = Upstream { _, _ in
      .raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n")
    }
    let answer = try ask(server.url)
    #expect(answer["body"] == "abcde" && answer["trailers"]?["x-sum"] == "5")
  }

  @Test func anAnswerMayEndWithItsConnection() throws {
    let server = Upstream { _, _ in .raw("HTTP/1.1 200 OK\r\n\r\nall of it") }
    #expect(try ask(server.url)["body"] == "all of it")
  }

  @Test func statusesAreAnswersAndNotFailures() throws {
    let server = Upstream { _, _ in .text(503, "later") }
    #expect(try ask(server.url, retries: 3)["status"] == 503)
    #expect(server.requests.count == 1, "it was answered, so it is not sent again")
  }

  // MARK: What goes wrong

  @Test func nobodyThere() {
    let server = Upstream("hi")
    server.stop()
    eventually("its port is closed") { refusal(server.url).contains("onnection refused") }
    #expect(refusal(server.url).contains("UNAVAILABLE") || refusal(server.url).contains("14"))
  }

  @Test func anAnswerThatIsTooLate() {
    let server = Upstream { _, _ in .late(milliseconds: 2_000, "at last") }
    #expect(refusal(server.url, timeout: 100).contains("no whole answer within 100 ms"))
    #expect((try? live.call("open")) == .value(.int(0)))
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "in the middle of its answer"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "not understood"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "not understood"),
    ("what is this", "its answer"),
    ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "another protocol"),
    ("", "without an answer"),
  ]) func anAnswerThatIsNone(_ raw: String, _ words: String) {
    let server = Upstream { _, _ in .raw(raw) }
    #expect(refusal(server.url).contains(words), "\(refusal(server.url))")
  }

  @Test(arguments: ["ftp://x/", "http://", "http://user@host/", "nonsense", "http://127.0.0.1:99999/", "http://a b/"])
  func addressesThatAreNone(_ url: String) {
    #expect(refusal(url).contains("is no http:// or https:// address"), "\(refusal(url))")
  }

  @Test func namesThatNobodyHas() {
    #expect(refusal("http://nobody.invalid/").contains("nobody.invalid"))
  }

  /// A kept connection that the server has closed meanwhile is no failure of the request.
  @Test func aConnectionThatWasClosedMeanwhileIsNotNoticed() throws {
    let server = Upstream { _, number in
      number % 2 == 1 ? .raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") : .text(200, "again")
    }
    #expect(try ask(server.url)["body"] == "hi")
    #expect(try ask(server.url)["body"] == "again")
    #expect(try ask(server.url)["body"] == "hi")
  }

  /// What has perhaps had an effect is not repeated, unless doing it twice is the same as once.
  @Test func onlyWhatHadNoEffectIsTriedAgain() throws {
    let server = Upstream { _, number in number == 1 ? .nothing : .text(200, "hi") }
    #expect(refusal(server.url, retries: 3).contains("without an answer"))
    #expect(server.requests.count == 1)
  }

  @Test func whoComesUpMeanwhileIsReached() throws {
    let server = Upstream("hi")
    let port = server.port
    server.stop()
    eventually("its port is closed") { refusal("http://127.0.0.1:\(port)").contains("refused") }
    #expect(refusal("http://127.0.0.1:\(port)", retries: 2).contains("refused"), "after some attempts")
  }

  // MARK: Streams

  @Test func aLongBodyFlowsOutAsFastAsItIsTaken() throws {
    let server = Upstream { request, _ in .text(200, "\(request.body.count)") }
    let outcome = try live.call("pour", [.text(server.url), .int(5_000_000)])
    guard case .value(.json(let text)) = outcome else { throw Refused(words: "\(outcome)") }
    #expect(try JSON(parsing: text)["body"] == "5000000")
  }

  @Test func aLongAnswerComesAsFastAsItIsAskedFor() throws {
    let body = String(repeating: "x", count: 3_000_000)
    let server = Upstream { _, _ in .text(200, body) }
    #expect(try live.call("drink", [.text(server.url), .int(100_000)]) == .value(.int(3_000_000)))
  }

  @Test func whoHasSeenEnoughLeaves() throws {
    let body = String(repeating: "x", count: 3_000_000)
    let server = Upstream { _, _ in .text(200, body) }
    let outcome = try live.call("leave", [.text(server.url)])
    guard case .value(.text(let words)) = outcome else { throw Refused(words: "\(outcome)") }
    #expect(words.hasPrefix("left after "))
    #expect(try ask("\(Upstream("hi").url)")["body"] == "hi")
  }
}
