import CNodeABI
import CSQLite
import Glibc
import HostCore
import HostRuntime
import NodeValues
import Synchronization

/// Durable commits a second of a role, with so many of them waiting, and of SQLite alone in this thread: the same keys
/// and values in a table of its own, a write-ahead log with a sync at each commit (WAL, synchronous = FULL), the same
/// cache, the log copied into the file each 4,096 pages, one transaction for each commit.
///
/// The two take turns of a few milliseconds, so that what else the machine does is the same for both. That is measured
/// twice: in a new log, which grows, and when it has been copied once and is written over, which is what lasts.
/// Prints one line of numbers; the script beside it makes medians of many.
struct StoreBenchmark {
  let folder: String
  let depth: Int
  let commits: Int

  /// Each writes a page to the log, so that the log is longer than what is kept of it.
  private static let untilLogIsCopied = 4_500
  private static let turn = 200

  func run() {
    let role = StoreRole(folder)
    defer { role.end() }
    guard depth == 1 else { return runDeep(role) }
    let alone = SQLiteAlone(folder)
    let new = takeTurns(Self.untilLogIsCopied / 2, role, alone)
    role.write(Self.untilLogIsCopied / 2, depth: 1)
    alone.write(Self.untilLogIsCopied / 2)
    print(takeTurns(commits, role, alone) + new)
  }

  /// Commits a second of both, and the ratio: medians of the turns.
  private func takeTurns(_ count: Int, _ role: StoreRole, _ alone: SQLiteAlone) -> String {
    var turns: [(ours: Double, alone: Double)] = []
    for _ in 0..<count / Self.turn {
      turns.append(
        (rate(of: Self.turn) { role.write($0, depth: 1) }, rate(of: Self.turn) { alone.write($0) }))
    }
    let numbers = [turns.map(\.ours), turns.map(\.alone), turns.map { $0.ours / $0.alone }].map(Self.median)
    return numbers.map { "\($0) " }.joined()
  }

  /// Commits a second, and commits in one transaction.
  private func runDeep(_ role: StoreRole) {
    role.write(commits / 10, depth: depth)
    let before = role.batches
    let rate = rate(of: commits) { role.write($0, depth: depth) }
    print("\(rate) \(Double(commits) / (role.batches - before))")
  }

  private func rate(of count: Int, _ body: (Int) -> Void) -> Double {
    let began = Measure.now()
    body(count)
    return Double(count) / ((Measure.now() - began) / 1e9)
  }

  private static func median(_ numbers: [Double]) -> Double { numbers.sorted()[numbers.count / 2] }
}

/// The role that writes, on a loop of its own, with the store that a node has.
private final class StoreRole {
  private let loop = EventLoop(index: 1, name: "bench")
  private let thread: OwnThread
  private let services: NodeServices
  private let role: RoleInstance

  init(_ folder: String) {
    let library = CallBenchmark.load("keeper", in: folder)
    thread = loop.startThread()
    services = NodeServices(
      nodeName: "bench", nodeID: 1, log: LogHub(writesToStandardError: false), state: "\(folder)/state")
    let role = RoleInstance(
      RoleSeat(name: "keeper", loop: loop, node: services, limits: LimitSettings()), library: library)
    self.role = role
    onLoop { done in
      try! role.create(config: "{}")
      try! role.start()
      done(0)
    }
  }

  func end() {
    let role = role
    onLoop { done in
      role.end()
      done(0)
    }
    services.stores.end()
    loop.stop()
    thread.join()
  }

  func write(_ count: Int, depth: Int) {
    let role = role, method = role.method("measure")!
    let failed = onLoop { done in
      let arguments = PackedValues([.int(Int64(count)), .int(Int64(depth))])
      role.call(method, arguments.slots) { outcome in
        guard case .value(.int(let failed)) = outcome else { preconditionFailure("\(outcome)") }
        done(failed)
      }
    }
    precondition(failed == 0, "\(failed) commits failed")
  }

  /// Transactions so far.
  var batches: Double {
    let line = services.metricsText.split(separator: "\n").first { $0.hasPrefix("nodehost_store_batches_total{") }
    return line.flatMap { Double($0.split(separator: " ").last ?? "") } ?? 0
  }

  /// Runs on the loop, and waits until it is told that it is done.
  @discardableResult
  private func onLoop(_ work: @escaping @Sendable (@escaping @Sendable (Int64) -> Void) -> Void) -> Int64 {
    let answer = Answer()
    loop.post { work { answer.value.store($0, ordering: .releasing) } }
    while answer.value.load(ordering: .acquiring) < 0 { usleep(20) }
    return answer.value.load(ordering: .relaxed)
  }

  private final class Answer: Sendable {
    let value = Atomic<Int64>(-1)
  }
}

/// SQLite with nothing around it.
private final class SQLiteAlone {
  private var database: OpaquePointer?
  private var statement: OpaquePointer?
  private var random: UInt64 = 1

  init(_ folder: String) {
    let path = "\(folder)/alone.db"
    for ending in ["", "-wal", "-shm"] { unlink(path + ending) }
    precondition(sqlite3_open(path, &database) == SQLITE_OK)
    run(
      """
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;
      PRAGMA cache_size = -8192;
      CREATE TABLE entries (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT
      """)
    sqlite3_prepare_v3(
      database, "INSERT OR REPLACE INTO entries VALUES (?1, ?2)", -1, UInt32(SQLITE_PREPARE_PERSISTENT), &statement, nil
    )
  }

  deinit {
    sqlite3_finalize(statement)
    sqlite3_close_v2(database)
  }

  /// The same keys and values as the role's.
  func write(_ count: Int) {
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

  private func run(_ sql: String) {
    precondition(sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK, String(cString: sqlite3_errmsg(database)))
  }
}
