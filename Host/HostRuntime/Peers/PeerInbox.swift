import CNodeABI
import Glibc
import HostCore
import Synchronization

/// What has come for one role over all links: put in by the links' loop, handed to the role on its home loop, in order,
/// once its gate lets it. It belongs to the role's seat, so it outlives a swap.
final class PeerInbox: @unchecked Sendable {
  /// What may wait for the role. When it is full the link rests for a while, so that the sender's queue fills and the
  /// sender learns of it; see `PeerLink.patience`.
  static let byteLimit = 64 << 20
  static let messageLimit = 65_536

  enum Outcome { case taken, full, dropped, closed }

  enum Kind: UInt8 {
    case message, linkUp, linkDown
  }

  private struct State: ~Copyable {
    var waiting = PeerBatch()
    var isAnnounced = false
    var isClosed = false
    /// The link waited long enough: what comes is dropped until there is room.
    var dropsWhenFull = false
    /// Told once, when there is room again.
    var whenRoomy: [@Sendable () -> Void] = []

    /// Whether it must be done now; it has been done if not.
    mutating func announces() -> Bool {
      defer { isAnnounced = true }
      return !isAnnounced
    }

    var isFull: Bool { waiting.messages >= PeerInbox.messageLimit || waiting.bytes >= PeerInbox.byteLimit }
  }

  let name: [UInt8]
  private unowned let seat: RoleSeat
  private let state = Mutex(State())
  let dropped = Atomic<Int>(0)
  /// The home loop's.
  private var delivering = PeerBatch()

  init(_ seat: RoleSeat) {
    self.seat = seat
    name = Array(seat.name.utf8)
  }

  // MARK: Any thread

  @inline(__always)
  func isNamed(_ other: UnsafeRawBufferPointer) -> Bool {
    name.count == other.count && name.withUnsafeBytes { memcmp($0.baseAddress!, other.baseAddress!, other.count) == 0 }
  }

  /// Whoever gathers puts more in at once, and comes with `tell` behind that.
  func put(_ kind: Kind, node: UInt32, _ message: PeerMessage, gathers: Bool = false) -> Outcome {
    var mustAnnounce = false
    let outcome = state.withLock { state -> Outcome in
      if state.isClosed { return .closed }
      // That a link went is never kept from a role: such events are few and small.
      if kind == .message, state.dropsWhenFull, state.isFull { return .dropped }
      state.waiting.add(kind, node: node, message)
      if !gathers { mustAnnounce = state.announces() }
      return state.isFull ? .full : .taken
    }
    if outcome == .dropped { dropped.add(1, ordering: .relaxed) }
    if mustAnnounce { announce() }
    return outcome
  }

  /// Takes all of the batch at once and empties it; a batch that comes for a closed inbox stays as it is. The limits
  /// are looked at before it, so what waits may exceed them by one batch.
  func put(_ batch: inout PeerBatch) -> Outcome {
    var lost = 0
    let (outcome, mustAnnounce) = state.withLock { state -> (Outcome, Bool) in
      if state.isClosed { return (.closed, false) }
      if state.dropsWhenFull, state.isFull {
        lost = batch.messages
        batch.removeAll()
        return (.dropped, false)
      }
      state.waiting.take(&batch)
      return (state.isFull ? .full : .taken, state.announces())
    }
    if lost > 0 { dropped.add(lost, ordering: .relaxed) }
    if mustAnnounce { announce() }
    return outcome
  }

  /// Tells the role's loop of what was gathered.
  func tell() { if state.withLock({ $0.waiting.messages > 0 && $0.announces() }) { announce() } }

  func put(_ kind: Kind, node: UInt32) { _ = put(kind, node: node, .nothing) }

  var isFull: Bool { state.withLock { $0.isFull } }

  /// Tells once there is room; false if there is already.
  func whenRoomy(_ body: @escaping @Sendable () -> Void) -> Bool {
    state.withLock {
      guard $0.isFull, !$0.isClosed else { return false }
      $0.whenRoomy.append(body)
      return true
    }
  }

  /// The links have waited long enough for this role.
  func dropFromNowOn() { state.withLock { if $0.isFull { $0.dropsWhenFull = true } } }

  private func announce() {
    let seat = seat
    seat.loop.post { [self] in seat.pass(.open) { self.deliver() } }
  }

  // MARK: The home loop

  func close() {
    let waiting = state.withLock { state in
      state.isClosed = true
      state.waiting = PeerBatch()
      defer { state.whenRoomy = [] }
      return state.whenRoomy
    }
    for tell in waiting { tell() }
  }

  /// Hands all that waits to the build in the seat.
  private func deliver() {
    let waiting = state.withLock { state in
      swap(&delivering, &state.waiting)
      state.isAnnounced = false
      state.dropsWhenFull = false
      defer { state.whenRoomy = [] }
      return state.whenRoomy
    }
    for tell in waiting { tell() }
    guard let role = seat.current else { return delivering.removeAll() }
    delivering.forEach { (kind, node, message) in
      switch kind {
      case .message: role.deliverMessage(from: node, message.from, channel: message.channel, message.payload)
      case .linkUp: role.deliverLink(NH_EVENT_LINK_UP, node: node)
      case .linkDown: role.deliverLink(NH_EVENT_LINK_DOWN, node: node)
      }
    }
    delivering.removeAll()
  }
}
