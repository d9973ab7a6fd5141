import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// Objects on a real disk, plain and sealed.
@Suite struct BlobStoreTests {
  static let kinds = [BlobPlace.plain, BlobPlace.sealed]

  @Test(arguments: kinds, [0, 1, 65_535, 65_536, 65_537, 3_000_000])
  func whatIsWrittenIsRead(_ settings: BlobSettings, _ size: Int) throws {
    let place = BlobPlace(settings), content = BlobPlace.content(size)
    let (record, isDuplicate) = try place.put(content, #"{"media_type": "text/x"}"#)
    #expect(record.name == BlobPlace.name(of: content) && record.size == UInt64(size) && !isDuplicate)
    #expect(try place.get(record.name) == content)
    let known = try place.store.open(record.name).record
    #expect(known.mediaType == "text/x" && abs(known.createdMilliseconds - Timestamp.now() / 1_000_000) < 60_000)
    #expect(place.files == ["objects/\(record.name.folders.outer)/\(record.name.folders.inner)/\(record.name)"])
    var status = stat()
    #expect(stat(place.path(of: content), &status) == 0 && status.st_mode & 0o777 == 0o600)
    let shows = (readFile(place.path(of: content), limit: 1 << 24) ?? []).dropFirst(BlobLayout.headerSize)
    if size > 1 { #expect(shows.starts(with: content.prefix(1000)) == (settings.sealingKey == nil)) }
  }

  @Test(arguments: kinds) func anyRangeIsRead(_ settings: BlobSettings) throws {
    let place = BlobPlace(settings), content = BlobPlace.content(200_000)
    let name = try place.put(content).record.name
    for (offset, length) in [(0, 1), (65_535, 2), (65_536, 65_536), (199_999, 0), (100_000, 1 << 40), (200_000, 0)] {
      let end = length == 0 ? content.count : min(content.count, offset + length)
      #expect(try place.get(name, offset, length) == Array(content[offset..<end]), "\(offset) \(length)")
    }
    #expect(throws: BlobFailure(NH_OUT_OF_RANGE, "the object \(name) has 200000 bytes; there is nothing at 200001")) {
      try place.get(name, 200_001, 1)
    }
  }

  @Test func theSameContentIsThereOnce() throws {
    let place = BlobPlace(), content = BlobPlace.content(100_000)
    #expect(try !place.put(content).isDuplicate)
    #expect(try place.put(content, as: "another").isDuplicate)
    #expect(place.files.count == 1)
  }

  @Test func aReadWaitsForCredit() throws {
    let place = BlobPlace(), content = BlobPlace.content(1 << 20)
    let name = try place.put(content).record.name, queue = NewsQueue()
    let reading = BlobReading(name, 0, 0, place.store, place.service) { queue.put($0) }
    reading.begin()
    for _ in 0..<4 { guard case .piece = queue.take() else { throw Unexpected("no piece") } }
    usleep(50_000)
    #expect(queue.isEmpty, "256 KiB come unasked, and no more")
    reading.credit(1)
    guard case .piece(_, let range, let offset) = queue.take() else { throw Unexpected("no piece") }
    #expect(range.count == 65_536 && offset == 262_144, "a piece is whole even if less was asked for")
    usleep(50_000)
    #expect(queue.isEmpty)
    reading.credit(65_535)
    usleep(20_000)
    #expect(queue.isEmpty, "it has had that already")
    reading.letGo()
    guard case .ended = queue.take() else { throw Unexpected("it goes on") }
  }

  @Test func whatWaitsForTheDiskIsBounded() throws {
    let place = BlobPlace()
    let upload = try BlobPlace.Upload(place, "u", "")
    #expect(upload.upload.write(0, UnsafeRawBufferPointer(start: nil, count: 0)) == NH_RESOURCE_EXHAUSTED, "not begun")
    _ = try upload.start()
    // The disk's threads are busy, so nothing is written meanwhile.
    let release = Flag()
    for _ in 0..<DiskPool.threadCount { place.service.pool.submit(for: place) { release.wait("the threads go on") } }
    usleep(20_000)
    let piece = [UInt8](repeating: 7, count: 1 << 18)
    var taken = 0
    while piece.withUnsafeBytes({ upload.upload.write(UInt64(taken), $0) }) == NH_OK { taken += piece.count }
    #expect(taken == BlobUpload.unwrittenLimit)
    release.raise()
    guard case .ready = upload.next() else { throw Unexpected("no room came") }
    #expect(piece.withUnsafeBytes { upload.upload.write(UInt64(taken), $0) } == NH_OK)
    let long = [UInt8](repeating: 7, count: BlobUpload.pieceLimit + 1)
    #expect(long.withUnsafeBytes { upload.upload.write(UInt64(taken + piece.count), $0) } == NH_INVALID_ARGUMENT)
    #expect(piece.withUnsafeBytes { upload.upload.write(UInt64(taken), $0) } == NH_OUT_OF_RANGE)
    #expect(try upload.finish().record.size == UInt64(taken + piece.count))
    #expect(piece.withUnsafeBytes { upload.upload.write(0, $0) } == NH_FAILED_PRECONDITION, "finished")
  }

  @Test func whatWasPromisedIsHeld() throws {
    let place = BlobPlace(), content = BlobPlace.content(1000), name = BlobPlace.name(of: content)
    let promise = #"{"size": 1000, "sha256": "\#(name)"}"#
    #expect(try place.put(content, promise).record.name == name)
    let short = try BlobPlace.Upload(place, "short", promise)
    _ = try short.start()
    try short.write(Array(content.prefix(999)))
    let failure = #expect(throws: BlobFailure.self) { try short.finish() }
    #expect(failure?.status == NH_INVALID_ARGUMENT && failure?.message.contains("999 bytes came") == true)
    let long = try BlobPlace.Upload(place, "long", promise)
    _ = try long.start()
    #expect((content + [0]).withUnsafeBytes { long.upload.write(0, $0) } == NH_OUT_OF_RANGE)
    long.upload.abandon()
    let other = #expect(throws: BlobFailure.self) { try place.put(BlobPlace.content(1000, seed: 2), as: "o", promise) }
    #expect(other?.status == NH_INVALID_ARGUMENT && other?.message.contains("and not \(name)") == true)
    eventually("only the good one is left") { place.files.count == 1 }
  }

  @Test func aScrubHoldsNobody() {
    var place: BlobPlace? = BlobPlace()
    weak let service = place?.service
    #expect(place?.scrub()["objects"] == 0)
    place = nil
    #expect(service == nil)
  }

  @Test func anAbandonedUploadLeavesNothing() throws {
    let place = BlobPlace()
    let upload = try BlobPlace.Upload(place, "u", "")
    _ = try upload.start()
    try upload.write(BlobPlace.content(300_000))
    upload.upload.abandon()
    eventually("its file is gone") { place.files.isEmpty }
    let again = try BlobPlace.Upload(place, "u", "")
    #expect(try again.start() == 0)
    again.upload.abandon()
  }

  @Test func whatIsRemovedIsGoneAndAnOpenReadGoesOn() throws {
    let place = BlobPlace(), content = BlobPlace.content(1 << 20)
    let name = try place.put(content).record.name, queue = NewsQueue()
    let reading = BlobReading(name, 0, 0, place.store, place.service) { queue.put($0) }
    reading.begin()
    guard case .piece = queue.take() else { throw Unexpected("no piece") }
    try place.store.remove(name)
    #expect(throws: BlobFailure(NH_NOT_FOUND, "there is no object \(name)")) { try place.get(name) }
    #expect(throws: BlobFailure(NH_NOT_FOUND, "there is no object \(name)")) { try place.store.remove(name) }
    reading.credit(1 << 30)
    var news = queue.take()
    while case .piece = news { news = queue.take() }
    guard case .ended = news else { throw Unexpected("\(news)") }
  }

  @Test func namesComeInOrderAndInParts() throws {
    let place = BlobPlace()
    try place.store.prepare()
    let names = try (0..<40).map { try place.put([UInt8($0)]).record.name }.sorted()
    #expect(place.store.list(after: "", limit: 100) == names)
    var found: [BlobName] = []
    while case let part = place.store.list(after: found.last?.text ?? "", limit: 7), !part.isEmpty { found += part }
    #expect(found == names)
  }

  @Test func aFullDiskIsToldBeforeItIsFull() throws {
    var settings = BlobPlace.plain
    settings.freeFloorBytes = 1 << 60
    let place = BlobPlace(settings)
    let failure = #expect(throws: BlobFailure.self) {
      let upload = try BlobPlace.Upload(place, "u", "")
      if case .failed(let failure) = upload.next() { throw failure }
    }
    #expect(failure?.status == NH_RESOURCE_EXHAUSTED && failure?.message.contains("`blobs.free_floor_mb`") == true)
    settings.freeFloorBytes = 0
    place.startAgain(settings)
    let large = #expect(throws: BlobFailure.self) {
      let upload = try BlobPlace.Upload(place, "u", #"{"size": 1125899906842624}"#)
      if case .failed(let failure) = upload.next() { throw failure }
    }
    #expect(large?.status == NH_RESOURCE_EXHAUSTED)
    #expect(place.files.isEmpty)
  }

  // MARK: Going on

  @Test(arguments: kinds) func anUploadGoesOnWhereTheDiskIs(_ settings: BlobSettings) throws {
    let place = BlobPlace(settings), content = BlobPlace.content(2_000_000)
    let first = try BlobPlace.Upload(place, "u", "")
    _ = try first.start()
    try first.write(Array(content.prefix(1_500_000)))
    first.upload.letGo()
    place.startAgain(settings)
    let second = try BlobPlace.Upload(place, "u", "")
    let offset = try second.start()
    #expect(offset == 1_500_000 / 65_536 * 65_536)
    try second.write(content)
    #expect(try second.finish().record.name == BlobPlace.name(of: content))
    #expect(try place.get(BlobPlace.name(of: content)) == content)
  }

  /// What a record vouches for is gone on with, and nothing else, whatever a crash has left behind it.
  @Test(arguments: kinds) func onlyWhatIsVouchedForIsGoneOnWith(_ settings: BlobSettings) throws {
    let content = BlobPlace.content(2_000_000)
    for damage in [600_000, 70_000, 5_000, 2_100, 100, 3] {
      let place = BlobPlace(settings)
      let first = try BlobPlace.Upload(place, "u", "")
      _ = try first.start()
      try first.write(Array(content.prefix(1_500_000)))
      first.upload.letGo()
      place.startAgain(settings)
      let path = place.store.path(ofUpload: "u")
      let file = open(path, O_RDWR)
      var byte: UInt8 = 0
      #expect(pread(file, &byte, 1, damage) == 1)
      byte ^= 0x40
      #expect(pwrite(file, &byte, 1, damage) == 1)
      close(file)
      let second = try BlobPlace.Upload(place, "u", "")
      let offset = try second.start()
      #expect(offset <= damage || damage < BlobLayout.headerSize, "damage at \(damage), offset \(offset)")
      try second.write(content)
      #expect(try second.finish().record.name == BlobPlace.name(of: content), "damage at \(damage)")
    }
  }

  /// A kill between the last record and the name.
  @Test(arguments: kinds) func anUploadThatWasWholeGoesOnAtItsEnd(_ settings: BlobSettings) throws {
    let place = BlobPlace(settings), content = BlobPlace.content(1_000_000)
    let name = try place.put(content).record.name
    #expect(rename(place.store.path(of: name), place.store.path(ofUpload: "u")) == 0)
    let upload = try BlobPlace.Upload(place, "u", "")
    #expect(try upload.start() == 1_000_000 / 65_536 * 65_536)
    try upload.write(content)
    #expect(try upload.finish().record.name == name)
  }

  @Test func anUploadUnderAnotherKeyBeginsAnew() throws {
    let place = BlobPlace(), content = BlobPlace.content(500_000)
    let first = try BlobPlace.Upload(place, "u", "")
    _ = try first.start()
    try first.write(content)
    first.upload.letGo()
    place.startAgain(BlobPlace.sealed)
    let second = try BlobPlace.Upload(place, "u", "")
    #expect(try second.start() == 0, "it would stay as it is, unsealed")
    try second.write(content)
    #expect(try second.finish().record.name == BlobPlace.name(of: content))
  }

  @Test func theLaterOfTwoUploadsOfANameGoesOn() throws {
    let place = BlobPlace(), content = BlobPlace.content(400_000)
    let first = try BlobPlace.Upload(place, "u", "")
    _ = try first.start()
    try first.write(content)
    let second = try BlobPlace.Upload(place, "u", "")
    guard case .failed(let failure) = first.next() else { throw Unexpected("the first goes on") }
    #expect(failure.status == NH_ABORTED)
    #expect(try second.start() == 400_000 / 65_536 * 65_536)
    try second.write(content)
    #expect(try second.finish().record.name == BlobPlace.name(of: content))
  }

  @Test func oldUploadsAreRemovedAndNewOnesKept() throws {
    let place = BlobPlace()
    for name in ["old", "new"] {
      let upload = try BlobPlace.Upload(place, name, "")
      _ = try upload.start()
      try upload.write(BlobPlace.content(100_000))
      upload.upload.letGo()
    }
    place.startAgain(BlobPlace.plain)
    let weekAgo = timeval(tv_sec: time(nil) - 8 * 86_400, tv_usec: 0)
    #expect(utimes(place.store.path(ofUpload: "old"), [weekAgo, weekAgo]) == 0)
    #expect(place.scrub()["removed_uploads"] == 0, "the store did it when it was asked the first time")
    #expect(place.files == ["uploads/\(place.store.path(ofUpload: "new").split(separator: "/").last!)"])
    #expect(
      place.log.lines(after: 0, limit: 10).contains { $0.message == "removed 1 uploads that nobody went on with" })
  }
}
