import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// Objects as a role in Swift keeps them, on a whole node.
@Suite struct BlobRoleTests {
  private let live: LiveNode

  init() {
    let role = "{ role: attic, name: b, cold_start: on, limits: { swap_ms: 200, drain_ms: 100 } }"
    live = LiveNode(folders: [Place.products], [role], sections: "blobs: { free_floor_mb: 0 }")
  }

  private func text(_ method: String, _ values: Value..., place: SourceLocation = #_sourceLocation) throws -> String {
    let outcome = live.send(method, values).outcome()
    guard case .value(.text(let text)) = outcome else { throw Unexpected("\(method): \(outcome)") }
    return text
  }

  private func failure(_ outcome: CallOutcome) -> nh_status? {
    if case .error(let status, _) = outcome { status } else { nil }
  }

  @Test func aRoleKeepsFindsAndRemovesObjects() throws {
    let content = BlobPlace.content(700_000), name = BlobPlace.name(of: content).text
    #expect(try text("put", .text("u"), .bytes(content)) == name)
    #expect(try text("put", .text("u"), .bytes(content)) == name, "a duplicate")
    #expect(try text("stat", .text(name)) == "700000 application/octet-stream")
    #expect(live.send("get", [.text(name), .int(0), .int(0)]).outcome() == .value(.bytes(content)))
    let part = Array(content[65_000..<135_000])
    #expect(live.send("get", [.text(name), .int(65_000), .int(70_000)]).outcome() == .value(.bytes(part)))
    let small = try text("put", .text("u"), .bytes([1]))
    #expect(try text("list", .text(""), .int(0)) == [name, small].sorted().joined(separator: "\n"))
    #expect(try text("list", .text(""), .int(1)) == min(name, small))
    #expect(live.send("remove", [.text(name)]).outcome() == .value(.bool(true)))
    for method in ["stat", "remove"] {
      #expect(failure(live.send(method, [.text(name)]).outcome()) == NH_NOT_FOUND)
    }
    #expect(failure(live.send("get", [.text(small), .int(2), .int(0)]).outcome()) == NH_OUT_OF_RANGE)
    #expect(failure(live.send("stat", [.text("ABC")]).outcome()) == NH_INVALID_ARGUMENT)
    #expect(failure(live.send("put", [.text(""), .bytes([])]).outcome()) == NH_INVALID_ARGUMENT, "no name")
    #expect(live.lines(NH_LOG_MISUSE).isEmpty)
  }

  @Test func manyUploadsAtATimeAreKeptApart() throws {
    let pending = (0..<60).map { live.send("make", [.text("u\($0)"), .int(200_000 + Int64($0)), .int(Int64($0))]) }
    let names = pending.map { $0.outcome() }
    #expect(Set(names.map { "\($0)" }).count == 60)
    #expect(try text("list", .text(""), .int(0)).split(separator: "\n").count == 60)
  }

  @Test func openUploadsAreBoundedInNumber() throws {
    let pending = (0..<300).map { live.send("begin", [.text("u\($0)"), .bytes([1])]) }
    let refused = pending.filter { failure($0.outcome()) == NH_RESOURCE_EXHAUSTED }
    #expect(refused.count == 300 - RoleInstance.uploadLimit)
  }

  /// Bytes that a swap finds open are there for the next build.
  @Test func aSwapLetsGoOfUploadsThatDoNotEnd() throws {
    #expect(live.send("begin", [.text("u"), .bytes(BlobPlace.content(200_000))]).outcome() == .value(.int(0)))
    let before = EventLoop.now()
    #expect(try live.swap(["b"], isForced: true).get().map(\.generation) == [2])
    #expect(EventLoop.now() - before > 200_000_000, "it waits for them first")
    #expect(live.lines(NH_LOG_INFO).contains { $0.contains("u: UNAVAILABLE") || $0.contains("is being swapped") })
    #expect(live.send("begin", [.text("u"), .bytes([])]).outcome() == .value(.int(196_608)))
  }

  @Test func aSwapWaitsForUploadsThatEnd() throws {
    let size: Int64 = 4_000_000
    let made = live.send("make", [.text("u"), .int(size), .int(1)])
    usleep(20_000)
    _ = live.swap(["b"], isForced: true)
    let outcome = made.outcome()
    guard case .value(.text(let name)) = outcome else {
      // A slow machine may not be done in time; then it goes on.
      #expect(failure(outcome) == NH_UNAVAILABLE)
      return
    }
    #expect(try text("stat", .text(name)) == "\(size) ")
  }

  @Test func aRestartLetsGoOfUploadsToo() throws {
    #expect(live.send("begin", [.text("u"), .bytes(BlobPlace.content(200_000))]).outcome() == .value(.int(0)))
    live.onControl { $0.restart($0.role("b")!) }
    live.waits { $0.role("b")?.state == .running && $0.role("b")?.generation == 2 }
    #expect(live.send("begin", [.text("u"), .bytes([])]).outcome() == .value(.int(196_608)))
  }

  @Test func anOperatorLooksAtThemByTheControlSocket() throws {
    try live.serve()
    let content = BlobPlace.content(300_000), name = try text("put", .text("u"), .bytes(content))
    let base = "http://node/v1/roles/b"
    let list = try live.curl(["\(base)/blobs"]).body
    #expect(list["blobs"]?[0]?["sha256"]?.string == name && list["more"] == false, "\(list)")
    let stat = try live.curl(["\(base)/blobs/\(name)?check=1"]).body
    #expect(stat["size"] == 300_000 && stat["media_type"] == "application/octet-stream", "\(stat)")
    let part = run([
      "curl", "-sS", "--unix-socket", live.socket, "-o", "\(live.folder)/part",
      "\(base)/blobs/\(name)/bytes?offset=100&length=200000",
    ])
    #expect(part.code == 0 && readFile("\(live.folder)/part", limit: 1 << 20) == Array(content[100..<200_100]))
    #expect(try live.curl(["\(base)/scrub"]).status == 404, "there was none")
    #expect(try live.curl(["-X", "POST", "\(base)/scrub"]).status == 200)
    eventually("the scrub ends") { (try? live.curl(["\(base)/scrub"]).body["running"]) == false }
    #expect(try live.curl(["\(base)/scrub"]).body["objects"] == 1)
    #expect(try live.curl(["\(base)/blobs/nonsense"]).status == 400)
    #expect(try live.curl(["\(base)/blobs/\(String(repeating: "0", count: 64))"]).status == 404)
    #expect(try live.curl(["http://node/v1/roles/c/blobs"]).status == 404)
  }
}
