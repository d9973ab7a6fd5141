import Glibc
import NodeValues
import Testing
import TestPorts

/// A node that is asked from "another machine": over TCP, with TLS and a token.
@Suite struct RemoteControlTests {
  private static let token = "a-token-of-a-test-and-of-nothing-else"

  let machine = Machine()
  let port = freePorts(1)[0]

  init() {
    certificate("cert", for: "IP:127.0.0.1")
    machine.write("token", Self.token + "\n")
  }

  /// NAME.pem and NAME.key, which sign themselves.
  private func certificate(_ name: String, for subject: String) {
    let (code, output) = run([
      "openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", machine.path("\(name).key"), "-out",
      machine.path("\(name).pem"), "-days", "2", "-subj", "/CN=\(name)", "-addext", "subjectAltName=\(subject)",
    ])
    precondition(code == 0, output)
  }

  private func node(clients: String? = nil) throws -> Child {
    let clients = clients.map { ", client_ca: ./\($0)" } ?? ""
    machine.manifest(
      ["role: hello-c"],
      more: """
        control:
          address: "127.0.0.1:\(port)"
          token: ${file:./token}
          tls: { certificate: ./cert.pem, key: ./cert.key\(clients) }
        """)
    return try machine.ready()
  }

  private func hostctl(
    _ words: String..., token: String = "token", authority: String = "cert.pem", at host: String = "127.0.0.1"
  ) -> Machine.Result {
    let access = ["--at", "\(host):\(port)", "--token", machine.path(token), "--authority", machine.path(authority)]
    return machine.hostctl(words + access)
  }

  private func curl(_ path: String, _ words: String...) -> String {
    let usual = ["curl", "-s", "-i", "--max-time", "10", "--cacert", machine.path("cert.pem")]
    return run(usual + words + ["https://127.0.0.1:\(port)\(path)"]).output
  }

  private let bearer = "authorization: Bearer \(RemoteControlTests.token)"

  @Test func answersWhatTheSocketAnswers() throws {
    let node = try node()
    try node.waits(for: "control.address at 127.0.0.1:\(port)")
    let names = { (list: Machine.Result) in try JSON(parsing: list.output)["roles"]?[0]?["name"]?.string }
    #expect(try names(hostctl("list", "--json")) == names(machine.hostctl("list", "--json")))
    #expect(hostctl("call", "hello-c", "add", "2", "40").output == "42\n")
    #expect(hostctl("call", "hello-c", "nothing").errors == machine.hostctl("call", "hello-c", "nothing").errors)
    #expect(hostctl("metrics").output.contains("nodehost_http_requests_total"))
    #expect(hostctl("logs", "-n", "1").output.isEmpty == false)
    #expect(hostctl("reload").code == 0)
    #expect(curl("/metrics", "-H", bearer).contains("nodehost_"))
    let reply = curl("/v1/roles/hello-c/call/add", "-H", bearer, "-d", #"{"arguments": [2, 40]}"#)
    #expect(reply.contains("42"), "\(reply)")
    let refused = curl("/v1/status", "--http1.1", "-H", bearer, "-X", "DELETE")
    #expect(refused.contains("405") && refused.contains("allow: GET"), "\(refused)")
  }

  @Test func theEnvironmentSaysTheSame() throws {
    let node = try node()
    let environment = [
      "NODEHOST_AT=127.0.0.1:\(port)", "NODEHOST_TOKEN=\(Self.token)", "NODEHOST_AUTHORITY=\(machine.path("cert.pem"))",
    ]
    #expect(machine.hostctl("call", "hello-c", "add", "1", "2", environment: environment).output == "3\n")
    _ = node
  }

  @Test func linesOfTheLogFollow() throws {
    let node = try node()
    let watching = machine.child(
      "\(Place.products)/hostctl",
      [
        "logs", "--follow", "--at", "127.0.0.1:\(port)", "--token", machine.path("token"), "--authority",
        machine.path("cert.pem"),
      ])
    try watching.saysOnOutput("ready after")
    node.send(SIGHUP)
    try watching.saysOnOutput("SIGHUP: reading the manifest again")
    // Who was let in with the old token is not any more.
    machine.write("token", "another-token-which-is-as-long\n")
    node.send(SIGHUP)
    #expect(watching.end() == 1)
    #expect(watching.errors.contains("ended in the middle of the answer"), "\(watching.errors)")
  }

  @Test func whoDoesNotKnowTheTokenLearnsNothing() throws {
    let node = try node()
    machine.write("wrong", Self.token + "x\n")
    let wrong = hostctl("list", token: "wrong")
    #expect(wrong.code == 1 && wrong.output.isEmpty)
    #expect(wrong.errors.contains("control: UNAUTHENTICATED: the token is missing or wrong"), "\(wrong.errors)")
    try node.waits(for: "control.address: a request without the right token, the last from 127.0.0.1:")
    for header in [
      "x: y", "authorization: Basic \(Self.token)", "authorization: Bearer", "authorization: \(Self.token)",
    ] {
      let answer = curl("/v1/status", "-H", header)
      #expect(answer.contains("401") && answer.contains("www-authenticate: Bearer"), "\(header): \(answer)")
    }
    // The body of a stranger is not waited for.
    let body = machine.path("body")
    #expect(run(["dd", "if=/dev/zero", "of=\(body)", "bs=1M", "count=7", "status=none"]).code == 0)
    #expect(curl("/v1/load", "-T", body).contains("HTTP/1.1 401"))
    // Its connections end with a wrong token, so there is no HTTP/2, even for who asks for it.
    #expect(curl("/v1/status", "--http2", "-H", bearer).hasPrefix("HTTP/1.1 200"))
    #expect(hostctl("status").code == 0)
  }

  @Test func aTokenIsAskedFor() {
    let without = machine.hostctl("list", "--at", "127.0.0.1:\(port)")
    #expect(without.code == 64 && without.errors.contains("--token FILE"), "\(without.errors)")
    let both = machine.hostctl("list", "--at", "127.0.0.1:1", "--node", "node-a")
    #expect(both.errors == "hostctl: --node, --socket and --at exclude each other\n")
    #expect(machine.hostctl("list", "--at", "nowhere", "--token", "x").errors.contains("host:port"))
    let nobody = hostctl("list")
    #expect(nobody.errors == "hostctl: cannot connect to 127.0.0.1:\(port): Connection refused\n")
    #expect(hostctl("version").code == 1)
  }

  @Test func bothSidesProveWhoTheyAre() throws {
    certificate("other", for: "IP:127.0.0.1")
    let node = try node(clients: "other.pem")
    let without = hostctl("list")
    #expect(without.code == 1 && without.errors.contains("--identity FILE"), "\(without.errors)")
    machine.write("identity.pem", machine.text("other.pem") + machine.text("other.key"))
    #expect(hostctl("list", "--identity", machine.path("identity.pem")).code == 0)
    let stranger = hostctl("list", authority: "other.pem")
    #expect(
      stranger.errors.contains("the certificate of 127.0.0.1:\(port) is refused: self-signed"), "\(stranger.errors)")
    let misnamed = hostctl("list", at: "localhost")
    #expect(misnamed.errors.contains("ostname mismatch"), "\(misnamed.errors)")
    #expect(hostctl("list", authority: "token").errors.contains("--authority: cannot use"))
    _ = node
  }

  @Test func tokenAndCertificateAreReadAgain() throws {
    let node = try node()
    machine.write("new", "another-token-which-is-as-long")
    machine.write("token", "another-token-which-is-as-long\n")
    certificate("cert", for: "IP:127.0.0.1")
    machine.write("old", Self.token)
    #expect(hostctl("list", token: "old").errors.contains("is refused"))
    node.send(SIGHUP)
    try node.waits(for: "the manifest has been applied")
    #expect(!node.errors.contains("takes effect only when the node starts again"))
    #expect(hostctl("list", token: "old").errors.contains("UNAUTHENTICATED"))
    #expect(hostctl("list", token: "new").code == 0)
  }

  @Test func isNotOpenWithLess() {
    machine.manifest(
      ["role: hello-c"],
      more: """
        control:
          { address: "127.0.0.1:\(port)", token: "${TOKEN:-short}", tls: { certificate: ./no.pem, key: ./no.key } }
        """)
    let short = machine.nodehost("validate", "node.yaml")
    #expect(short.all.contains("`control.token` has fewer than 16 characters"), "\(short.all)")
    machine.manifest(
      ["role: hello-c"],
      more: """
        control:
          { address: "127.0.0.1:\(port)", token: "${file:./token}", tls: { certificate: ./no.pem, key: ./no.key } }
        """)
    let missing = machine.nodehost("node.yaml")
    #expect(missing.errors.contains("control.address: cannot use the certificate"), "\(missing.errors)")
  }
}
