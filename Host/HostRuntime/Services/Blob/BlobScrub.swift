import CNodeABI
import HostCore
package import NodeValues
import Synchronization

/// Reads every object of a store and puts those that are damaged into quarantine. It goes on when nobody watches, and
/// one at a time is enough.
package final class BlobScrub: @unchecked Sendable {
  /// After so much, others have their turn on the thread.
  private static let turnChunks: UInt64 = 64
  private static let partLimit = 1024
  /// More are only counted.
  private static let findingLimit = 1000

  private struct Progress {
    var isRunning = true
    var objects = 0
    var bytes: UInt64 = 0
    var removedUploads = 0
    var findings = 0
    var damaged: [JSON] = []
    var unreadable: [JSON] = []
  }
  private let progress = Mutex(Progress())

  private let store: BlobStore
  private let pool: any DiskRunner
  private let buffers: BlobBuffers
  // One disk thread at a time.
  private var names: [BlobName] = []
  private var last = ""
  private var current: Reading?

  /// An object that is being read.
  fileprivate struct Reading {
    var name: BlobName
    var file: BlobFile
    var size: UInt64
    var next: UInt64 = 0
    var digest = ContentDigest()
  }

  init(_ store: BlobStore, _ pool: any DiskRunner, _ buffers: BlobBuffers) {
    self.store = store
    self.pool = pool
    self.buffers = buffers
  }

  func begin() { pool.submit(for: self) { [self] in turn() } }

  var isRunning: Bool { progress.withLock(\.isRunning) }

  /// How far it is, for whoever asks.
  package var json: JSON {
    progress.withLock { progress in
      [
        "running": .bool(progress.isRunning), "objects": JSON(progress.objects), "bytes": JSON(progress.bytes),
        "findings": JSON(progress.findings), "damaged": .array(progress.damaged),
        "unreadable": .array(progress.unreadable), "removed_uploads": JSON(progress.removedUploads),
      ]
    }
  }

  // MARK: The disk thread

  private func turn() {
    do throws(BlobFailure) {
      if last.isEmpty {
        try store.prepare()
        let removed = store.removeOldUploads()
        progress.withLock { $0.removedUploads = removed }
      }
    } catch {
      return end(error)
    }
    var left = Self.turnChunks
    while left > 0 {
      guard current != nil || next() else { return end(nil) }
      left -= 1
      readOn()
    }
    begin()
  }

  private func end(_ failure: BlobFailure?) {
    if let failure {
      store.log.write(NH_LOG_ERROR, role: store.role, "the scrub of its objects ends: \(failure.message)")
    }
    progress.withLock { $0.isRunning = false }
  }

  /// False if there are no more.
  private func next() -> Bool {
    if names.isEmpty { names = store.list(after: last, limit: Self.partLimit).reversed() }
    guard let name = names.popLast() else { return false }
    last = name.text
    do throws(BlobFailure) {
      let (file, record) = try store.open(name)
      current = Reading(name: name, file: file, size: record.size)
    } catch {
      found(error, name)
    }
    return true
  }

  private func readOn() {
    guard var reading = current else { return }
    do throws(BlobFailure) {
      let isRead = try reading.readChunk(buffers)
      current = isRead ? nil : reading
      if isRead { count(reading.size) }
    } catch {
      current = nil
      found(error, reading.name)
    }
  }

  private func count(_ bytes: UInt64) {
    progress.withLock { progress in
      progress.objects += 1
      progress.bytes += bytes
    }
  }

  private func found(_ failure: BlobFailure, _ name: BlobName) {
    // Somebody has just removed it.
    if failure.status == NH_NOT_FOUND { return }
    let isDamaged = failure.status == NH_DATA_LOSS
    var message = failure.message
    if isDamaged {
      do throws(BlobFailure) { try store.quarantine(name) } catch { message += "; \(error.message)" }
    }
    store.log.write(NH_LOG_ERROR, role: store.role, message)
    progress.withLock { progress in
      progress.objects += 1
      progress.findings += 1
      guard progress.damaged.count + progress.unreadable.count < Self.findingLimit else { return }
      let finding: JSON = ["sha256": .string(name.text), "message": .string(message)]
      if isDamaged { progress.damaged.append(finding) } else { progress.unreadable.append(finding) }
    }
  }
}

extension BlobScrub.Reading {
  /// True behind the last chunk, if the object is what its name says.
  fileprivate mutating func readChunk(_ buffers: BlobBuffers) throws(BlobFailure) -> Bool {
    let last = BlobLayout.lastChunk(of: size)
    let buffer = buffers.take()
    defer { buffers.give([buffer]) }
    let count = BlobLayout.length(ofChunk: next, of: size)
    guard try file.readChunk(next, count: count, isLast: next == last, buffer) else {
      throw .damaged(name, "what lies at \(next * UInt64(BlobLayout.chunkSize)) is not what was written")
    }
    digest.update(UnsafeRawBufferPointer(buffer.content))
    next += 1
    guard next > last else { return false }
    guard BlobName(digest: digest.value) == name else {
      throw .damaged(name, "its content is another than was written")
    }
    return true
  }
}
