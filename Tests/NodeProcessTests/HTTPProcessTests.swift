import Glibc
import Testing
import TestPorts

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

  /// Files of a certificate for this name, which signs itself.
  private func certificate(_ name: String, _ certificate: String, _ key: String) {
    let (code, output) = run([
      "openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", machine.path(key), "-out",
      machine.path(certificate), "-days", "2", "-subj", "/CN=\(name)",
    ])
    precondition(code == 0, output)
  }

  @Test func aNewCertificateIsUsedAfterSIGHUPAndNoConnectionIsDropped() throws {
    let port = freePorts(1)[0]
    certificate("one", "cert.pem", "key.pem")
    certificate("two", "new.pem", "new.key")
    machine.manifest(
      ["role: routes"],
      more: """
        listen:
          data: { address: "127.0.0.1:\(port)", status: on, tls: { certificate: ./cert.pem, key: ./key.pem } }
        """)
    let node = try machine.ready()
    let script = "\(Place.repository)/Tests/Interop/tls_reload.py"
    let (code, output) = run(["timeout", "30", "python3", script, "\(port)", "\(node.process)", machine.folder])
    #expect(code == 0 && output.contains("still serves"), "\(output)\n\(node.errors)")
    // A certificate that cannot be used changes nothing.
    machine.write("cert.pem", "nonsense")
    node.send(SIGHUP)
    try node.waits(for: "the old certificate")
    #expect(run(["curl", "-sk", "--max-time", "10", "https://127.0.0.1:\(port)/healthz"]).output == "alive\n")
  }
}
