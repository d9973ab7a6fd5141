import HostCore
import NodeValues
import Testing

/// `hostctl canary`, and what it sends and shows.
@Suite struct CanaryTableTests {
  private let bench = Workbench()

  private func status(_ mirror: JSON) -> JSON {
    [
      "version": 4, "stable": "v1",
      "versions": [
        [
          "id": "v1", "url": "http://10.0.0.1:80", "share": 100, "per_second": 12.5, "requests": 750, "failures": 0,
          "p50_ms": 3, "p95_ms": 5, "p99_ms": 8,
        ]
      ], "nodes": [["name": "node-a", "version": 4, "up": true]], "mirror": mirror,
    ]
  }

  private func show(_ mirror: JSON) -> String {
    let status = status(mirror)
    bench.node("a") { _ in .json(["value": status]) }
    return bench.run("canary", "status").output
  }

  @Test func theMirrorsCopiesStandBesideTheOriginals() {
    let mirror: JSON = [
      "url": "http://10.0.0.9:80", "percent": 25, "requests": 190, "failures": 6, "compared": 188, "differing": 4,
      "slower": 8, "copies": ["p50_ms": 17.5, "p95_ms": 19.75, "p99_ms": 19.95],
      "originals": ["p50_ms": 3.1, "p95_ms": 5.2],
    ]
    let lines = show(mirror).split(separator: "\n").map(String.init)
    #expect(
      lines.dropFirst(2).prefix(2) == [
        "mirror http://10.0.0.9:80: 25 % copied, 190 in the last minute, 4 of 188 with another status (2.13 %), "
          + "8 slower by half",
        "  p50 17.5 ms, original 3.1 ms; p95 19.75 ms, original 5.2 ms; p99 19.95 ms, original -",
      ], "\(lines)")
  }

  @Test func nothingIsSaidOfAMirrorThatIsNotThere() { #expect(!show(.null).contains("mirror")) }

  @Test func aMirrorWithoutCopiesHasNoLatencies() {
    let text = show([
      "url": "http://10.0.0.9:80", "percent": 100, "requests": 0, "failures": 0, "compared": 0, "differing": 0,
      "slower": 0, "copies": [:], "originals": [:],
    ])
    #expect(text.contains("mirror http://10.0.0.9:80: 100 % copied, 0 in the last minute\n") && !text.contains("p50 -"))
  }

  @Test func aMirrorIsSet() {
    let node = bench.node("a") { _ in .json(["value": ["version": 5, "shares": [:]]]) }
    func sent(_ options: (Workbench) -> Workbench.Result) -> JSON? {
      #expect(options(bench).code == 0)
      guard case .call(_, "set", let call)? = node.requests.last, case .arguments(let list) = call.input else {
        return nil
      }
      return list.first?["mirror"]
    }
    #expect(
      sent { $0.run("canary", "set", "--mirror", "http://10.0.0.9:80", "--mirror-percent", "12.5") }?["percent"] == 12.5
    )
    #expect(
      sent { $0.run("canary", "set", "--mirror", "http://10.0.0.9:80") } == [
        "url": "http://10.0.0.9:80", "percent": 100,
      ])
    #expect(sent { $0.run("canary", "set", "--mirror", "none") } == .null)
    #expect(bench.run("canary", "set", "--mirror-percent", "5").code == 64)
  }
}
