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
    let load = try Load(web.url("/build"), seconds: 3)
    var builds = 1
    for number in 2...4 {
      usleep(400_000)
      web.build(number)
      _ = try web.live.swap(["b"]).get()
      builds = number
    }
    let codes = load.codes()
    #expect(codes.keys.sorted() == ["200"], "\(codes)")
    #expect(codes["200", default: 0] > 500)
    #expect(web.curl("/build").output == "\(builds)")
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
    #expect(statuses(never.receive(seconds: 2).text) == [503])
    #expect(web.curl("/build").output == "2")
  }
}

/// Several curl processes that ask for one address again and again.
private final class Load {
  private let folder = Place.temporaryFolder()
  private let count = 4

  init(_ url: String, seconds: Int, _ more: [String] = []) throws {
    let file = "\(folder)/urls"
    let entry = "url = \"\(url)\"\noutput = /dev/null\n"
    #expect(writeFile(file, Array(String(repeating: entry, count: 200).utf8), mode: 0o600))
    let curl = "curl -s \(more.joined(separator: " ")) -K \(file) -w '%{http_code}\\n' >> \(folder)/$n.codes"
    let script = """
      for n in \((1...count).map(String.init).joined(separator: " ")); do
        (
          end=$(($(date +%s) + \(seconds)))
          while [ $(date +%s) -lt $end ]; do \(curl); done
          touch \(folder)/$n.done
        ) </dev/null >/dev/null 2>&1 &
      done
      """
    try #require(run(["sh", "-c", script]).code == 0)
  }

  deinit { run(["rm", "-rf", folder]) }

  /// Waits for the end. How often each status came.
  func codes() -> [String: Int] {
    eventually("the load ends") { (1...count).allSatisfy { access("\(folder)/\($0).done", F_OK) == 0 } }
    var codes: [String: Int] = [:]
    for line in run(["sh", "-c", "cat \(folder)/*.codes"]).output.split(separator: "\n") {
      codes[String(line), default: 0] += 1
    }
    return codes
  }
}
