import CNodeABI
import Glibc
@testable import HostRuntime
import Synchronization
import Testing

/// The store itself, asked as a role asks it, without a role.
@Suite struct StoreTests {
  let bench = StoreBench()

  @Test func whatIsPutIsThereUntilItIsDeleted() {
    let first = bench.put("a", "1")
    #expect(bench.get("a") == .value("1", first.revision))
    let second = bench.put("a", "2")
    #expect(second.revision > first.revision)
    #expect(bench.get("a") == .value("2", second.revision))
    _ = bench.commit { $0.delete(Array("a".utf8)) }
    #expect(bench.get("a").status == NH_NOT_FOUND && bench.get("a").key == "a")
    #expect(bench.commit { $0.delete(Array("never".utf8)) }.status == NH_OK)
  }

  @Test func bytesOfAllKindsSurvive() {
    let all = (0...255).map { UInt8($0) }
    for (key, value) in [([], []), ([0], [0]), (all, all), ([255, 255], []), ([], all)] as [([UInt8], [UInt8])] {
      _ = bench.commit { $0.put(key, value) }
      let got = bench.ask([.get(key)])[0]
      #expect(got.status == NH_OK && got.bytes == value, "\(key)")
    }
    let large = [UInt8](repeating: 7, count: StoreCommit.valueLimit)
    _ = bench.commit { $0.put([1], large) }
    #expect(bench.ask([.get([1])])[0].bytes == large)
  }

  @Test func anExpectationIsMetOrNothingHappens() {
    let put = bench.commit {
      $0.expect([1], revision: 0)
      $0.put([1], [10])
    }
    #expect(put.status == NH_OK)
    let late = bench.commit {
      $0.put([2], [20])
      $0.expect([1], revision: 0)
    }
    #expect(late.status == NH_ABORTED && late.key == "\u{1}")
    #expect(bench.ask([.get([2])])[0].status == NH_NOT_FOUND, "all or none")
    let right = bench.commit {
      $0.expect([1], revision: put.revision)
      $0.delete([1])
    }
    #expect(right.status == NH_OK)
    // A revision is never used twice, so nobody takes the key's next life for its last.
    _ = bench.commit { $0.put([1], [10]) }
    #expect(bench.commit { $0.expect([1], revision: put.revision) }.status == NH_ABORTED)
  }

  /// What the file says of a key is looked up once; each time the journal is full the file changes.
  @Test func anExpectationIsOfTheLastRevisionWhereverThatStands() {
    func fillJournal() { for _ in 0..<4 { _ = bench.commit { $0.put([9], [UInt8](repeating: 7, count: 400_000)) } } }
    func meets(_ revision: UInt64) -> Bool { bench.commit { $0.expect([1], revision: revision) }.status == NH_OK }
    var last: UInt64 = 0
    for number in 0..<3 {
      let before = last
      last = bench.commit { $0.put([1], [UInt8(number)]) }.revision
      for _ in 0..<2 {
        #expect(meets(last) && !meets(before))
        fillJournal()
      }
      #expect(meets(last) && meets(last) && !meets(before))
    }
    _ = bench.commit { $0.delete([1]) }
    #expect(meets(0) && !meets(last))
    fillJournal()
    #expect(meets(0) && meets(0) && !meets(last))
  }

  @Test func inOneBatchEachCommitSeesThoseBeforeAndFailsAlone() {
    func commit(_ build: (inout StoreCommit) -> Void) -> StoreRequest.Kind {
      var commit = StoreCommit()
      build(&commit)
      return .commit(commit)
    }
    let answers = bench.ask([
      commit {
        $0.expect([1], revision: 0)
        $0.put([1], [1])
      },
      commit {
        $0.expect([1], revision: 0)
        $0.put([1], [2])
        $0.put([2], [2])
      },
      .get([1]),
      commit { $0.put([3], [3]) },
      .get([2]), .get([3]),
    ])
    #expect(answers.map(\.status) == [NH_OK, NH_ABORTED, NH_OK, NH_OK, NH_NOT_FOUND, NH_OK])
    #expect(answers[2].bytes == [1] && answers[5].bytes == [3])
    #expect(answers[3].revision == answers[0].revision + 1)
    #expect(bench.batches == 1, "one sync for all of them")
  }

  @Test func aReadSeesWhatWasAskedBefore() {
    var numbers: [StoreRequest.Kind] = []
    for number in 0..<200 {
      var commit = StoreCommit()
      commit.put([9], [UInt8(number)])
      numbers += [.commit(commit), .get([9])]
    }
    let answers = bench.ask(numbers)
    for number in 0..<200 { #expect(answers[2 * number + 1].bytes![0] >= UInt8(number)) }
  }

  // MARK: Ranges

  @Test func aScanIsInOrderAndWithinItsBounds() {
    _ = bench.commit { commit in
      for key in ["b", "a", "c", "ab", "\u{0}", "é"] { commit.put(Array(key.utf8), Array("v\(key)".utf8)) }
    }
    #expect(bench.scan().keys == ["\u{0}", "a", "ab", "b", "c", "é"])
    #expect(bench.scan(from: "ab", to: "c").keys == ["ab", "b"])
    #expect(bench.scan(from: "ab").keys == ["ab", "b", "c", "é"])
    #expect(bench.scan(limit: 2).keys == ["\u{0}", "a"])
    #expect(bench.scan(from: "x", to: "y").keys.isEmpty && bench.scan(from: "c", to: "a").keys.isEmpty)
    #expect(bench.scan().end == bench.put("z", "").revision - 1, "the end tells of which moment it was")
  }

  @Test func aScanIsOfOneMomentWhateverIsWrittenMeanwhile() {
    for first in stride(from: 0, to: 3000, by: 500) {
      _ = bench.commit { commit in
        for key in first..<first + 500 { commit.put(Self.key(key), [1]) }
      }
    }
    // Each slice waits until the test has taken it, and between them everything changes.
    bench.client.holdsSlices = true
    let scan = bench.begin(.scan(StoreRange()))
    eventually("it has begun") { bench.client.hasBegun(scan) }
    var slices = 0
    while !bench.client.isAnswered(scan) {
      _ = bench.commit { commit in
        for key in 0..<500 { commit.delete(Self.key((slices * 500 + key * 7) % 3000)) }
        for key in 0..<500 { commit.put(Self.key(2000 + key * 2), [2]) }
      }
      slices += 1
      bench.store.goOn(scan, of: bench.client)
      usleep(2000)
    }
    let entries = bench.client.answer(scan).entries
    #expect(slices >= 10 && entries.count == 3000)
    #expect(entries.allSatisfy { $0.value == [1] })
  }

  @Test func manyScansTakeTurns() {
    _ = bench.commit { commit in
      for key in 0..<600 { commit.put(Self.key(key), [1]) }
    }
    let all = bench.ask((0..<40).map { _ in .scan(StoreRange()) })
    #expect(all.allSatisfy { $0.status == NH_OK && $0.entries.count == 600 })
  }

  @Test func aScanThatIsEndedMakesRoomForOthers() {
    _ = bench.commit { commit in
      for key in 0..<600 { commit.put(Self.key(key), [1]) }
    }
    bench.client.holdsSlices = true
    let held = (0..<Store.scanLimit).map { _ in bench.begin(.scan(StoreRange())) }
    let waits = bench.begin(.scan(StoreRange(limit: 5)))
    usleep(20_000)
    #expect(!bench.client.isAnswered(waits))
    for scan in held { bench.store.endScan(scan, of: bench.client) }
    #expect(bench.client.answer(waits).entries.count == 5)
  }

  @Test func aScanThatIsEndedBeforeItIsLookedAtNeverBegins() {
    _ = bench.commit { commit in
      for key in 0..<600 { commit.put(Self.key(key), [1]) }
    }
    bench.client.holdsSlices = true
    for _ in 0..<Store.scanLimit {
      // Both find the store busy.
      bench.store.loop.post { usleep(5_000) }
      bench.store.endScan(bench.begin(.scan(StoreRange())), of: bench.client)
    }
    #expect(bench.scan(limit: 5).entries.count == 5)
  }

  @Test func largeValuesAreReadOnlyAsFastAsTheyAreTaken() {
    let value = [UInt8](repeating: 7, count: 8 << 20)
    _ = bench.commit { $0.put([1], value) }
    bench.client.holdsSlices = true
    let all = (0..<20).map { _ in bench.begin(.get([1])) }
    usleep(300_000)
    // As many as fit, and the one that passes the limit.
    #expect(all.count { bench.client.isAnswered($0) } <= Store.heldByteLimit / value.count + 1)
    for _ in 0..<20 { bench.store.taken(value.count) }
    for number in all { #expect(bench.client.answer(number).bytes?.count == value.count) }
  }

  // MARK: Restarts

  @Test func everythingIsThereAfterwardsAndRevisionsGoOn() {
    let before = bench.put("a", "1").revision
    bench.reopen()
    #expect(bench.get("a") == .value("1", before))
    #expect(bench.put("b", "2").revision == before + 1)
    let copy = bench.copy()
    #expect(copy.get("b").status == NH_OK)
    #expect(copy.put("c", "3").revision == before + 2)
  }

  @Test func theFileBelongsToItsOwnerAlone() {
    _ = bench.put("a", "1")
    var status = stat()
    #expect(stat(bench.folder, &status) == 0 && status.st_mode & 0o777 == 0o700)
  }

  @Test func theLogDoesNotGrowForEver() {
    let value = [UInt8](repeating: 1, count: 1 << 20)
    for _ in 0..<60 { _ = bench.commit { $0.put([1], value) } }
    var status = stat()
    #expect(stat("\(bench.store.path)-wal", &status) == 0)
    #expect(status.st_size < 2 * StoreDatabase.logPageLimit * 4096 + 4 << 20, "\(status.st_size)")
  }

  // MARK: Damage

  private func damage(at offset: Int, _ bytes: [UInt8]) {
    let file = open(bench.store.path, O_WRONLY)
    #expect(pwrite(file, bytes, bytes.count, offset) == bytes.count)
    close(file)
  }

  private func fill() {
    _ = bench.commit { commit in
      for key in 0..<2000 { commit.put(Self.key(key), [UInt8](repeating: 65, count: 50)) }
    }
    bench.close()
  }

  @Test(arguments: [(0, "file is not a database"), (4096 * 5, "malformed"), (68, "it is no store of nodehost")])
  func aDamagedFileIsReportedAndLeftAsItIs(_ offset: Int, _ words: String) throws {
    fill()
    damage(at: offset, [UInt8](repeating: 0xA5, count: 24))
    let before = readFile(bench.store.path, limit: 1 << 24)
    bench.reopen()
    let failure = try #require(bench.prepare())
    #expect(failure.status == NH_DATA_LOSS)
    #expect(failure.message.contains(bench.store.path) && failure.message.contains("a damaged store is not replaced"))
    #expect(failure.message.contains(words) || offset == 4096 * 5, "\(failure.message)")
    #expect(bench.get("a").status == NH_DATA_LOSS && bench.put("a", "1").status == NH_DATA_LOSS)
    bench.close()
    #expect(readFile(bench.store.path, limit: 1 << 24) == before)
  }

  @Test func anEmptyFileIsDamagedToo() throws {
    fill()
    #expect(truncate(bench.store.path, 0) == 0)
    bench.reopen()
    #expect(try #require(bench.prepare()).message.contains("it is no store of nodehost"))
  }

  @Test func aLogWithoutItsFileIsDamagedToo() throws {
    _ = bench.put("a", "1")
    let copy = bench.copy { unlink("\($0)/store.db") }
    #expect(try #require(copy.prepare()).message.contains("the file is missing"))
  }

  @Test func aValueThatTheDiskHasChangedIsNotHandedOut() throws {
    fill()
    let bytes = try #require(readFile(bench.store.path, limit: 1 << 24))
    let row = try #require(bytes.firstRange(of: Array("key00700".utf8) + [65, 65, 65]))
    damage(at: row.upperBound + 20, [66])
    bench.reopen()
    #expect(bench.prepare() == nil, "its structure is whole")
    let got = bench.ask([.get(Self.key(700))])[0]
    #expect(got.status == NH_DATA_LOSS)
    #expect(bench.ask([.get(Self.key(701))])[0].status == NH_OK, "the others are well")
    #expect(bench.scan().status == NH_DATA_LOSS)
    #expect(bench.ask([.get(Self.key(701))])[0].status == NH_OK)
  }

  @Test func aFileThatBreaksWhileItIsOpenIsReportedByAScan() throws {
    fill()
    bench.reopen()
    #expect(bench.prepare() == nil)
    damage(at: 4096, [UInt8](repeating: 0xA5, count: 4096 * 20))
    #expect(bench.scan().status == NH_DATA_LOSS)
  }

  @Test func aFileOfANewerFormatIsNotTouched() throws {
    fill()
    damage(at: 60, [0, 0, 0, 9])
    bench.reopen()
    let failure = try #require(bench.prepare())
    #expect(failure.status == NH_FAILED_PRECONDITION && failure.message.contains("its format is 9"), "\(failure)")
  }

  @Test func aStoreThatWasMendedServesAgain() throws {
    fill()
    let whole = try #require(readFile(bench.store.path, limit: 1 << 24))
    damage(at: 0, [0])
    bench.reopen()
    #expect(bench.prepare() != nil)
    #expect(writeFile(bench.store.path, whole, mode: 0o600))
    #expect(bench.prepare() == nil)
    #expect(bench.ask([.get(Self.key(5))])[0].status == NH_OK)
  }

  private static func key(_ number: Int) -> [UInt8] { StoreBench.key(number) }
}

/// A store with a client that waits for what it asks.
final class StoreBench {
  let folder: String
  private let metrics = MetricRegistry()
  private(set) var store: Store
  private var thread: OwnThread?
  let client = TestClient()
  private var last: UInt64 = 0
  private let series: MetricSeries

  init(folder: String = Place.temporaryFolder() + "/roles/b") {
    self.folder = folder
    series = metrics.series(.counter, "batches", help: "", labels: [], bounds: [])!
    store = Self.make(folder, series)
    client.store = store
    thread = store.loop.startThread()
  }

  deinit {
    close()
    run(["rm", "-rf", folder, "\(folder).copy"])
  }

  private static func make(_ folder: String, _ batches: MetricSeries) -> Store {
    Store(
      role: "b", folder: folder, log: LogHub(writesToStandardError: false), batches: batches, commits: nil)
  }

  var batches: Int { Int(series.read()) }

  static func key(_ number: Int) -> [UInt8] {
    let digits = String(number)
    return Array(("key" + String(repeating: "0", count: 5 - digits.count) + digits).utf8)
  }

  func close() {
    guard let thread else { return }
    store.close()
    thread.join()
    self.thread = nil
  }

  /// Another store with the same files as they are, as after a kill.
  func copy(_ change: (String) -> Void = { _ in }) -> StoreBench {
    let other = "\(folder).copy"
    run(["rm", "-rf", other])
    run(["cp", "-r", folder, other])
    change(other)
    return StoreBench(folder: other)
  }

  func reopen() {
    close()
    store = Self.make(folder, series)
    client.store = store
    thread = store.loop.startThread()
  }

  func prepare() -> StoreFailure? {
    let outcome = Pending<StoreFailure?>()
    store.prepare { outcome.end($0) }
    return outcome.outcome()
  }

  func begin(_ kind: StoreRequest.Kind) -> UInt64 {
    last += 1
    store.send([StoreRequest(kind, number: last, by: client)])
    return last
  }

  func ask(_ kinds: [StoreRequest.Kind]) -> [TestClient.Got] {
    let first = last + 1
    last += UInt64(kinds.count)
    store.send(kinds.enumerated().map { StoreRequest($1, number: first + UInt64($0), by: client) })
    return (first...last).map { client.answer($0) }
  }

  func commit(_ build: (inout StoreCommit) -> Void) -> TestClient.Got {
    var commit = StoreCommit()
    build(&commit)
    return ask([.commit(commit)])[0]
  }

  func put(_ key: String, _ value: String) -> TestClient.Got { commit { $0.put(Array(key.utf8), Array(value.utf8)) } }
  func get(_ key: String) -> TestClient.Got { ask([.get(Array(key.utf8))])[0] }

  func scan(from: String = "", to: String = "", limit: UInt64 = 0) -> TestClient.Got {
    ask([.scan(StoreRange(from: Array(from.utf8), to: Array(to.utf8), limit: limit))])[0]
  }
}

/// Collects answers, and asks for the next part of a scan unless the test does that itself.
final class TestClient: StoreClient, @unchecked Sendable {
  struct Got: Equatable {
    var status: nh_status = NH_OK
    var bytes: [UInt8]?
    var key = ""
    var revision: UInt64 = 0
    var end: UInt64 = 0
    var entries: [StoreEntry] = []
    var keys: [String] { entries.map { String(decoding: $0.key, as: UTF8.self) } }

    static func value(_ text: String, _ revision: UInt64) -> Got {
      Got(bytes: Array(text.utf8), revision: revision)
    }
    static func == (one: Got, other: Got) -> Bool {
      one.status == other.status && one.bytes == other.bytes && one.revision == other.revision
    }
  }

  private let got = Mutex<[UInt64: Got]>([:])
  private let ended = Mutex<Set<UInt64>>([])
  nonisolated(unsafe) weak var store: Store?
  nonisolated(unsafe) var holdsSlices = false

  func take(_ answers: [StoreAnswer]) {
    for answer in answers {
      var goesOn = false
      got.withLock { all in
        var got = all[answer.number] ?? Got()
        switch answer.content {
        case .done(let revision): got.revision = revision
        case .value(let value, let revision): (got.bytes, got.revision) = (value, revision)
        case .entries(let entries):
          got.entries += entries
          goesOn = true
        case .end(let revision): got.end = revision
        case .failure(let failure):
          (got.status, got.key) = (failure.status, String(decoding: failure.key, as: UTF8.self))
        }
        all[answer.number] = got
      }
      if goesOn, !holdsSlices { store?.goOn(answer.number, of: self) }
      if !holdsSlices { store?.taken(answer.heldBytes) }
      if !goesOn { ended.withLock { _ = $0.insert(answer.number) } }
    }
  }

  func hasBegun(_ number: UInt64) -> Bool { got.withLock { $0[number] != nil } }
  func isAnswered(_ number: UInt64) -> Bool { ended.withLock { $0.contains(number) } }

  func answer(_ number: UInt64, place: SourceLocation = #_sourceLocation) -> Got {
    for _ in 0..<20_000 {
      if isAnswered(number) { return got.withLock { $0[number]! } }
      usleep(500)
    }
    Issue.record("the store never answered", sourceLocation: place)
    return Got(status: NH_UNKNOWN)
  }
}
