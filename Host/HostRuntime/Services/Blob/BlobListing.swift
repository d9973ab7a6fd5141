import CNodeABI
import HostCore
import NodeValues
import Synchronization

/// A list of objects, some at a time: the next part is read when the one before has been delivered.
final class BlobListing: BlobRequest, @unchecked Sendable {
  private static let partLimit = 64

  private let store: BlobStore
  private let service: BlobService
  private let tell: BlobTeller
  private let isCancelled = Atomic<Bool>(false)
  // One disk thread at a time, and between two parts nobody.
  private var last: String
  private var left: UInt64

  /// A limit of 0 is none.
  init(
    after last: String, limit: UInt64, _ store: BlobStore, _ service: BlobService, _ tell: @escaping BlobTeller
  ) {
    self.last = last
    left = limit == 0 ? .max : limit
    self.store = store
    self.service = service
    self.tell = tell
  }

  func goOn() { service.pool.submit(for: store) { [self] in readPart() } }

  func letGo() { isCancelled.store(true, ordering: .relaxed) }

  private func readPart() {
    guard !isCancelled.load(ordering: .relaxed) else { return }
    do throws(BlobFailure) { try store.prepare() } catch { return tell(.failed(error)) }
    let names = store.list(after: last, limit: Int(min(left, UInt64(Self.partLimit))))
    guard let newest = names.last else { return tell(.ended) }
    left -= UInt64(names.count)
    last = newest.text
    tell(.items(names.compactMap(store.item)))
    if left == 0 { tell(.ended) }
  }
}

extension BlobStore {
  /// As list tells an object; of one that cannot be read, why. Nil if it has just been removed.
  func item(_ name: BlobName) -> JSON? {
    do throws(BlobFailure) {
      return try open(name).record.json
    } catch {
      guard error.status != NH_NOT_FOUND else { return nil }
      return ["sha256": .string(name.text), "problem": .string("\(StatusCode.words(error.status)): \(error.message)")]
    }
  }
}
