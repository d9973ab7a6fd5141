import CNodeABI
import HostCore
import Synchronization

/// A range of an object on its way out, as fast as the role asks for it. Whole objects are hashed on the way, so that
/// the last word of a read says whether what came was right; what is sealed is checked chunk by chunk.
final class BlobReading: BlobRequest, @unchecked Sendable {
  /// What comes before the role has asked for more.
  static let firstCredit = 256 << 10
  /// After so much, others have their turn on the thread.
  private static let turnBytes = 4 << 20

  private struct State {
    /// Below zero if the last piece was longer than what was asked for.
    var credit = BlobReading.firstCredit
    var isScheduled = false
    var isCancelled = false
    var isOver = false

    mutating func takeTurn() -> Bool {
      guard !isScheduled, !isOver, credit > 0 || isCancelled else { return false }
      isScheduled = true
      return true
    }
  }
  private let state = Mutex(State())

  private let name: BlobName
  private let offset: UInt64
  private let length: UInt64
  private let store: BlobStore
  private let service: BlobService
  private let tell: BlobTeller

  // The disk thread's.
  private var file: BlobFile?
  private var size: UInt64 = 0
  private var position: UInt64 = 0
  private var end: UInt64 = 0
  /// There if the whole object is read.
  private var digest: ContentDigest?

  init(
    _ name: BlobName, _ offset: UInt64, _ length: UInt64, _ store: BlobStore, _ service: BlobService,
    _ tell: @escaping BlobTeller
  ) {
    self.name = name
    self.offset = offset
    self.length = length
    self.store = store
    self.service = service
    self.tell = tell
  }

  func begin() { takeTurn { _ in } }

  func credit(_ bytes: UInt64) {
    // More than there can be is as good as all there can be.
    let limit = Int(BlobLayout.sizeLimit)
    takeTurn { $0.credit = min($0.credit + Int(min(bytes, BlobLayout.sizeLimit)), limit) }
  }

  func letGo() { takeTurn { $0.isCancelled = true } }

  private func takeTurn(_ change: (inout State) -> Void) {
    let isNew = state.withLock { state in
      change(&state)
      return state.takeTurn()
    }
    if isNew { submit() }
  }

  private func submit() { service.pool.submit(for: store) { [self] in turn() } }

  // MARK: The disk thread

  private func turn() {
    do throws(BlobFailure) {
      if file == nil { try open() }
      var budget = Self.turnBytes
      while position < end {
        guard mayGoOn() else { return }
        if budget <= 0 { return submit() }
        budget -= try readPiece()
      }
      try checkWhole()
      over(.ended)
    } catch {
      if error.status == NH_DATA_LOSS { store.log.write(NH_LOG_ERROR, role: store.role, error.message) }
      over(.failed(error))
    }
  }

  /// If not, the next credit begins another turn.
  private func mayGoOn() -> Bool {
    let (goesOn, isCancelled) = state.withLock { state in
      if state.credit <= 0 { state.isScheduled = false }
      return (state.credit > 0 && !state.isCancelled, state.isCancelled)
    }
    if isCancelled { over(.ended) }
    return goesOn
  }

  private func open() throws(BlobFailure) {
    let (file, record) = try store.open(name)
    size = record.size
    guard offset <= size else {
      throw BlobFailure(NH_OUT_OF_RANGE, "the object \(name) has \(size) bytes; there is nothing at \(offset)")
    }
    position = offset
    end = length == 0 || length > size - offset ? size : offset + length
    if offset == 0, end == size { digest = ContentDigest() }
    self.file = file
  }

  /// To the end of a chunk. Returns how many bytes came.
  private func readPiece() throws(BlobFailure) -> Int {
    guard let file else { return 0 }
    let chunk = UInt64(BlobLayout.chunkSize)
    let index = position / chunk, last = BlobLayout.lastChunk(of: size)
    let buffer = service.buffers.take()
    let count = BlobLayout.length(ofChunk: index, of: size)
    guard try file.readChunk(index, count: count, isLast: index == last, buffer) else {
      throw .damaged(name, "what lies at \(index * chunk) is not what was written")
    }
    let start = Int(position % chunk)
    let range = start..<min(count, start + Int(min(end - position, chunk)))
    digest?.update(UnsafeRawBufferPointer(buffer.content))
    state.withLock { $0.credit -= range.count }
    tell(.piece(buffer, range, offset: position))
    position += UInt64(range.count)
    return range.count
  }

  private func checkWhole() throws(BlobFailure) {
    guard let digest, BlobName(digest: digest.value) != name else { return }
    throw .damaged(name, "the content that came is another than was written")
  }

  private func over(_ news: BlobNews) {
    state.withLock { $0.isOver = true }
    file = nil
    tell(news)
  }
}
