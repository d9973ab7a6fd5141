import Glibc
import HostCore
import Synchronization

/// The way to one peer, as roles see it: what they send is put here from their own loops, and taken by the loop of the
/// links. It stays as long as the peer is in the manifest, whether or not there is a link.
final class PeerLine: @unchecked Sendable {
  /// What may wait for a link to take it, for each priority of its own: a long transfer does not keep votes out. More
  /// absorbs longer bursts, and costs memory and waiting.
  static let byteLimit = 32 << 20
  static let parcelLimit = 65_536
  /// What a role may gather in one lane before the links' loop is told: less wakes that more often, more lets it idle.
  static let gatherLimit = 32 << 10

  /// Messages that a role may gather at most; they are small then.
  static let shareLimit = 1_024

  enum Outcome { case queued, down, full }

  /// Room in a lane that one sender has for itself until it comes with what it has put there.
  struct Share {
    let lane: PeerFrame.Lane
    var bytes: Int
    var parcels: Int
    /// Which link of the line it is for: a later one gets nothing of it.
    fileprivate let link: UInt64
  }

  /// What somebody who asks gets to know.
  struct Info: Sendable {
    var name = ""
    var address: Endpoint
    /// On the wall clock, in nanoseconds.
    var since: Int64
  }

  /// Frames that wait, in one lane.
  struct Queue: ~Copyable {
    var frames = ByteQueue()
    /// Also of what the links' loop has taken out and not sent yet.
    var bytes = 0
    var parcels = 0

    func hasRoom(for size: Int) -> Bool {
      parcels < PeerLine.parcelLimit && (bytes + size <= PeerLine.byteLimit || parcels == 0)
    }

    /// What is free, but no more than a sender needs at a time; `bytes` are needed now.
    mutating func share(for bytes: Int) -> (bytes: Int, parcels: Int)? {
      guard hasRoom(for: bytes) else { return nil }
      let share = (
        bytes: max(bytes, min(PeerLine.gatherLimit, PeerLine.byteLimit - self.bytes)),
        parcels: min(PeerLine.shareLimit, PeerLine.parcelLimit - parcels)
      )
      self.bytes += share.bytes
      parcels += share.parcels
      return share
    }

    mutating func clear() {
      frames.removeAll()
      frames.shrink()
      (bytes, parcels) = (0, 0)
    }
  }

  private struct State: ~Copyable {
    var isOpen = false
    var links: UInt64 = 0
    /// Whether the links' loop has been told that something waits.
    var isAnnounced = false
    var urgent = Queue(), normal = Queue(), bulk = Queue()
    var info: Info

    var hasFrames: Bool { !urgent.frames.isEmpty || !normal.frames.isEmpty || !bulk.frames.isEmpty }

    /// Whether it must be done now; it has been done if not.
    mutating func announces() -> Bool {
      defer { isAnnounced = true }
      return !isAnnounced
    }

    mutating func with<R>(_ lane: PeerFrame.Lane, _ body: (inout Queue) -> R) -> R {
      switch lane {
      case .urgent: body(&urgent)
      case .normal: body(&normal)
      case .bulk: body(&bulk)
      }
    }
  }

  let id: UInt32
  private let state: Mutex<State>
  private let up = Atomic<Bool>(false)
  /// Tells the links' loop that something waits, which then goes at once if this is that loop and no more is expected
  /// in this turn. Set before anybody else knows the line.
  var announce: @Sendable (_ atOnce: Bool) -> Void = { _ in }

  init(id: UInt32, address: Endpoint) {
    self.id = id
    state = Mutex(State(info: Info(address: address, since: Timestamp.now())))
  }

  var isUp: Bool { up.load(ordering: .relaxed) }
  var info: Info { state.withLock { $0.info } }

  // MARK: From roles, on any thread

  /// Whoever gathers sends more in the same turn, and comes with `tell` at its end.
  func send(
    _ kind: PeerFrame.Kind, _ lane: PeerFrame.Lane, head: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer,
    gathers: Bool = false
  ) -> Outcome {
    let size = PeerWriter.size(of: head.count + payload.count)
    var mustAnnounce = false, isMuch = false
    let outcome = state.withLock { state -> Outcome in
      guard state.isOpen else { return .down }
      let taken = state.with(lane) { queue in
        guard queue.hasRoom(for: size) else { return false }
        queue.frames.append(upTo: size) { room in
          PeerWriter.write(kind, lane, head: head, payload: payload, to: room)
          return size
        }
        queue.bytes += size
        queue.parcels += 1
        isMuch = queue.frames.count > Self.gatherLimit
        return true
      }
      guard taken else { return .full }
      if isMuch || !gathers { mustAnnounce = state.announces() }
      return .queued
    }
    if mustAnnounce { announce(lane == .urgent || isMuch) }
    return outcome
  }

  /// Room for a sender who gathers, for at least so many bytes.
  func share(of lane: PeerFrame.Lane, for bytes: Int) -> (share: Share?, outcome: Outcome) {
    state.withLock { state in
      guard state.isOpen else { return (nil, .down) }
      guard let room = state.with(lane, { $0.share(for: bytes) }) else { return (nil, .full) }
      return (Share(lane: lane, bytes: room.bytes, parcels: room.parcels, link: state.links), .queued)
    }
  }

  /// Takes what a sender has gathered, and what is left of its share. If the link has broken meanwhile, it is lost.
  func take(_ gathered: inout ByteQueue, _ left: Share) {
    let mustAnnounce = state.withLock { state in
      guard state.isOpen, state.links == left.link else { return false }
      return state.with(left.lane) { queue in
        queue.bytes -= left.bytes
        queue.parcels -= left.parcels
        if queue.frames.isEmpty {
          swap(&queue.frames, &gathered)
        } else {
          queue.frames.append(UnsafeRawBufferPointer(gathered.bytes))
        }
        return true
      } && state.announces()
    }
    gathered.removeAll()
    if mustAnnounce { announce(true) }
  }

  /// Tells the links' loop of what was gathered.
  func tell() { if state.withLock({ $0.hasFrames && $0.announces() }) { announce(true) } }

  func send(_ kind: PeerFrame.Kind, _ lane: PeerFrame.Lane, _ body: [UInt8]) -> Outcome {
    body.withUnsafeBytes { send(kind, lane, head: UnsafeRawBufferPointer(start: nil, count: 0), payload: $0) }
  }

  // MARK: The links' loop

  func open(name: String) {
    state.withLock {
      $0.isOpen = true
      $0.links += 1
      $0.info.name = name
      $0.info.since = Timestamp.now()
    }
    up.store(true, ordering: .relaxed)
  }

  /// What waited is lost, as what was on its way is.
  func close() {
    up.store(false, ordering: .relaxed)
    state.withLock {
      $0.isOpen = false
      $0.isAnnounced = false
      $0.urgent.clear()
      $0.normal.clear()
      $0.bulk.clear()
      $0.info.since = Timestamp.now()
    }
  }

  func moved(to address: Endpoint) { state.withLock { $0.info.address = address } }

  /// Takes what waits in each lane of which nothing taken before is left.
  func take(into taken: inout TakenFrames) {
    state.withLock {
      $0.isAnnounced = false
      if taken.urgent.isEmpty { swap(&taken.urgent, &$0.urgent.frames) }
      if taken.normal.isEmpty { swap(&taken.normal, &$0.normal.frames) }
      if taken.bulk.isEmpty { swap(&taken.bulk, &$0.bulk.frames) }
    }
  }

  /// Makes room for what has been handed to the link.
  func sent(_ lane: PeerFrame.Lane, bytes: Int, parcels: Int) {
    state.withLock {
      $0.with(lane) { queue in
        queue.bytes -= bytes
        queue.parcels -= parcels
      }
    }
  }

  /// What waits, all lanes together.
  var waiting: (bytes: Int, parcels: Int) {
    state.withLock {
      ($0.urgent.bytes + $0.normal.bytes + $0.bulk.bytes, $0.urgent.parcels + $0.normal.parcels + $0.bulk.parcels)
    }
  }
}

/// Frames that the links' loop has taken out of a line.
struct TakenFrames: ~Copyable {
  /// Given to the connection at a time: a TLS record, so that each ends with a frame and can be read where it lies.
  private static let pieceLimit = PeerFrame.headerSize + PeerFrame.bodyLimit
  /// An empty queue that was larger gives its memory back.
  var urgent = ByteQueue()
  var normal = ByteQueue()
  var bulk = ByteQueue()

  var isEmpty: Bool { urgent.isEmpty && normal.isEmpty && bulk.isEmpty }

  /// Hands the next frames to `write`, those of the most urgent lane first. Nil if there are none.
  mutating func next(_ write: (UnsafeRawBufferPointer) -> Void) -> (lane: PeerFrame.Lane, bytes: Int, parcels: Int)? {
    if !urgent.isEmpty { return Self.next(.urgent, &urgent, write) }
    if !normal.isEmpty { return Self.next(.normal, &normal, write) }
    if !bulk.isEmpty { return Self.next(.bulk, &bulk, write) }
    return nil
  }

  private static func next(
    _ lane: PeerFrame.Lane, _ queue: inout ByteQueue, _ write: (UnsafeRawBufferPointer) -> Void
  ) -> (PeerFrame.Lane, Int, Int) {
    let waiting = UnsafeRawBufferPointer(queue.bytes)
    let (bytes, parcels) = PeerWriter.wholeFrames(waiting, most: pieceLimit)
    write(UnsafeRawBufferPointer(rebasing: waiting[..<bytes]))
    queue.removeFirst(bytes)
    if queue.isEmpty, queue.isLarge { queue.shrink() }
    return (lane, bytes, parcels)
  }

  mutating func clear() {
    urgent = ByteQueue()
    normal = ByteQueue()
    bulk = ByteQueue()
  }
}
