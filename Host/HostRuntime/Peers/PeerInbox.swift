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

  /// Before each: lengths of the role's name and the payload, who sent it, and what it is.
  private struct Record: BitwiseCopyable {
    var payload: UInt32
    var node: UInt32
    var channel: UInt32
    var kind: UInt8
    var name: UInt8
    var reserved: UInt16 = 0
  }

  private struct State: ~Copyable {
    var records = ByteQueue()
    var messages = 0
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

    var isFull: Bool { messages >= PeerInbox.messageLimit || records.count >= PeerInbox.byteLimit }
  }

  private let name: [UInt8]
  private unowned let seat: RoleSeat
  private let state = Mutex(State())
  let dropped = Atomic<Int>(0)
  /// The home loop's.
  private var delivering = ByteQueue()

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
      let size = MemoryLayout<Record>.size + message.from.count + message.payload.count
      state.records.append(upTo: size) { room in
        let record = Record(
          payload: UInt32(message.payload.count), node: node, channel: message.channel, kind: kind.rawValue,
          name: UInt8(message.from.count))
        room.storeBytes(of: record, as: Record.self)
        Self.copy(message.from, to: room + MemoryLayout<Record>.size)
        Self.copy(message.payload, to: room + MemoryLayout<Record>.size + message.from.count)
        return size
      }
      state.messages += 1
      if !gathers { mustAnnounce = state.announces() }
      return state.isFull ? .full : .taken
    }
    if outcome == .dropped { dropped.add(1, ordering: .relaxed) }
    if mustAnnounce { announce() }
    return outcome
  }

  /// Tells the role's loop of what was gathered.
  func tell() { if state.withLock({ $0.messages > 0 && $0.announces() }) { announce() } }

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

  private static func copy(_ bytes: UnsafeRawBufferPointer, to place: UnsafeMutableRawPointer) {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return }
    place.copyMemory(from: start, byteCount: bytes.count)
  }

  private func announce() {
    let seat = seat
    seat.loop.post { [self] in seat.pass(.open) { self.deliver() } }
  }

  // MARK: The home loop

  func close() {
    let waiting = state.withLock { state in
      state.isClosed = true
      state.records = ByteQueue()
      defer { state.whenRoomy = [] }
      return state.whenRoomy
    }
    for tell in waiting { tell() }
  }

  /// Hands all that waits to the build in the seat.
  private func deliver() {
    let waiting = state.withLock { state in
      swap(&delivering, &state.records)
      state.messages = 0
      state.isAnnounced = false
      state.dropsWhenFull = false
      defer { state.whenRoomy = [] }
      return state.whenRoomy
    }
    for tell in waiting { tell() }
    guard let role = seat.current else { return delivering.removeAll() }
    let records = UnsafeRawBufferPointer(delivering.bytes)
    var place = 0
    while place < records.count {
      let record = records.loadUnaligned(fromByteOffset: place, as: Record.self)
      let name = place + MemoryLayout<Record>.size, payload = name + Int(record.name)
      place = payload + Int(record.payload)
      switch Kind(rawValue: record.kind)! {
      case .message:
        role.deliverMessage(
          from: record.node, UnsafeRawBufferPointer(rebasing: records[name..<payload]), channel: record.channel,
          UnsafeRawBufferPointer(rebasing: records[payload..<place]))
      case .linkUp: role.deliverLink(NH_EVENT_LINK_UP, node: record.node)
      case .linkDown: role.deliverLink(NH_EVENT_LINK_DOWN, node: record.node)
      }
    }
    delivering.removeAll()
    if delivering.isLarge { delivering.shrink() }
  }
}
