import CNodeABI
import CSQLite
import Glibc
import HostCore
import HostRuntime
import NodeValues
import Synchronization

/// Durable commits a second of a role, with so many of them waiting, and of SQLite alone: the same table, the same
/// settings, one transaction for each. Prints one line of numbers; the script beside it makes medians of many.
struct StoreBenchmark {
  let folder: String
  let depth: Int
  let commits: Int

  func run() {
    let (ours, batches) = role()
    let peer = depth == 1 ? sqlite() : 0
    print("\(ours) \(Double(commits) / batches) \(peer)")
  }

  /// Commits a second, and how many transactions they took.
  private func role() -> (Double, batches: Double) {
    let library = CallBenchmark.load("keeper", in: folder)
    let loop = EventLoop(index: 1, name: "bench")
    let thread = loop.startThread()
    let state = "\(folder)/state"
    let services = NodeServices(
      nodeName: "bench", nodeID: 1, log: LogHub(writesToStandardError: false), state: state)
    let role = RoleInstance(
      RoleSeat(name: "keeper", loop: loop, node: services, limits: LimitSettings()), library: library)
    onLoop(loop) { done in
      try! role.create(config: "{}")
      try! role.start()
      done(0)
    }
    _ = measure(role, commits / 10)
    let before = Self.batches(services)
    let began = Measure.now()
    _ = measure(role, commits)
    let seconds = (Measure.now() - began) / 1e9
    let batches = Self.batches(services) - before
    onLoop(loop) { done in
      role.end()
      done(0)
    }
    services.stores.end()
    loop.stop()
    thread.join()
    return (Double(commits) / seconds, batches)
  }

  private func measure(_ role: RoleInstance, _ count: Int) -> Int64 {
    let (method, depth) = (role.method("measure")!, depth)
    let failed = onLoop(role.loop) { done in
      let arguments = PackedValues([.int(Int64(count)), .int(Int64(depth))])
      role.call(method, arguments.slots) { outcome in
        guard case .value(.int(let failed)) = outcome else { preconditionFailure("\(outcome)") }
        done(failed)
      }
    }
    precondition(failed == 0, "\(failed) commits failed")
    return failed
  }

  private static func batches(_ services: NodeServices) -> Double {
    let line = services.metricsText.split(separator: "\n").first { $0.hasPrefix("nodehost_store_batches_total{") }
    return line.flatMap { Double($0.split(separator: " ").last ?? "") } ?? 0
  }

  /// Runs on the loop, and waits until it is told that it is done.
  @discardableResult
  private func onLoop(_ loop: EventLoop, _ work: @escaping @Sendable (@escaping @Sendable (Int64) -> Void) -> Void)
    -> Int64
  {
    let answer = Answer()
    loop.post { work { answer.value.store($0, ordering: .releasing) } }
    while answer.value.load(ordering: .acquiring) < 0 { usleep(1000) }
    return answer.value.load(ordering: .relaxed)
  }

  private final class Answer: Sendable {
    let value = Atomic<Int64>(-1)
  }

  // MARK: SQLite alone

  private func sqlite() -> Double {
    let path = "\(folder)/alone.db"
    for ending in ["", "-wal", "-shm"] { unlink(path + ending) }
    var database: OpaquePointer?
    precondition(sqlite3_open(path, &database) == SQLITE_OK)
    defer { sqlite3_close_v2(database) }
    run(
      database,
      """
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;
      PRAGMA cache_size = -8192;
      CREATE TABLE entries (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT
      """)
    var statement: OpaquePointer?
    sqlite3_prepare_v3(
      database, "INSERT OR REPLACE INTO entries VALUES (?1, ?2)", -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil
    )
    defer { sqlite3_finalize(statement) }
    var random: UInt64 = 1
    write(statement, commits / 10, &random)
    let began = Measure.now()
    write(statement, commits, &random)
    return Double(commits) / ((Measure.now() - began) / 1e9)
  }

  /// The same keys and values as the role's.
  private func write(_ statement: OpaquePointer?, _ count: Int, _ random: inout UInt64) {
    for _ in 0..<count {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let digits = String(UInt32(truncatingIfNeeded: random >> 33) % 10_000)
      let key = Array(("key" + String(repeating: "0", count: 6 - digits.count) + digits).utf8)
      let value = [UInt8](repeating: UInt8(random >> 56), count: 100)
      key.withUnsafeBytes { key in
        value.withUnsafeBytes { value in
          sqlite3_bind_blob64(statement, 1, key.baseAddress, UInt64(key.count), nil)
          sqlite3_bind_blob64(statement, 2, value.baseAddress, UInt64(value.count), nil)
          precondition(
            sqlite3_step(statement) == SQLITE_DONE, String(cString: sqlite3_errmsg(sqlite3_db_handle(statement))))
          sqlite3_reset(statement)
        }
      }
    }
  }

  private func run(_ database: OpaquePointer?, _ sql: String) {
    precondition(sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK, String(cString: sqlite3_errmsg(database)))
  }
}
