import Testing

/// The HTTP server of a whole node, whose memory can be watched.
@Suite struct HTTPProcessTests {
  let machine = Machine()

  init() { machine.fixture("routes") }

  @Test func pythonsHTTP2FindsEachRuleKept() throws {
    let port = freePorts(1)[0]
    machine.manifest(["role: routes"], more: "listen: { data: { address: \"127.0.0.1:\(port)\" } }")
    let node = try machine.ready()
    // Debian's Python has h2.
    let script = "\(Place.repository)/Tests/Interop/http2_errors.py"
    let (code, output) = run(["timeout", "60", "/usr/bin/python3", script, "\(port)", "\(node.process)"])
    #expect(code == 0, "\(output)")
  }
}
