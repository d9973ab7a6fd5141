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
  static let turnBytes = 4 << 20

  enum End { case finish, letGo, abandon }

  struct State {
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
  let state = Mutex(State())

  let name: String
  let options: BlobOptions
  let store: BlobStore
  let service: BlobService
  let tell: BlobTeller

  // The role's loop.
  private var filling: BlobBuffer?
  /// Where the next piece goes; nil until the first reply.
  private var end: UInt64?
  private var isEnding = false

  // The disk thread's.
  var file: BlobFile?
  var digest = ContentDigest()
  var written: UInt64 = 0
  var durable: UInt64 = 0
  /// How far the disk was asked to begin.
  var begun: UInt64 = 0
  /// Of the chunks that are being hashed: how far the upload is then is to be written down.
  var recordIsDue = false
  var checkpoints = 0

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

  func submit() { service.pool.submit(for: store) { [self] in turn() } }
}
