import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// Requests while what they are for changes: a build, a certificate.
@Suite struct HTTPSwapTests {
  /// Clients that ask without a pause, on kept connections; each answer must be whole.
  @Test func noRequestIsLostInASwap() throws {
    let web = WebNode()
    let load = try Load(web.url("/build"))
    for number in 2...4 {
      usleep(400_000)
      web.build(number)
      _ = try web.live.swap(["b"]).get()
    }
    let codes = load.end()
    #expect(codes.keys.sorted() == ["200"], "\(codes)")
    #expect(codes["200", default: 0] > 500)
    #expect(web.curl("/build").output == "4")
  }

  /// An answer that has begun goes on with the build that began it, or its client is told that it broke.
  @Test func whatIsUnderWayEndsBeforeTheSwapOrIsBrokenOff() throws {
    let web = WebNode()
    let soon = web.connect(), never = web.connect()
    soon.send("GET /later/100 HTTP/1.1\r\nHost: x\r\n\r\n")
    never.send("GET /never HTTP/1.1\r\nHost: x\r\n\r\n")
    eventually("it came") { (try? web.open()) == 1 }
    web.build(2)
    _ = try web.live.swap(["b"]).get()
    #expect(soon.receive(endingIn: "late from 1").hasSuffix("late from 1"))
    #expect(statuses(never.receive().text) == [503])
    #expect(web.curl("/build").output == "2")
  }
}

/// Several curl processes that ask for one address again and again, each at least 200 times.
private final class Load {
  private let folder = Place.temporaryFolder()
  private let count = 4

  init(_ url: String) throws {
    let file = "\(folder)/urls"
    let entry = "url = \"\(url)\"\noutput = /dev/null\n"
    #expect(writeFile(file, Array(String(repeating: entry, count: 200).utf8), mode: 0o600))
    let curl = "curl -s -K \(file) -w '%{http_code}\\n' >> \(folder)/$n.codes"
    let script = """
      for n in \((1...count).map(String.init).joined(separator: " ")); do
        (
          while \(curl); [ -e \(file) ] && [ ! -e \(folder)/end ]; do :; done
          touch \(folder)/$n.done
        ) </dev/null >/dev/null 2>&1 &
      done
      """
    try #require(run(["sh", "-c", script]).code == 0)
  }

  deinit { run(["rm", "-rf", folder]) }

  /// How often each status came.
  func end() -> [String: Int] {
    #expect(writeFile("\(folder)/end", [], mode: 0o600))
    eventually("the load ends") { (1...count).allSatisfy { access("\(folder)/\($0).done", F_OK) == 0 } }
    var codes: [String: Int] = [:]
    for line in run(["sh", "-c", "cat \(folder)/*.codes"]).output.split(separator: "\n") {
      codes[String(line), default: 0] += 1
    }
    return codes
  }
}
