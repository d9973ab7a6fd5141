import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Synchronization
import Testing

/// A role's objects without a role: whoever asks waits here for the answer.
final class BlobPlace {
  static let key = BlobSettings.Key(id: "one", bytes: (0..<32).map { UInt8($0) })
  static let otherKey = BlobSettings.Key(id: "two", bytes: (0..<32).map { UInt8($0 + 100) })

  let folder = Place.temporaryFolder()
  let log = LogHub(writesToStandardError: false)
  private(set) var service: BlobService
  var store: BlobStore { service.store(of: "r")! }

  init(_ settings: BlobSettings = plain) { service = BlobService(state: folder, settings, log) }

  deinit {
    service.pool.end()
    run(["rm", "-rf", folder])
  }

  static var plain: BlobSettings {
    var settings = BlobSettings()
    settings.freeFloorBytes = 0
    return settings
  }

  static var sealed: BlobSettings {
    var settings = plain
    settings.keys = [key]
    settings.sealingKey = key.id
    return settings
  }

  /// As if the process had been killed and the next one had another manifest.
  func startAgain(_ settings: BlobSettings) {
    service.pool.end()
    service = BlobService(state: folder, settings, log)
  }

  static func content(_ size: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed
    return (0..<size).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 33)
    }
  }

  static func name(of content: [UInt8]) -> BlobName { BlobName(digest: ContentDigest.of(content)) }

  func path(of content: [UInt8]) -> String { store.path(of: Self.name(of: content)) }

  /// Every file below the store, without the folder in front.
  var files: [String] {
    run(["find", store.folder, "-type", "f", "-printf", "%P\n"]).output.split(separator: "\n").map(String.init).sorted()
  }

  // MARK: Uploads

  final class Upload {
    let upload: BlobUpload
    private let news: NewsQueue
    private(set) var offset = 0

    init(_ place: BlobPlace, _ name: String, _ options: String) throws {
      let queue = NewsQueue()
      news = queue
      upload = BlobUpload(name, try BlobOptions(options), place.store, place.service) { queue.put($0) }
      upload.begin()
    }

    func next() -> BlobNews {
      let news = news.take()
      if case .ready(let durable) = news {
        upload.becameReady(at: durable)
        if offset == 0 { offset = Int(durable) }
      }
      return news
    }

    /// Waits for the first answer; where to go on from.
    func start() throws -> Int {
      guard case .ready(let durable) = next() else { throw BlobFailure(NH_UNKNOWN, "it did not begin") }
      return Int(durable)
    }

    /// All of it, as fast as there is room.
    func write(_ content: [UInt8], pieceSize: Int = 100_000) throws {
      while offset < content.count {
        let piece = Array(content[offset..<min(content.count, offset + pieceSize)])
        let status = piece.withUnsafeBytes { upload.write(UInt64(offset), $0) }
        if status == NH_OK {
          offset += piece.count
        } else {
          try #require(status == NH_RESOURCE_EXHAUSTED)
          if case .failed(let failure) = next() { throw failure }
        }
      }
    }

    func finish() throws -> (record: BlobRecord, isDuplicate: Bool) {
      try #require(upload.finish())
      while true {
        switch next() {
        case .finished(let record, let isDuplicate): return (record, isDuplicate)
        case .failed(let failure): throw failure
        default: break
        }
      }
    }
  }

  @discardableResult
  func put(_ content: [UInt8], as name: String = "upload", _ options: String = "", pieceSize: Int = 100_000) throws
    -> (record: BlobRecord, isDuplicate: Bool)
  {
    let upload = try Upload(self, name, options)
    guard case .ready = upload.next() else { throw BlobFailure(NH_UNKNOWN, "it did not begin") }
    try upload.write(content, pieceSize: pieceSize)
    return try upload.finish()
  }

  // MARK: Reads

  func get(_ name: BlobName, _ offset: Int = 0, _ length: Int = 0) throws(BlobFailure) -> [UInt8] {
    let queue = NewsQueue()
    let reading = BlobReading(name, UInt64(offset), UInt64(length), store, service) { queue.put($0) }
    reading.begin()
    var bytes: [UInt8] = []
    while true {
      switch queue.take() {
      case .piece(let buffer, let range, let at):
        #expect(Int(at) == offset + bytes.count)
        bytes += buffer.content[range]
        reading.credit(UInt64(range.count))
      case .failed(let failure): throw failure
      default: return bytes
      }
    }
  }

  /// What a scrub says when it has ended.
  func scrub() -> JSON {
    let scrub = service.scrub("r")!
    eventually("the scrub ends") { !scrub.isRunning }
    return scrub.json
  }
}

/// News from the disk threads.
final class NewsQueue: @unchecked Sendable {
  private let news = Mutex<[BlobNews]>([])
  private let count = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() { sem_init(count, 0, 0) }
  deinit { count.deallocate() }

  func put(_ one: BlobNews) {
    news.withLock { $0.append(one) }
    sem_post(count)
  }

  func take() -> BlobNews {
    while sem_wait(count) != 0 {}
    return news.withLock { $0.removeFirst() }
  }

  var isEmpty: Bool { news.withLock(\.isEmpty) }
}

/// Other news came than the test is about.
struct Unexpected: Error {
  var words: String
  init(_ words: String) { self.words = words }
}
