import CNodeABI
import Glibc
@testable import HostRuntime
import Testing

/// What stands in a store's journal and not in its file yet, and what a kill or the disk does to it.
@Suite struct StoreJournalTests {
  let bench = StoreBench()

  private static func journal(_ folder: String) -> String { "\(folder)/store.db-commits" }

  private static func change(_ file: String, at offset: Int, _ bytes: [UInt8]) {
    let descriptor = open(file, O_WRONLY)
    #expect(pwrite(descriptor, bytes, bytes.count, offset) == bytes.count)
    close(descriptor)
  }

  private func bytes(_ file: String) throws -> [UInt8] { try #require(readFile(file, limit: 1 << 24)) }

  // MARK: Kills

  @Test func aKillLosesNothingHoweverOftenTheJournalWasFull() throws {
    var value: [UInt8] = []
    for number in 0..<4000 {
      value = [UInt8](repeating: UInt8(number % 251), count: 1000)
      _ = bench.commit { $0.put(StoreBench.key(number % 500), value) }
    }
    let copy = bench.copy()
    let entries = copy.scan().entries
    #expect(entries.count == 500)
    for (number, entry) in entries.enumerated() {
      #expect(entry.value == [UInt8](repeating: UInt8((3500 + number) % 251), count: 1000))
      #expect(entry.revision == UInt64(3501 + number))
    }
    #expect(copy.put("a", "1").revision == 4001)
  }

  @Test func whatWasBeingWrittenAtTheKillIsNothingAndTheRestIsThere() throws {
    for number in 1...20 { _ = bench.put("a\(number)", "\(number)") }
    let whole = try bytes(Self.journal(bench.folder))
    // The last record, as far as the disk got with it.
    let last = try #require(whole.lastIndex { $0 != 0 }) & ~7
    let copy = bench.copy { Self.change(Self.journal($0), at: last - 16, [UInt8](repeating: 0, count: 24)) }
    #expect(copy.prepare() == nil)
    #expect(copy.scan().entries.count == 19 && copy.get("a19").bytes == Array("19".utf8))
    #expect(copy.put("b", "1").revision == 20)
  }

  @Test func whatAnOldJournalSaysIsNotDoneAgain() throws {
    _ = bench.put("a", "old")
    let old = try bytes(Self.journal(bench.folder))
    bench.reopen()
    _ = bench.put("a", "new")
    bench.close()
    // As when the power fails between the last change of the file and the end of the journal.
    let copy = bench.copy { #expect(writeFile(Self.journal($0), old, mode: 0o600)) }
    #expect(copy.get("a").bytes == Array("new".utf8))
  }

  @Test func nothingIsLeftOfTheJournalWhenTheStoreIsClosed() {
    _ = bench.put("a", "1")
    #expect(access(Self.journal(bench.folder), F_OK) == 0)
    bench.close()
    #expect(filesIn(bench.folder) == ["store.db"])
  }

  // MARK: Damage

  @Test(arguments: [3, 24, 40, 70])
  func damageInFrontOfWhatIsNewerIsSeen(_ offset: Int) throws {
    for number in 1...20 { _ = bench.put("a\(number)", "\(number)") }
    let journal = try bytes(Self.journal(bench.folder))
    let copy = bench.copy { Self.change(Self.journal($0), at: offset, [journal[offset] ^ 1]) }
    let failure = try #require(copy.prepare())
    #expect(failure.status == NH_DATA_LOSS && failure.message.contains("its journal is damaged"), "\(failure)")
    #expect(copy.get("a1").status == NH_DATA_LOSS && copy.put("a1", "2").status == NH_DATA_LOSS)
    copy.close()
    #expect(try bytes(Self.journal(copy.folder)).count == journal.count, "it is left as it is")
  }

  @Test func aJournalThatWasCutShortIsDamaged() throws {
    for number in 1...5 { _ = bench.put("a\(number)", "\(number)") }
    let copy = bench.copy { #expect(truncate(Self.journal($0), 200) == 0) }
    #expect(try #require(copy.prepare()).status == NH_DATA_LOSS)
  }

  @Test func aFileThatIsOlderThanItsJournalIsDamaged() throws {
    bench.reopen()
    _ = bench.prepare()
    let old = try bytes(bench.store.path)
    _ = bench.put("a", "1")
    bench.reopen()
    _ = bench.put("b", "2")
    let copy = bench.copy { #expect(writeFile("\($0)/store.db", old, mode: 0o600)) }
    #expect(try #require(copy.prepare()).message.contains("commits are missing"))
  }

  // MARK: Reads

  /// Any mixture of commits, reads and changes of the file, beside the same rules in memory.
  @Test(arguments: 1...6) func readsSeeTheFileAndTheJournalAsOne(_ seed: UInt64) {
    var numbers = SeededNumbers(seed: seed), table = StoreTable()
    for _ in 0..<150 {
      var commit = StoreCommit()
      for _ in 0..<Int.random(in: 1...4, using: &numbers) {
        let key = StoreBench.key(Int.random(in: 0..<40, using: &numbers))
        switch Int.random(in: 0..<8, using: &numbers) {
        case 0: commit.expect(key, revision: table.get(key)?.revision ?? 0)
        case 1: commit.expect(key, revision: 7)
        case 2...3: commit.delete(key)
        case 4: commit.put(key, [UInt8](repeating: 1, count: 300_000))
        default: commit.put(key, [UInt8.random(in: 0...255, using: &numbers)])
        }
      }
      let wanted = table.run([commit])[0], got = bench.ask([.commit(commit)])[0]
      switch wanted {
      case .done(let revision): #expect(got.status == NH_OK && got.revision == revision)
      case .unmet(let key): #expect(got.status == NH_ABORTED && Array(got.key.utf8) == key)
      }
      let some = StoreBench.key(Int.random(in: 0..<40, using: &numbers))
      #expect(bench.ask([.get(some)])[0].bytes == table.get(some)?.value)
      let other = StoreBench.key(Int.random(in: 0..<40, using: &numbers))
      let range = StoreRange(from: min(some, other), to: other, limit: UInt64.random(in: 0...9, using: &numbers))
      #expect(bench.ask([.scan(range)])[0].entries.map(\.key) == table.entries(in: range).map(\.key))
      if Int.random(in: 0..<40, using: &numbers) == 0 { bench.reopen() }
    }
    #expect(bench.scan().entries.map(\.value) == table.entries(in: StoreRange()).map(\.value))
  }

  // MARK: Formats

  @Test func aFileOfTheFirstFormatIsTakenOver() throws {
    _ = bench.put("a", "1")
    bench.close()
    do {
      let connection = try SQLiteConnection(bench.store.path)
      try connection.run("ALTER TABLE counter RENAME COLUMN revision TO set_aside; PRAGMA user_version = 1")
    }
    bench.reopen()
    #expect(bench.get("a") == .value("1", 1))
    #expect(bench.put("b", "2").revision == 2)
    bench.reopen()
    #expect(bench.get("b") == .value("2", 2))
  }
}

private func min(_ one: [UInt8], _ other: [UInt8]) -> [UInt8] { one.lexicographicallyPrecedes(other) ? one : other }
