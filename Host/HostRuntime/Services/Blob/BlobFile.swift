import CNodeABI
import CSystem
import Glibc
package import HostCore

/// The open file of an object or of an upload. One thread at a time.
package final class BlobFile {
  let descriptor: Int32
  let path: String
  let header: BlobHeader
  private let cipher: BlobCipher?

  private init(_ descriptor: Int32, _ path: String, _ header: BlobHeader, _ cipher: BlobCipher?) {
    self.descriptor = descriptor
    self.path = path
    self.header = header
    self.cipher = cipher
  }

  deinit { close(descriptor) }

  /// A new file, for new content.
  static func create(_ path: String, _ settings: BlobSettings) throws(BlobFailure) -> BlobFile {
    let header = BlobHeader(seal: try newSeal(settings))
    let opened = Glibc.open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard opened >= 0 else { throw .system("make", path) }
    let file = BlobFile(opened, path, header, try cipher(for: header, settings))
    try file.write(header.bytes, at: 0)
    return file
  }

  private static func newSeal(_ settings: BlobSettings) throws(BlobFailure) -> BlobHeader.Seal? {
    guard let id = settings.sealingKey else { return nil }
    var salt = [UInt8](repeating: 0, count: BlobHeader.saltSize)
    guard csystem_random(&salt, salt.count) == 0 else {
      throw .init(NH_UNAVAILABLE, "the system gives no random bytes")
    }
    return .init(keyID: id, salt: salt)
  }

  /// A file that is there.
  static func open(_ path: String, _ settings: BlobSettings, forWriting: Bool = false) throws(BlobFailure) -> BlobFile {
    let opened = Glibc.open(path, (forWriting ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard opened >= 0 else { throw .system("open", path) }
    return try adopt(opened, path, settings)
  }

  /// The same of an open descriptor, which it closes in the end.
  package static func adopt(_ descriptor: Int32, _ path: String, _ settings: BlobSettings) throws(BlobFailure)
    -> BlobFile
  {
    var bytes = [UInt8](repeating: 0, count: BlobHeader.size)
    let count = bytes.withUnsafeMutableBytes { read(descriptor, $0, at: 0) }
    do throws(BlobFailure) {
      guard count >= 0 else { throw .system("read", path) }
      let header = try header(Array(bytes.prefix(count)))
      return BlobFile(descriptor, path, header, try cipher(for: header, settings))
    } catch {
      close(descriptor)
      throw error
    }
  }

  private static func header(_ bytes: [UInt8]) throws(BlobFailure) -> BlobHeader {
    do throws(BlobHeader.Problem) { return try BlobHeader(bytes) } catch {
      throw BlobFailure(NH_DATA_LOSS, error.message)
    }
  }

  private static func cipher(for header: BlobHeader, _ settings: BlobSettings) throws(BlobFailure) -> BlobCipher? {
    guard let seal = header.seal else { return nil }
    guard let key = settings.key(seal.keyID) else {
      throw BlobFailure(
        NH_FAILED_PRECONDITION,
        "it is sealed with the key `\(seal.keyID)`, which this node does not have; add it to `blobs.keys`")
    }
    return BlobCipher(key, header)
  }

  var size: Int? {
    var status = stat()
    return fstat(descriptor, &status) == 0 ? Int(status.st_size) : nil
  }

  // MARK: Chunks

  /// The buffer holds other bytes afterwards, if the content is sealed.
  func writeChunk(_ index: UInt64, _ buffer: BlobBuffer, isLast: Bool) throws(BlobFailure) {
    let offset = header.layout.offset(ofChunk: index)
    guard let cipher else { return try write(UnsafeRawBufferPointer(buffer.content), at: offset) }
    guard cipher.seal(buffer.whole, binding: BlobLayout.binding(ofChunk: index, isLast: isLast), .chunk) else {
      throw .init(NH_UNAVAILABLE, "the content cannot be sealed")
    }
    try write(UnsafeRawBufferPointer(buffer.whole), at: offset)
  }

  /// Fills the buffer with `count` bytes of content; false if they are not there or not what was written.
  func readChunk(_ index: UInt64, count: Int, isLast: Bool, _ buffer: BlobBuffer) throws(BlobFailure) -> Bool {
    buffer.count = count
    let room = cipher == nil ? buffer.content : buffer.whole
    let got = Self.read(descriptor, room, at: header.layout.offset(ofChunk: index))
    guard got >= 0 else { throw .system("read", path) }
    guard got == room.count else { return false }
    guard let cipher else { return true }
    return cipher.open(room, binding: BlobLayout.binding(ofChunk: index, isLast: isLast), .chunk)
  }

  // MARK: Records

  func writeRecord(_ record: BlobRecord, _ slot: BlobRecord.Slot) throws(BlobFailure) {
    try write(try slotBytes(record, slot), at: slot.offset)
  }

  /// The whole header block anew: nothing of the upload is left in it, so that every byte of it can be checked.
  func writeWholeRecord(_ record: BlobRecord) throws(BlobFailure) {
    try write(Self.block(header, try slotBytes(record, .whole)), at: 0)
  }

  private static func block(_ header: BlobHeader, _ slot: some Collection<UInt8>) -> [UInt8] {
    let place = BlobRecord.Slot.whole.offset
    let start = header.bytes + [UInt8](repeating: 0, count: place - BlobHeader.size) + slot
    return start + [UInt8](repeating: 0, count: BlobLayout.headerSize - start.count)
  }

  /// Nonce, content and tag. What is not sealed has a digest of header and content for a tag, against accidents.
  private func slotBytes(_ record: BlobRecord, _ slot: BlobRecord.Slot) throws(BlobFailure) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: BlobLayout.nonceSize) + record.bytes
    bytes += checksum(record.bytes, slot)
    guard let cipher else { return bytes }
    let isSealed = bytes.withUnsafeMutableBytes { cipher.seal($0, binding: Self.binding(slot), .record) }
    guard isSealed else { throw .init(NH_UNAVAILABLE, "the record cannot be sealed") }
    return bytes
  }

  /// Nil if there is none, or not the one that was written.
  func readRecord(_ slot: BlobRecord.Slot) -> BlobRecord? {
    var bytes = [UInt8](repeating: 0, count: BlobRecord.slotSize)
    guard bytes.withUnsafeMutableBytes({ Self.read(descriptor, $0, at: slot.offset) }) == bytes.count else {
      return nil
    }
    return record(bytes, slot)
  }

  /// Nil if the header block is not in every byte as it was written.
  func readWholeRecord() -> BlobRecord? {
    var bytes = [UInt8](repeating: 0, count: BlobLayout.headerSize)
    guard bytes.withUnsafeMutableBytes({ Self.read(descriptor, $0, at: 0) }) == bytes.count else { return nil }
    let slot = bytes[BlobRecord.Slot.whole.offset...].prefix(BlobRecord.slotSize)
    return bytes == Self.block(header, slot) ? record(Array(slot), .whole) : nil
  }

  private func record(_ bytes: [UInt8], _ slot: BlobRecord.Slot) -> BlobRecord? {
    var bytes = bytes
    if let cipher {
      guard bytes.withUnsafeMutableBytes({ cipher.open($0, binding: Self.binding(slot), .record) }) else { return nil }
    }
    let content = Array(bytes[BlobLayout.nonceSize...].prefix(BlobRecord.size))
    let plainRest = [UInt8](repeating: 0, count: BlobLayout.nonceSize) + content + checksum(content, slot)
    guard cipher != nil || bytes == plainRest else { return nil }
    return BlobRecord(content)
  }

  private static func binding(_ slot: BlobRecord.Slot) -> [UInt8] { [UInt8(slot.rawValue)] }

  private func checksum(_ record: [UInt8], _ slot: BlobRecord.Slot) -> [UInt8] {
    Array(ContentDigest.of(header.bytes + Self.binding(slot) + record).prefix(BlobLayout.tagSize))
  }

  // MARK: The disk

  /// Asks the system to begin writing what was written there, so that the sync at the end finds little to do.
  func beginWriting(from start: Int, to end: Int) {
    csystem_begin_writing(descriptor, Int64(start), Int64(end - start))
  }

  func sync() throws(BlobFailure) {
    guard fdatasync(descriptor) == 0 else { throw .system("sync", path) }
  }

  /// The name goes at once, the room when it is closed.
  func remove() { unlink(path) }

  func cut(to size: Int) throws(BlobFailure) {
    guard ftruncate(descriptor, size) == 0 else { throw .system("shorten", path) }
  }

  private func write(_ bytes: [UInt8], at offset: Int) throws(BlobFailure) {
    try bytes.withUnsafeBytes { bytes in
      Result { () throws(BlobFailure) in try write(bytes, at: offset) }
    }.get()
  }

  private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(BlobFailure) {
    var done = 0
    while done < bytes.count {
      let count = pwrite(descriptor, bytes.baseAddress! + done, bytes.count - done, offset + done)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .system("write", path) }
      done += count
    }
  }

  /// How much of the room could be filled before the end, or -1 with errno.
  private static func read(_ descriptor: Int32, _ room: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
    var done = 0
    while done < room.count {
      let count = pread(descriptor, room.baseAddress! + done, room.count - done, offset + done)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { return -1 }
      if count == 0 { break }
      done += count
    }
    return done
  }
}
