import CNodeABI
import HostCore
import Synchronization

/// An object on its way in. The role's loop puts pieces together to chunks; a disk thread, one at a time, writes and
/// hashes them, seals them if there is a key, and gives the object its name in the end.
///
/// Writing comes before hashing, and the system is asked to begin with the disk at once: so the disk works while the
/// content is hashed, and the sync at the end finds nearly all of it done. Two threads for one upload were measured to
/// be no faster.
final class BlobUpload: BlobRequest, @unchecked Sendable {
  /// What may wait for the disk. More lets a role run ahead further and costs that much for each open upload.
  static let unwrittenLimit = 1 << 20
  /// The longest piece: two fit, so that a role that writes the longest pieces keeps the disk busy.
  static let pieceLimit = 512 << 10
  /// After so much, the upload can be gone on with even if the power fails. Less costs syncs.
  static let checkpointBytes: UInt64 = 16 << 20
  /// After so much, the disk is asked to begin, and a kill loses no more than this.
  static let strideBytes: UInt64 = 512 << 10
  /// After so much, others have their turn on the thread.
  private static let turnBytes = 4 << 20

  private enum End { case finish, letGo, abandon }

  private struct State {
    var queue: [BlobBuffer] = []
    /// The last chunk, once the role has finished.
    var last: BlobBuffer?
    /// In the queue and in the chunk that is being filled.
    var unwritten = 0
    var wantsRoom = false
    var end: End?
    var isScheduled = false
    var isOver = false
    var whenOver: [@Sendable () -> Void] = []

    /// True for whoever has to submit it; false if its turn comes anyway.
    mutating func takeTurn() -> Bool {
      guard !isScheduled, !isOver else { return false }
      isScheduled = true
      return true
    }
  }
  private let state = Mutex(State())

  let name: String
  private let options: BlobOptions
  private let store: BlobStore
  private let service: BlobService
  private let tell: BlobTeller

  // The role's loop.
  private var filling: BlobBuffer?
  /// Where the next piece goes; nil until the first reply.
  private var end: UInt64?
  private var isEnding = false

  // The disk thread's.
  private var file: BlobFile?
  private var digest = ContentDigest()
  private var written: UInt64 = 0
  private var durable: UInt64 = 0
  /// How far the disk was asked to begin.
  private var begun: UInt64 = 0
  private var checkpoints = 0

  init(_ name: String, _ options: BlobOptions, _ store: BlobStore, _ service: BlobService, _ tell: @escaping BlobTeller)
  {
    self.name = name
    self.options = options
    self.store = store
    self.service = service
    self.tell = tell
  }

  // MARK: The role's loop

  /// An upload of the same name that is still open ends first: its bytes are this one's.
  func begin() {
    guard let earlier = store.claim(name, self) else { return schedule() }
    earlier.giveWay { [self] in schedule() }
  }

  func becameReady(at offset: UInt64) { if end == nil { end = offset } }

  func write(_ offset: UInt64, _ bytes: UnsafeRawBufferPointer) -> nh_status {
    guard !isEnding else { return NH_FAILED_PRECONDITION }
    guard let end else { return NH_RESOURCE_EXHAUSTED }
    guard bytes.count <= Self.pieceLimit else { return NH_INVALID_ARGUMENT }
    let newEnd = end + UInt64(bytes.count)
    guard offset == end, newEnd <= options.size ?? BlobLayout.sizeLimit else { return NH_OUT_OF_RANGE }
    guard !bytes.isEmpty else { return NH_OK }
    let hasRoom = state.withLock { state in
      state.wantsRoom = state.unwritten + bytes.count > Self.unwrittenLimit
      // One that is over has its last reply on the way.
      guard !state.wantsRoom, !state.isOver else { return false }
      state.unwritten += bytes.count
      return true
    }
    guard hasRoom else { return NH_RESOURCE_EXHAUSTED }
    self.end = newEnd
    enqueue(chunks(of: bytes))
    return NH_OK
  }

  private func chunks(of bytes: UnsafeRawBufferPointer) -> [BlobBuffer] {
    var full: [BlobBuffer] = []
    var rest = bytes[...]
    while !rest.isEmpty {
      let buffer = filling ?? service.buffers.take()
      let part = rest.prefix(buffer.free)
      buffer.append(UnsafeRawBufferPointer(rebasing: part))
      rest = rest.dropFirst(part.count)
      filling = buffer.free == 0 ? nil : buffer
      if buffer.free == 0 { full.append(buffer) }
    }
    return full
  }

  private func enqueue(_ chunks: [BlobBuffer]) {
    guard !chunks.isEmpty else { return }
    let isNew = state.withLock { state in
      state.queue += chunks
      return state.takeTurn()
    }
    if isNew { submit() }
  }

  /// False if it has been finished or given up before.
  func finish() -> Bool {
    guard !isEnding, end != nil else { return false }
    let last = filling ?? service.buffers.take()
    filling = nil
    conclude(.finish) { $0.last = last }
    return true
  }

  func abandon() { conclude(.abandon) { $0.queue = [] } }

  func letGo() { if !isEnding { conclude(.letGo) { _ in } } }

  private func conclude(_ end: End, _ change: (inout State) -> Void) {
    isEnding = true
    let isNew = state.withLock { state in
      // Whoever goes on with its bytes has been first.
      if state.end == nil {
        change(&state)
        state.end = end
      }
      return state.takeTurn()
    }
    if isNew { submit() }
  }

  // MARK: Any thread

  /// Ends because another upload takes its place; what it is finishing it finishes first.
  private func giveWay(_ then: @escaping @Sendable () -> Void) {
    let (isOver, isNew, isTold) = state.withLock { state -> (Bool, Bool, Bool) in
      guard !state.isOver else { return (true, false, false) }
      state.whenOver.append(then)
      let isTold = state.end == nil
      if isTold { state.end = .letGo }
      return (false, state.takeTurn(), isTold)
    }
    if isTold {
      tell(.failed(BlobFailure(NH_ABORTED, "another upload `\(name)` has begun and goes on with its bytes")))
    }
    if isOver { then() } else if isNew { submit() }
  }

  private func schedule() {
    if state.withLock({ $0.takeTurn() }) { submit() }
  }

  private func submit() { service.pool.submit(for: store) { [self] in turn() } }

  // MARK: The disk thread

  private func turn() {
    do throws(BlobFailure) {
      if file == nil { try open() }
      var budget = Self.turnBytes
      while true {
        let (chunks, end) = takeWork()
        if chunks.isEmpty {
          if let end { try conclude(end) }
          return
        }
        try write(chunks)
        budget -= chunks.count * BlobLayout.chunkSize
        if budget <= 0 { return submit() }
      }
    } catch {
      tell(.failed(error))
      over()
    }
  }

  /// Nothing of both: the turn is over, and the next piece begins another.
  private func takeWork() -> ([BlobBuffer], End?) {
    state.withLock { state in
      let chunks = state.queue
      state.queue = []
      if chunks.isEmpty, state.end == nil { state.isScheduled = false }
      return (chunks, state.end)
    }
  }

  private func write(_ chunks: [BlobBuffer]) throws(BlobFailure) {
    guard let file else { return }
    let first = written / UInt64(BlobLayout.chunkSize)
    // Sealing a chunk changes it, so then it is hashed before.
    let isSealed = file.header.seal != nil
    if isSealed { for chunk in chunks { digest.update(UnsafeRawBufferPointer(chunk.content)) } }
    for (place, chunk) in chunks.enumerated() {
      try file.writeChunk(first + UInt64(place), chunk, isLast: false)
    }
    written += UInt64(chunks.count * BlobLayout.chunkSize)
    let isStride = written - begun >= Self.strideBytes
    if isStride { beginWriting(file) }
    if !isSealed { for chunk in chunks { digest.update(UnsafeRawBufferPointer(chunk.content)) } }
    if isStride { try file.writeRecord(progress, .latest) }
    service.buffers.give(chunks)
    if written - durable >= Self.checkpointBytes { try checkpoint(file) }
    tellIfRoom(after: chunks.count * BlobLayout.chunkSize)
  }

  private func beginWriting(_ file: BlobFile) {
    let layout = file.header.layout, size = UInt64(BlobLayout.chunkSize)
    file.beginWriting(from: layout.offset(ofChunk: begun / size), to: layout.offset(ofChunk: written / size))
    begun = written
  }

  private func tellIfRoom(after count: Int) {
    let isDue = state.withLock { state in
      state.unwritten -= count
      guard state.wantsRoom, state.unwritten <= Self.unwrittenLimit / 2 else { return false }
      state.wantsRoom = false
      return true
    }
    if isDue { tell(.ready(durable: durable)) }
  }

  private var progress: BlobRecord { BlobRecord(size: written, digest: digest.value) }

  /// From here the upload can be gone on with, whatever happens.
  private func checkpoint(_ file: BlobFile) throws(BlobFailure) {
    try file.writeRecord(progress, checkpoints % 2 == 0 ? .evenCheckpoint : .oddCheckpoint)
    try file.sync()
    if checkpoints == 0 { try store.syncUploads() }
    checkpoints += 1
    durable = written
    try store.checkRoom(for: 0)
  }

  // MARK: Its ends

  private func conclude(_ end: End) throws(BlobFailure) {
    guard let file else { return }
    switch end {
    case .abandon: file.remove()
    case .letGo: if written > durable { try checkpoint(file) }
    case .finish:
      let (record, isDuplicate) = try complete(file)
      tell(.finished(record, isDuplicate: isDuplicate))
    }
    over()
  }

  private func complete(_ file: BlobFile) throws(BlobFailure) -> (BlobRecord, isDuplicate: Bool) {
    guard let last = state.withLock({ $0.last }) else { throw .init(NH_INTERNAL, "an upload ended without an end") }
    if written > begun { beginWriting(file) }
    digest.update(UnsafeRawBufferPointer(last.content))
    let size = written + UInt64(last.count)
    let record = BlobRecord(
      size: size, createdMilliseconds: Timestamp.now() / 1_000_000, digest: digest.value, mediaType: options.mediaType)
    if let wrong = fault(of: record) {
      file.remove()
      throw BlobFailure(NH_INVALID_ARGUMENT, "\(wrong); the upload is gone, begin it again")
    }
    try file.writeChunk(written / UInt64(BlobLayout.chunkSize), last, isLast: true)
    // What a killed upload had written farther on.
    try file.cut(to: file.header.layout.fileSize(of: size))
    service.buffers.give([last])
    return (record, try store.keep(file, record))
  }

  private func fault(of record: BlobRecord) -> String? {
    if let size = options.size, size != record.size { return "\(record.size) bytes came, and \(size) were promised" }
    if let name = options.name, name != record.name { return "the content is \(record.name), and not \(name)" }
    return nil
  }

  private func over() {
    file = nil
    let waiting = state.withLock { state in
      state.isOver = true
      state.queue = []
      defer { state.whenOver = [] }
      return state.whenOver
    }
    store.release(name, self)
    for then in waiting { then() }
  }

  // MARK: Going on

  private func open() throws(BlobFailure) {
    try store.prepare()
    let path = store.path(ofUpload: name)
    if let present = try? BlobFile.open(path, store.settings, forWriting: true),
      present.header.seal?.keyID == store.settings.sealingKey
    {
      try goOn(with: present)
    }
    try store.checkRoom(for: (options.size ?? 0) - min(written, options.size ?? 0))
    if file == nil { file = try BlobFile.create(path, store.settings) }
    tell(.ready(durable: durable))
  }

  /// As far as the content is what one of the records says that it was. What lies behind that may be anything.
  private func goOn(with present: BlobFile) throws(BlobFailure) {
    let records = BlobRecord.Slot.allCases.compactMap { slot in present.readRecord(slot).map { (slot, $0) } }
    let buffer = service.buffers.take()
    defer { service.buffers.give([buffer]) }
    let reading = ContentDigest()
    var position: UInt64 = 0
    let size = UInt64(BlobLayout.chunkSize)
    for (slot, record) in records.sorted(by: { $0.1.size < $1.1.size }) {
      while record.size - position >= size {
        guard try present.readChunk(position / size, count: Int(size), isLast: false, buffer) else { break }
        reading.update(UnsafeRawBufferPointer(buffer.content))
        position += size
      }
      guard record.size - position < size else { break }
      if try reaches(record, slot, present, reading, buffer) { (written, digest) = (position, reading.copy()) }
    }
    guard written > 0 else { return }
    try present.cut(to: present.header.layout.offset(ofChunk: written / size))
    file = present
    begun = written
    try checkpoint(present)
  }

  /// Whether the content read so far, and the rest of one that was killed while it was given its name, is the record's.
  private func reaches(
    _ record: BlobRecord, _ slot: BlobRecord.Slot, _ present: BlobFile, _ reading: ContentDigest, _ buffer: BlobBuffer
  ) throws(BlobFailure) -> Bool {
    let last = BlobLayout.lastChunk(of: record.size)
    let count = BlobLayout.length(ofChunk: last, of: record.size)
    if slot != .whole { return count == 0 && reading.value == record.digest }
    guard try present.readChunk(last, count: count, isLast: true, buffer) else { return false }
    let whole = reading.copy()
    whole.update(UnsafeRawBufferPointer(buffer.content))
    return whole.value == record.digest
  }
}
