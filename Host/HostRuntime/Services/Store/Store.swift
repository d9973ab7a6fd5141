import CNodeABI
import CSQLite
import Synchronization

/// The durable key-value store of one role name, on a thread of its own.
///
/// Everything asked of it until the thread gets to it is one batch: all its commits go into one transaction with one
/// sync, then come its reads, which so see every commit that was asked before them, and then everybody is answered,
/// each client in one post. While the disk syncs, the next batch gathers.
///
/// Each role has a file and a thread of its own. One file for all roles of a node would need fewer syncs when many
/// roles write at once; but its damage would be everybody's, as would be a long check at the start, and a role's data
/// could not be moved, measured or removed by itself. Syncs of several files at once are joined by the file system's
/// own journal.
package final class Store: RoleStore, TurnEndTarget, @unchecked Sendable {
  /// Reads of ranges that go on at one time; more wait for their turn.
  static let scanLimit = 8
  /// Bytes of large values that were read and not taken yet; further gets wait.
  static let heldByteLimit = 64 << 20

  static let lingerNanoseconds: Int64 = 60_000

  package let role: String
  package let path: String
  let loop: EventLoop
  /// Open once nothing here has to do with the file any more.
  let closed = Gate()
  private let log: LogHub
  private let batches: MetricSeries?
  private let commits: MetricSeries?

  // The store's thread.
  /// Of the store that has had the file so far and is still closing it.
  private var predecessor: Gate?
  private var database: StoreDatabase?
  /// Why it does nothing any more: opening it, or a write or sync, has failed.
  private var failure: StoreFailure?
  private var waiting: [StoreRequest] = []
  private var isScheduled = false
  /// When the last batch was answered.
  private var lastEnd: Int64 = 0
  private var scans: [(request: StoreRequest, scan: StoreScan)] = []
  private var waitingScans: [(request: StoreRequest, range: StoreRange)] = []
  private var idleReaders: [SQLiteConnection] = []
  private var waitingGets: [(request: StoreRequest, key: [UInt8])] = []
  private var heldBytes = 0
  private var answers: [(client: any StoreClient, list: [StoreAnswer])] = []

  init(
    role: String, folder: String, log: LogHub, batches: MetricSeries?, commits: MetricSeries?,
    after predecessor: Store? = nil
  ) {
    self.role = role
    self.predecessor = predecessor?.closed
    self.log = log
    self.batches = batches
    self.commits = commits
    path = Self.path(in: folder)
    loop = EventLoop(index: -4, name: "store")
  }

  static func path(in folder: String) -> String { "\(folder)/store.db" }

  // MARK: From any thread

  package func send(_ requests: [StoreRequest]) {
    loop.post { [self] in
      waiting += requests
      guard !isScheduled else { return }
      // What others have posted by now joins the batch.
      isScheduled = true
      loop.atTurnEnd(self)
    }
  }

  /// Opens the file, or opens it again if it has failed, and tells what is wrong with it.
  package func prepare(_ done: @escaping @Sendable (StoreFailure?) -> Void) {
    loop.post { [self] in
      failure = nil
      open()
      done(failure)
    }
  }

  /// The client has taken the last part of a scan and wants the next.
  package func goOn(_ number: UInt64, of client: any StoreClient) {
    loop.post { [self] in
      guard let place = place(of: number, of: client) else { return }
      step(place)
      post()
    }
  }

  /// The client has taken values of so many bytes; see `StoreAnswer.heldBytes`.
  package func taken(_ bytes: Int) {
    guard bytes > 0 else { return }
    loop.post { [self] in
      heldBytes -= bytes
      while heldBytes < Self.heldByteLimit, !waitingGets.isEmpty {
        let (request, key) = waitingGets.removeFirst()
        get(key, request)
      }
      post()
    }
  }

  /// Ends a scan without an answer.
  package func endScan(_ number: UInt64, of client: any StoreClient) {
    loop.post { [self] in
      // It may not have begun, or not even have been looked at.
      waiting.removeAll { $0.client === client && $0.number == number }
      waitingScans.removeAll { $0.request.client === client && $0.request.number == number }
      if let place = place(of: number, of: client) { endScan(place) }
      // Another may have begun in its place.
      post()
    }
  }

  /// Closes the file. What was sent before is done first.
  func close() {
    loop.post { [self] in
      work()
      end()
      closeAll(StoreFailure(status: NH_UNAVAILABLE, message: "the store is closed: the node ends"))
      post()
      closed.open()
      loop.stop()
    }
  }

  // MARK: The store's thread

  private func open() {
    guard database == nil, failure == nil else { return }
    predecessor?.pass()
    predecessor = nil
    let folder = String(path[..<path.lastIndex(of: "/")!])
    do throws(SQLiteError) {
      guard Self.makeFolderDurably(folder) else {
        throw SQLiteError(code: SQLITE_CANTOPEN, message: "cannot make its folder: \(systemError())")
      }
      database = try StoreDatabase(path)
    } catch {
      fail(error, "cannot be opened")
    }
  }

  /// A store lies two folders below the node's state, both of which may be new.
  private static func makeFolderDurably(_ folder: String) -> Bool {
    if isFolder(folder) { return true }
    guard makeFolder(folder, mode: 0o700) else { return false }
    var folder = folder[...]
    for _ in 0..<2 {
      folder = folder[..<(folder.lastIndex(of: "/") ?? folder.startIndex)]
      guard syncFolder(String(folder)) else { return false }
    }
    return true
  }

  /// Nothing is done with the file from here on until it is opened and checked anew.
  private func fail(_ error: SQLiteError, _ what: String) {
    let remedy =
      error.status == NH_DATA_LOSS
      ? "nothing is written to it any more; look at the disk and the system's log, then restart the role, which "
        + "checks it; a damaged store is not replaced: move it away with its -wal and -commits files; a copy may be "
        + "put in its place"
      : "see that the node may read and write it, then restart the role"
    let message = "the store \(path) \(what): \(error.message); \(remedy)"
    log.write(NH_LOG_ERROR, role: role, message)
    closeAll(StoreFailure(status: error.status, message: message))
  }

  private func closeAll(_ failure: StoreFailure) {
    self.failure = failure
    for (request, _) in scans { answer(request, .failure(failure)) }
    for (request, _) in waitingScans { answer(request, .failure(failure)) }
    for (request, _) in waitingGets { answer(request, .failure(failure)) }
    scans = []
    waitingScans = []
    waitingGets = []
    idleReaders = []
    database = nil
  }

  private func end() {
    // What cannot go into the file now stands in the journal.
    do throws(SQLiteError) { try database?.end() } catch {
      log.write(NH_LOG_WARNING, role: role, "\(path): \(error.message)")
    }
  }

  /// Somebody who commits, waits and commits again is back after a few microseconds; then sleeping in between costs
  /// as much as a fifth of a fast disk's sync.
  private func lingerIfAsked(_ began: Int64) {
    let isClosedLoop = began - lastEnd < Self.lingerNanoseconds
    lastEnd = EventLoop.now()
    if isClosedLoop { loop.linger(nanoseconds: Self.lingerNanoseconds) }
  }

  func turnEnded() { work() }

  private func work() {
    let began = EventLoop.now()
    defer { lingerIfAsked(began) }
    isScheduled = false
    let batch = waiting
    waiting = []
    open()
    write(batch)
    for request in batch { read(request) }
    post()
    tidy()
  }

  private func write(_ batch: [StoreRequest]) {
    var asking: [StoreRequest] = [], asked: [StoreCommit] = []
    for request in batch {
      guard case .commit(let commit) = request.kind else { continue }
      asking.append(request)
      asked.append(commit)
    }
    if !asked.isEmpty { write(asking, asked) }
  }

  private func write(_ requests: [StoreRequest], _ asked: [StoreCommit]) {
    guard let database else { return refuse(requests) }
    do throws(SQLiteError) {
      let outcomes = try database.run(asked)
      batches?.addFromAnyThread(1)
      commits?.addFromAnyThread(Double(asked.count))
      for (request, outcome) in zip(requests, outcomes) {
        switch outcome {
        case .done(let revision): answer(request, .done(revision: revision))
        case .unmet(let key): answer(request, .failure(Self.unmet(key)))
        }
      }
    } catch  where error.isPassing && requests.count > 1 {
      // One that is too large for the disk must not take the others along.
      for (request, commit) in zip(requests, asked) { write([request], [commit]) }
    } catch  where error.isPassing {
      answer(requests[0], .failure(passing(error)))
    } catch {
      fail(error, "failed while it was written")
      refuse(requests)
    }
  }

  private static func unmet(_ key: [UInt8]) -> StoreFailure {
    let message = "an expectation was not met: somebody has written the key meanwhile; read it again and start over"
    return StoreFailure(status: NH_ABORTED, message: message, key: key)
  }

  private func passing(_ error: SQLiteError) -> StoreFailure {
    let words =
      error.status == NH_RESOURCE_EXHAUSTED
      ? "the disk of \(path) is full; nothing of the commit was written: make room and try again"
      : "\(path): \(error.message)"
    return StoreFailure(status: error.status, message: words)
  }

  private func read(_ request: StoreRequest) {
    switch request.kind {
    case .commit: break
    case .get(let key) where heldBytes >= Self.heldByteLimit: waitingGets.append((request, key))
    case .get(let key): get(key, request)
    case .scan(let range):
      guard database != nil else { return refuse([request]) }
      waitingScans.append((request, range))
      beginScans()
    }
  }

  private func get(_ key: [UInt8], _ request: StoreRequest) {
    guard let database else { return refuse([request]) }
    do throws(SQLiteError) {
      if let entry = try database.get(key) {
        answer(request, .value(entry.value, revision: entry.revision))
      } else {
        answer(request, .failure(StoreFailure(status: NH_NOT_FOUND, message: "there is no such key", key: key)))
      }
    } catch {
      refuse(request, error)
    }
  }

  private func refuse(_ request: StoreRequest, _ error: SQLiteError) {
    guard error.isPassing else {
      fail(error, "failed while it was read")
      return refuse([request])
    }
    answer(request, .failure(passing(error)))
  }

  private func refuse(_ requests: [StoreRequest]) {
    let failure = failure ?? StoreFailure(status: NH_UNAVAILABLE, message: "the store is closed")
    for request in requests { answer(request, .failure(failure)) }
  }

  private func tidy() {
    guard let database else { return }
    do throws(SQLiteError) { try database.tidy() } catch { fail(error, "failed while its log was looked after") }
  }

  // MARK: Answers

  private func answer(_ request: StoreRequest, _ content: StoreAnswer.Content) {
    let answer = StoreAnswer(number: request.number, content: content)
    heldBytes += answer.heldBytes
    if let place = answers.firstIndex(where: { $0.client === request.client }) {
      answers[place].list.append(answer)
    } else {
      answers.append((request.client, [answer]))
    }
  }

  private func post() {
    let ready = answers
    answers = []
    for (client, list) in ready { client.take(list) }
  }

  // MARK: Scans

  private func beginScans() {
    while scans.count < Self.scanLimit, !waitingScans.isEmpty, let database {
      let (request, range) = waitingScans.removeFirst()
      do throws(SQLiteError) {
        try database.tidy(forScan: true)
        let reader = if let idle = idleReaders.popLast() { idle } else { try database.reader() }
        scans.append((request, try StoreScan(range, database, on: reader)))
        step(scans.count - 1)
      } catch {
        refuse(request, error)
      }
    }
  }

  private func place(of number: UInt64, of client: any StoreClient) -> Int? {
    scans.firstIndex { $0.request.client === client && $0.request.number == number }
  }

  private func step(_ place: Int) {
    let (request, scan) = scans[place]
    do throws(SQLiteError) {
      let (entries, isLast) = try scan.next()
      if !entries.isEmpty { answer(request, .entries(entries)) }
      guard isLast else { return }
      answer(request, .end(revision: scan.revision))
      endScan(place)
    } catch {
      endScan(place)
      refuse(request, error)
    }
  }

  private func endScan(_ place: Int) {
    if let reader = scans.remove(at: place).scan.end() { idleReaders.append(reader) }
    beginScans()
  }
}
