import Glibc
@testable import HostRuntime
import Testing

/// The HTTP server against the programs of others.
@Suite struct HTTPToolsTests {
  @Test func pythonsHTTP2FindsEachRuleKept() {
    let web = WebNode()
    let script = "\(Place.repository)/Tests/Interop/http2_errors.py"
    // Debian's Python has h2.
    let (code, output) = run(["timeout", "60", "/usr/bin/python3", script, "\(web.port())", "\(getpid())"])
    #expect(code == 0, "\(output)")
  }
}
