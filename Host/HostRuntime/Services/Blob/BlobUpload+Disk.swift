import CNodeABI
import HostCore
import Synchronization

/// What a disk thread does for an upload, one at a time.
extension BlobUpload {
  func turn() {
    attempt { () throws(BlobFailure) in
      if file == nil { try open() }
      try work()
    }
  }

  private func attempt(_ body: () throws(BlobFailure) -> Void) {
    do throws(BlobFailure) { try body() } catch {
      tell(.failed(error))
      over()
    }
  }

  private func work() throws(BlobFailure) {
    var budget = Self.turnBytes
    while let file {
      let (chunks, end) = takeWork()
      if chunks.isEmpty {
        if let end { try conclude(end) }
        return
      }
      // Sealing a chunk changes it, so then it is hashed before.
      let isSealed = file.header.seal != nil
      if isSealed { hash(chunks) }
      try write(chunks, file)
      if !isSealed {
        if let hasher = service.hasher { return hash(chunks, by: hasher) }
        hash(chunks)
      }
      try hashed(chunks, file)
      budget -= chunks.count * BlobLayout.chunkSize
      if budget <= 0 { return submit() }
    }
  }

  private func hash(_ chunks: [BlobBuffer]) {
    for chunk in chunks { digest.update(UnsafeRawBufferPointer(chunk.content)) }
  }

  /// Together with those of other uploads; it is still this one's turn, which goes on afterwards.
  private func hash(_ chunks: [BlobBuffer], by hasher: BlobHasher) {
    hasher.add(chunks, to: digest) { [self] in
      service.pool.submit(for: store) { [self] in
        attempt { () throws(BlobFailure) in
          guard let file = self.file else { return }
          try hashed(chunks, file)
          try work()
        }
      }
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

  private func write(_ chunks: [BlobBuffer], _ file: BlobFile) throws(BlobFailure) {
    let first = written / UInt64(BlobLayout.chunkSize)
    for (place, chunk) in chunks.enumerated() {
      try file.writeChunk(first + UInt64(place), chunk, isLast: false)
    }
    written += UInt64(chunks.count * BlobLayout.chunkSize)
    recordIsDue = written - begun >= Self.strideBytes
    if recordIsDue { beginWriting(file) }
  }

  private func hashed(_ chunks: [BlobBuffer], _ file: BlobFile) throws(BlobFailure) {
    if recordIsDue { try file.writeRecord(progress, .latest) }
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
