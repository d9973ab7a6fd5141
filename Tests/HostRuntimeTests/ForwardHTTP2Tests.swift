import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// Upstreams that speak HTTP/2 without TLS. That gRPC goes through a table stands in RpcInteropTests.
@Suite struct ForwardHTTP2Tests {
  let back = WebNode()
  let front = LiveNode(
    folders: [Place.products], ["{ role: router, name: b }"], listen: ["data: { address: \"127.0.0.1:0\" }"])

  private func put(_ url: String, _ more: String = "") throws {
    let table = "{\"upstreams\": [{\"id\": \"a\", \"url\": \"\(url)\"}]\(more)}"
    let outcome = try front.call("replace", [.text(table)])
    guard case .value = outcome else { throw ForwardTests.Refused(words: "\(outcome)") }
  }

  private func curl(_ path: String, _ more: [String] = []) -> String {
    let port = front.node.services.http.listener("data")!.address.port
    return run(["curl", "-sS", "--max-time", "10"] + more + ["http://127.0.0.1:\(port)\(path)"]).output
  }

  private var backURL: String { "h2c://127.0.0.1:\(back.port())" }

  /// Of the upstream, by what HTTP they speak.
  private func connections() -> Int {
    back.live.node.services.metricsText.split(separator: "\n").filter {
      $0.hasPrefix("nodehost_http_connections_total{")
    }.reduce(0) { $0 + (Int($1.split(separator: " ").last ?? "") ?? 0) }
  }

  @Test func manyRequestsShareAConnection() throws {
    try put(backURL)
    let answers = curl("/later/50?[1-40]", ["--parallel", "--parallel-immediate", "--no-progress-meter"])
    #expect(answers == String(repeating: "late from 1", count: 40))
    #expect(connections() <= front.node.loops.count, "one for each loop")
  }

  @Test(arguments: [[], ["--http2-prior-knowledge"]]) func everythingGoesThrough(_ client: [String]) throws {
    try put(backURL)
    #expect(curl("/hello/you", client) == back.curl("/hello/you").output)
    #expect(curl("/hello/you", client + ["-I", "-o", "/dev/null", "-w", "%{http_code} %{size_download}"]) == "200 0")
    let body = String(repeating: "0123456789", count: 100_000)
    let file = "\(front.folder)/body"
    #expect(writeFile(file, Array(body.utf8), mode: 0o600))
    #expect(curl("/echo", client + ["--data-binary", "@\(file)"]) == body)
    #expect(curl("/pour/3000000", client + ["-o", "/dev/null", "-w", "%{size_download}"]) == "3000000")
    #expect(curl("/no/such", client + ["-o", "/dev/null", "-w", "%{http_code}"]) == "404")
  }

  @Test func whoDoesNotSpeakItIsNoUpstream() throws {
    let old = Upstream("old")
    try put("h2c://127.0.0.1:\(old.port)", ", \"retries\": 0")
    #expect(curl("/", ["-o", "/dev/null", "-w", "%{http_code}"]) == "502")
  }

  @Test func anAnswerThatBreaksOffIsBrokenOffForTheClientToo() throws {
    try put(backURL)
    let (code, _) = run([
      "curl", "-sS", "--max-time", "10", "-o", "/dev/null",
      "http://127.0.0.1:\(front.node.services.http.listener("data")!.address.port)/short",
    ])
    #expect(code != 0, "curl finds that the answer is not whole")
  }

  @Test func healthIsAskedInTheSameWay() throws {
    try put(backURL, ", \"health\": {\"path\": \"/no/such\", \"interval_ms\": 20, \"unhealthy\": 1}")
    eventually("it is found to be unwell") { curl("/hello/you", ["-o", "/dev/null", "-w", "%{http_code}"]) == "503" }
  }
}
