import CNodeABI
import CSystem
package import HostCore

/// The bytes are the file of an object, read with a key that the seeds were sealed with. Must never trap; that
/// something is taken for content that its digest or seal does not vouch for is a fault too, and is made one.
package func fuzzBlobFile(_ bytes: [UInt8]) {
  checkParts(bytes)
  let descriptor = csystem_memory_file()
  precondition(descriptor >= 0 && writeAll(descriptor, bytes))
  guard let file = try? BlobFile.adopt(descriptor, "fuzz", BlobSettings.fuzzed) else { return }
  for slot in BlobRecord.Slot.allCases { _ = file.readRecord(slot) }
  guard let record = file.readWholeRecord() else { return }
  precondition(file.header.bytes == Array(bytes.prefix(BlobHeader.size)), "a header is not what the file says")
  guard file.size == file.header.layout.fileSize(of: record.size) else { return }
  readAll(file, record)
}

private func readAll(_ file: BlobFile, _ record: BlobRecord) {
  let digest = ContentDigest(), buffer = BlobBuffer()
  let last = BlobLayout.lastChunk(of: record.size)
  for index in 0...last {
    let count = BlobLayout.length(ofChunk: index, of: record.size)
    guard (try? file.readChunk(index, count: count, isLast: index == last, buffer)) == true else { return }
    digest.update(UnsafeRawBufferPointer(buffer.content))
  }
  precondition(file.header.seal == nil || digest.value == record.digest, "sealed content is not what was sealed")
}

private func checkParts(_ bytes: [UInt8]) {
  if let header = try? BlobHeader(Array(bytes.prefix(BlobHeader.size))) {
    precondition(header.bytes == Array(bytes.prefix(BlobHeader.size)), "a header is written differently")
  }
  for start in [0, BlobRecord.Slot.whole.offset + BlobLayout.nonceSize] {
    let part = Array(bytes.dropFirst(start).prefix(BlobRecord.size))
    if let record = BlobRecord(part) { precondition(record.bytes == part, "a record is written differently") }
  }
}

/// Writes an object as a service does: for seeds, and for whoever wants a file to look at.
package func writeBlobFile(_ content: [UInt8], to path: String, sealed: Bool) -> Bool {
  var settings = BlobSettings.fuzzed
  if !sealed { settings.sealingKey = nil }
  let record = BlobRecord(size: UInt64(content.count), digest: ContentDigest.of(content), mediaType: "text/plain")
  do throws(BlobFailure) {
    let file = try BlobFile.create(path, settings)
    let last = BlobLayout.lastChunk(of: record.size)
    for index in 0...last {
      let buffer = BlobBuffer(), start = Int(index) * BlobLayout.chunkSize
      let part = content[start..<start + BlobLayout.length(ofChunk: index, of: record.size)]
      if !part.isEmpty { part.withUnsafeBytes { buffer.append($0) } }
      try file.writeChunk(index, buffer, isLast: index == last)
    }
    try file.writeWholeRecord(record)
    return true
  } catch { return false }
}

extension BlobSettings {
  /// Of the seeds.
  package static var fuzzed: BlobSettings {
    var settings = BlobSettings()
    settings.keys = [Key(id: "fuzz", bytes: [UInt8](repeating: 0x5C, count: Key.size))]
    settings.sealingKey = "fuzz"
    return settings
  }
}
