import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// The store as roles in C have it.
@Suite struct StoreRoleTests {
  let plugin = KeeperPlugin()
  let live: LiveNode

  init() { live = plugin.node() }

  private func ask(_ method: String, _ values: Value..., on name: String = "b") -> CallOutcome {
    live.send(method, values, on: name).outcome()
  }

  @Test func aRoleKeepsThings() {
    #expect(ask("put", .text("tea"), .text("green")) == .value(.int(1)))
    #expect(ask("get", .text("tea")) == .value(.text("=green @1")))
    #expect(ask("put", .text("cup"), .text("")) == .value(.int(2)))
    #expect(ask("scan", .text(""), .text(""), .int(0)) == .value(.text("cup= tea=green @2")))
    #expect(ask("scan", .text("d"), .text(""), .int(0)) == .value(.text("tea=green @2")))
    #expect(ask("swap", .text("tea"), .int(1), .text("black")) == .value(.int(3)))
    #expect(ask("erase", .text("cup")) == .value(.int(4)))
    #expect(
      ask("get", .text("cup")) == .failure(NH_NOT_FOUND, "there is no such key: cup"))
  }

  @Test func anUnmetExpectationNamesTheKey() {
    #expect(ask("swap", .text("tea"), .int(0), .text("green")) == .value(.int(1)))
    guard case .error(NH_ABORTED, let words) = ask("swap", .text("tea"), .int(0), .text("black")) else {
      return #expect(Bool(false))
    }
    #expect(words.hasSuffix("start over: tea"))
    #expect(ask("get", .text("tea")) == .value(.text("=green @1")))
  }

  @Test func twoRolesDoNotSeeEachOther() {
    #expect(ask("put", .text("tea"), .text("green"), on: "b") == .value(.int(1)))
    guard case .error(NH_NOT_FOUND, _) = ask("get", .text("tea"), on: "c") else { return #expect(Bool(false)) }
    #expect(ask("put", .text("tea"), .text("black"), on: "c") == .value(.int(1)))
    #expect(ask("get", .text("tea"), on: "b") == .value(.text("=green @1")))
  }

  @Test func whatIsWrongIsRefusedInWords() {
    #expect(ask("wrong", .int(7), .int(1)) == .failure(NH_INVALID_ARGUMENT, "operation 1: there is no kind 7"))
    #expect(
      ask("wrong", .int(Int64(NH_STORE_PUT)), .int(1025))
        == .failure(NH_INVALID_ARGUMENT, "operation 1: a key of 1025 bytes; at most 1024 go into one"))
    #expect(ask("wrong", .int(Int64(NH_STORE_DELETE)), .int(1024)) == .value(.int(1)))
  }

  @Test func waitingCommitsAreBoundedInNumberAndSize() {
    #expect(ask("flood", .int(5000), .int(1)) == .value(.int(Int64(StoreUse.commitLimit))))
    let each = 1 << 20
    eventually("they are written") {
      ask("put", .text("a"), .text("b")) != .failure(NH_RESOURCE_EXHAUSTED, "too much is waiting")
    }
    guard case .value(.int(let taken)) = ask("flood", .int(100), .int(Int64(each))) else { return #expect(Bool(false)) }
    #expect(taken == 63, "64 MiB with what surrounds them")
    eventually("they are written") {
      ask("put", .text("a"), .text("b")) != .failure(NH_RESOURCE_EXHAUSTED, "too much is waiting")
    }
  }

  @Test func aScanCanBeEndedEarly() {
    #expect(ask("flood", .int(2000), .int(10)) == .value(.int(2000)))
    #expect(ask("peek", .int(3)) == .value(.int(3)))
    #expect(ask("peek", .int(700)) == .value(.int(700)))
    // In the turn that asks for them; none of them may stay in the store.
    for _ in 0...Store.scanLimit { #expect(ask("peek", .int(-1)) == .value(.int(0))) }
    guard case .value(.text(let all)) = ask("scan", .text(""), .text(""), .int(0)) else { return #expect(Bool(false)) }
    #expect(all.split(separator: "=").count == 2001)
  }

  @Test func manyCommitsOfOneTurnAreOneBatch() {
    #expect(ask("flood", .int(500), .int(10)) == .value(.int(500)))
    _ = ask("get", .text("a"))
    let text = live.node.services.metrics.text()
    #expect(text.contains(#"nodehost_store_commits_total{node="node-t",role="b"} 500"#), "\(text)")
    #expect(text.contains(#"nodehost_store_batches_total{node="node-t",role="b"} 1"#), "\(text)")
  }

  // MARK: Swaps and ends

  @Test func aSwapWaitsForCommitsAndTheStoreStays() throws {
    let acks = "\(live.folder)/acks"
    _ = ask("put", .text("tea"), .text("green"))
    guard case .value = ask("run", .text(acks), .int(1), .int(8)) else { return #expect(Bool(false)) }
    usleep(30_000)
    plugin.build(2)
    #expect(try live.swap(["b"]).get().map(\.generation) == [2])
    #expect(ask("build") == .value(.int(2)))
    #expect(ask("get", .text("tea")) != .failure(NH_NOT_FOUND, "there is no such key: tea"))
    // It commits as long as it is answered, so it is cut short at the limit; what it knows then is what there is.
    let written = readFile(acks, limit: 1 << 20)!.count / 8
    guard case .value(.int(let answered)) = ask("answered") else { return #expect(Bool(false)) }
    #expect(answered >= 1 && answered == written)
    guard case .value(.text(let last)) = ask("get", .text("last")) else { return #expect(Bool(false)) }
    let number = try #require(Int(last.dropFirst().split(separator: " ")[0]))
    #expect(number >= written && number <= written + 8)
  }

  @Test func commitsThatWaitWhenARoleEndsAreDone() throws {
    #expect(ask("flood", .int(300), .int(1000)) == .value(.int(300)))
    live.onControl { $0.restart($0.role("b")!) }
    live.waits { $0.role("b")?.state == .running && $0.role("b")?.generation == 2 }
    guard case .value(.text(let all)) = ask("scan", .text("flood"), .text("g"), .int(0)) else {
      return #expect(Bool(false))
    }
    #expect(all.split(separator: "=").count == 301)
  }

  @Test func aRoleDoesNotStartWithADamagedStore() throws {
    _ = ask("put", .text("tea"), .text("green"))
    let path = try #require((live.node.services.stores.store(of: "b") as? Store)?.path)
    live.onControl { $0.remove($0.role("b")!) }
    live.waits { $0.role("b") == nil }
    eventually("the store is closed") { access("\(path)-wal", F_OK) != 0 }
    let whole = try #require(readFile(path, limit: 1 << 24))
    #expect(writeFile(path, Array(whole[..<100]) + [1, 2, 3], mode: 0o600))
    live.onControl { node in
      let plan = node.role("c")!.plan
      node.begin(node.add(plan.renamed("b")))
    }
    live.waits { $0.role("b")?.state.failureReason != nil }
    let reason = try #require(live.onControl { $0.role("b")?.state.failureReason })
    #expect(reason.contains(path) && reason.contains("a copy may be put in its place"), "\(reason)")
    #expect(readFile(path, limit: 1 << 24)?.count == 103)
    #expect(live.state("c") == .running)
  }
}

extension ManifestRole {
  fileprivate func renamed(_ name: String) -> ManifestRole {
    var other = self
    other.name = name
    return other
  }
}

/// Builds of the fixture, each over the one before.
final class KeeperPlugin {
  let folder = Place.temporaryFolder()

  init() { build(1) }
  deinit { run(["rm", "-rf", folder]) }

  func build(_ number: Int) {
    let (code, output) = run([
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
      "\(Place.repository)/SDK/CNodeABI/include", "-o", "\(folder)/libkeeper.so", "-DBUILD=\(number)",
      "\(Place.repository)/Tests/Fixtures/keeper.c",
    ])
    precondition(code == 0, output)
  }

  func node() -> LiveNode {
    let roles = ["b", "c"].map {
      "{ role: keeper, name: \($0), restart: { policy: never }, limits: { swap_ms: 200, drain_ms: 200 } }"
    }
    let live = LiveNode(folders: [folder], roles)
    live.onControl {
      $0.watcher?.close()
      $0.watcher = nil
    }
    return live
  }
}
