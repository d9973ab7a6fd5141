import Glibc
@testable import HostRuntime
import Testing

/// The HTTP server against the programs of others.
@Suite struct HTTPToolsTests {
  @Test func nghttpFetchesManyAtOnce() {
    let web = WebNode()
    let (code, output) = run(["timeout", "20", "nghttp", "-nvs", "-m", "50", web.url("/hello/ada")])
    #expect(code == 0 && output.components(of: ":status: 200") == 50, "\(output)")
    let upload = run(["timeout", "20", "nghttp", "-d", "/bin/sh", web.url("/count")])
    #expect(
      upload.code == 0 && Int(upload.output) == Int(run(["stat", "-Lc", "%s", "/bin/sh"]).output.filter(\.isNumber)))
    let trailers = run(["timeout", "20", "nghttp", "-nv", web.url("/trailers")])
    #expect(trailers.output.contains("x-sum: 42"))
    let load = run(["timeout", "30", "h2load", "-n", "20000", "-c", "8", "-m", "64", web.url("/hello/ada")])
    #expect(load.output.contains("20000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(load.output)")
  }

  @Test(arguments: HTTPListenerTests.versions) func curlInItsModes(_ version: [String]) {
    let web = WebNode()
    func curl(_ path: String, _ more: [String] = []) -> String { web.curl(path, version + more).output }
    #expect(curl("/echo", ["-d", "hello"]) == "hello")
    #expect(
      curl("/count", ["-T", "/bin/sh", "-X", "POST", "-H", "Expect: 100-continue", "-w", " %{http_code}"]).hasSuffix(
        " 200"))
    #expect(curl("/count", ["-d", "abc", "-H", "Transfer-Encoding: chunked"]) == "3")
    #expect(curl("/hello/ada", ["-I"]).contains("content-length: 11"))
    #expect(curl("/pour/100000", ["-o", "/dev/null", "-w", "%{size_download}"]) == "100000")
    #expect(curl("/trailers", ["-D", "-"]).contains("x-sum: 42"))
    let refused = ["-d", String(repeating: "x", count: 30_000), "-w", "%{http_code}"]
    #expect(curl("/early", refused).hasSuffix("403"))
    #expect(curl("/early", refused + ["-H", "Expect: 100-continue"]).hasSuffix("403"))
    #expect(web.curl("/short", version).code != 0, "what is cut short is not taken for whole")
    let twice = run(["curl", "-sS", "-v", "--max-time", "10"] + version + [web.url("/hello/a"), web.url("/hello/b")])
    #expect(twice.output.contains("Re-using existing") || twice.output.contains("Reusing existing"))
  }
}

extension String {
  /// How often some words stand in it.
  fileprivate func components(of words: String) -> Int {
    var count = 0
    var rest = self[...]
    while let place = rest.firstIndex(of: words.first!) {
      rest = rest[place...]
      if rest.hasPrefix(words) { count += 1 }
      rest = rest.dropFirst()
    }
    return count
  }
}
