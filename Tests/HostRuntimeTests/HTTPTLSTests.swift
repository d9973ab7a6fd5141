import Glibc
@testable import HostRuntime
import Testing

/// TLS on a listener, as curl and openssl see it.
@Suite struct HTTPTLSTests {
  let certificates: Certificates
  let web: WebNode

  init() throws {
    certificates = try Certificates(["server", "second", "client"])
    web = WebNode(
      certificates.section(), others: ["own: { address: \"127.0.0.1:0\", \(certificates.section(clients: true)) }"])
  }

  private func curl(_ path: String, _ more: [String] = []) -> (code: Int32, output: String) {
    let url = "https://127.0.0.1:\(web.port())\(path)"
    return run(["curl", "-sS", "--max-time", "10", "--cacert", certificates.authority] + more + [url])
  }

  private func client(_ options: [String], _ listener: String = "data") -> String {
    run([
      "sh", "-c",
      "timeout 5 openssl s_client -connect 127.0.0.1:\(web.port(listener)) -CAfile \(certificates.authority) "
        + options.joined(separator: " ") + " </dev/null 2>&1",
    ]).output
  }

  @Test func theClientChoosesTheVersionOfHTTP() {
    let version = ["-o", "/dev/null", "-w", "%{http_version}"]
    #expect(curl("/hello/ada", version).output == "2")
    #expect(curl("/hello/ada", version + ["--http1.1"]).output == "1.1")
    #expect(curl("/hello/ada", version + ["--no-alpn"]).output == "1.1")
    #expect(curl("/hello/ada").output == "hello, ada\n")
    #expect(client(["-alpn", "h2"]).contains("ALPN protocol: h2"))
    #expect(client(["-alpn", "http/1.1"]).contains("ALPN protocol: http/1.1"))
    #expect(client(["-alpn", "spdy/3"]).contains("no application protocol"))
  }

  @Test func largeBodiesGoThroughBothVersions() {
    let file = "\(certificates.folder)/large", back = "\(certificates.folder)/back"
    #expect(run(["dd", "if=/dev/urandom", "of=\(file)", "bs=1M", "count=8", "status=none"]).code == 0)
    for version in ["--http1.1", "--http2"] {
      #expect(curl("/echo", [version, "--data-binary", "@\(file)", "-H", "Expect:", "-o", back]).code == 0)
      #expect(run(["cmp", file, back]).code == 0)
    }
  }

  @Test func oldVersionsAndWeakCiphersAreRefused() {
    #expect(client(["-tls1_3"]).contains("New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384"))
    #expect(client(["-tls1_2"]).contains("New, TLSv1.2, Cipher is ECDHE-"))
    for version in ["-tls1", "-tls1_1"] {
      let refused = client([version, "-cipher", "DEFAULT@SECLEVEL=0"])
      #expect(refused.contains("Cipher is (NONE)"), "\(version): \(refused)")
    }
    for ciphers in ["NULL", "aNULL", "RC4", "3DES", "EXPORT"] {
      let refused = client(["-tls1_2", "-cipher", "'\(ciphers):@SECLEVEL=0'"])
      #expect(!refused.contains("Cipher is ECDHE") && !refused.contains("Cipher is AES"), "\(ciphers): \(refused)")
    }
    #expect(client(["-tls1_2"]).contains("Secure Renegotiation IS supported"))
  }

  @Test func clientsMustProveThemselvesWhereItIsAsked() {
    let url = "https://127.0.0.1:\(web.port("own"))/healthz"
    let base = [
      "curl", "-sS", "--max-time", "5", "--cacert", certificates.authority, "-o", "/dev/null", "-w", "%{http_code}",
    ]
    #expect(run(base + [url]).code != 0)
    let own = ["--cert", certificates.certificate("client"), "--key", certificates.key("client")]
    #expect(run(base + own + [url]).output == "404", "it gets through; nothing is there")
  }

  @Test func anotherCertificateServesNewConnectionsAndDropsNone() throws {
    let subject = { client([]).contains("subject=CN = second") }
    #expect(!subject())
    // A slow download and an idle connection live across the change.
    let script =
      "curl -sS --cacert \(certificates.authority) --max-time 20 --limit-rate 8M -o /dev/null -w '%{size_download}' "
      + "https://127.0.0.1:\(web.port())/pour/16000000 > \(certificates.folder)/size 2>&1 &"
    #expect(run(["sh", "-c", script]).code == 0)
    eventually("it has begun") { (try? web.open()) == 1 }
    for part in ["pem", "key"] {
      #expect(run(["cp", "\(certificates.folder)/second.\(part)", "\(certificates.folder)/server.\(part)"]).code == 0)
    }
    #expect(web.live.node.services.http.reloadTLS() == [])
    #expect(subject())
    eventually("the download is whole") {
      String(decoding: readFile("\(certificates.folder)/size", limit: 100) ?? [], as: UTF8.self) == "16000000"
    }
    #expect(run(["cp", certificates.key("client"), certificates.key("server")]).code == 0)
    let problems = web.live.node.services.http.reloadTLS()
    #expect(problems.count == 2 && problems[0].contains("server.key: key values mismatch"), "\(problems)")
    #expect(subject(), "the last good one goes on")
  }

  @Test func whoSpeaksNoTLSIsHungUpOn() {
    let plain = web.connect()
    plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(plain.receive().isClosed)
  }
}
