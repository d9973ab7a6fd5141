import Glibc
import HostCore
@testable import HostRuntime
import Testing

/// The stores of a node, whose roles come and go.
@Suite struct StoresTests {
  private let folder = Place.temporaryFolder()
  private let client = TestClient()

  private func put(_ key: String, _ number: UInt64, to store: Store) {
    var commit = StoreCommit()
    commit.put(Array(key.utf8), [1])
    store.send([StoreRequest(.commit(commit), number: number, by: client)])
  }

  @Test func whoComesNextWaitsUntilTheFileIsClosed() throws {
    defer { run(["rm", "-rf", folder]) }
    let stores = Stores(
      folder: folder, node: "t", log: LogHub(writesToStandardError: false), metrics: MetricRegistry())
    let first = try #require(stores.store(of: "r") as? Store)
    put("a", 1, to: first)
    #expect(client.answer(1).revision == 1)
    // It is busy for so long that the next one is there before it is closed.
    first.loop.post { usleep(100_000) }
    put("a", 2, to: first)
    let leaving = try #require(OwnThread("leaving") { stores.close("r") })
    usleep(20_000)
    let second = try #require(stores.store(of: "r") as? Store)
    #expect(second !== first)
    put("b", 3, to: second)
    #expect(client.answer(2).revision == 2 && client.answer(3).revision == 3)
    leaving.join()
    stores.end()
  }
}
