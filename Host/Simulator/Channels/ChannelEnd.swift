import Glibc
import HostRuntime

/// One end of a connection, with what has come and is not read yet: what a socket is to its process.
final class ChannelEnd: StreamWire {
  enum State {
    case open
    /// Its process wants nothing more of it.
    case closed
    /// Its machine has lost its power.
    case dark
  }

  /// What may be on its way or unread.
  private static let window = 256 << 10
  /// Of what was read, the other side is told in portions of this size.
  private static let portion = 32 << 10

  /// Nil for a user outside.
  let home: SimNode?
  /// How the trace calls the other side.
  let remote: String
  let isSecure: Bool
  let chosenProtocol: String?
  unowned(unsafe) var channel: Channel!
  private(set) var state = State.open
  /// A server's end is connected from the beginning.
  private(set) var isConnected: Bool
  private(set) var connectError: Int32 = 0
  /// Told in the place of a stream.
  var told: (() -> Void)?

  private weak var stream: Stream?
  /// Counts how often a stream was put to it or taken from it.
  private var attachments = 0
  private var pending: Readiness = []

  private var inbox: [UInt8] = []
  private var used = 0
  private var endCame = false
  private var error: Int32 = 0
  /// Read since the other side was told.
  private var untold = 0
  /// Sent and not read as far as is known here.
  private var underway = 0
  private var wantsRoom = false
  private var hasFinished = false

  init(of home: SimNode?, to remote: String, isConnected: Bool, isSecure: Bool, chosen: String?) {
    (self.home, self.remote, self.isConnected) = (home, remote, isConnected)
    (self.isSecure, chosenProtocol) = (isSecure, chosen)
  }

  var node: Int { home?.number ?? -1 }
  /// It has not broken.
  var isAtRest: Bool { error == 0 }
  private var unread: Int { inbox.count - used }

  // MARK: The process's side

  func attach(_ stream: Stream) {
    self.stream = stream
    attachments += 1
    pending = []
    tell(present)
  }

  func detach() {
    stream = nil
    attachments += 1
  }

  private var present: Readiness {
    var present: Readiness = []
    if unread > 0 || endCame || error != 0 { present.insert(.readable) }
    if endCame || error != 0 { present.insert(.hungUp) }
    if isConnected, underway < Self.window { present.insert(.writable) }
    return present
  }

  private func tell(_ what: Readiness) {
    if let told { return told() }
    guard let stream, !what.isEmpty else { return }
    let isTelling = !pending.isEmpty, attachments = attachments
    pending.formUnion(what)
    guard !isTelling else { return }
    let carried = Carried(self)
    stream.loop.post { carried.value.tellNow(attachments) }
  }

  private func tellNow(_ attachments: Int) {
    guard attachments == self.attachments, let stream else { return }
    let what = pending
    pending = []
    stream.isReady(for: what)
  }

  func send(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard error == 0 else { return -Int(error) }
    guard !hasFinished, state == .open else { return -Int(EPIPE) }
    let count = min(bytes.count, Self.window - underway)
    if count < bytes.count { wantsRoom = true }
    guard count > 0 else { return -Int(EAGAIN) }
    underway += count
    channel.send(.bytes(Array(bytes.prefix(count))), from: self)
    return count
  }

  func receive(into room: UnsafeMutableRawBufferPointer) -> Int {
    guard unread > 0 else { return error != 0 ? -Int(error) : endCame ? 0 : -Int(EAGAIN) }
    let count = min(room.count, unread)
    inbox.withUnsafeBytes { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[used..<(used + count)])) }
    used += count
    if unread == 0 {
      inbox.removeAll(keepingCapacity: true)
      used = 0
    }
    untold += count
    if untold >= Self.portion {
      channel.send(.room(untold), from: self)
      untold = 0
    }
    return count
  }

  func finish() {
    guard !hasFinished, state == .open else { return }
    hasFinished = true
    channel.send(.end, from: self)
  }

  func close() {
    guard state == .open else { return }
    // As the system does: who leaves something unread has not understood it.
    if error == 0 { if unread > 0 { channel.send(.reset, from: self) } else { finish() } }
    forget()
    channel.endIfOver()
  }

  /// Nothing is left of it.
  func forget() {
    state = .closed
    clear()
  }

  /// Its process is gone, and the machine perhaps with it.
  func vanish(says: Bool) {
    guard state == .open else { return }
    let stream = stream
    detach()
    if says {
      close()
    } else {
      state = .dark
      clear()
      channel.endIfOver()
    }
    stream?.vanish()
  }

  private func clear() {
    (inbox, used) = ([], 0)
    told = nil
    detach()
  }

  // MARK: The other side's

  func take(_ piece: Channel.Piece) {
    guard error == 0 else { return }
    switch piece {
    case .connected:
      isConnected = true
      tell(.writable)
    case .bytes(let bytes):
      inbox += bytes
      tell(.readable)
    case .room(let count):
      underway -= count
      guard wantsRoom else { return }
      wantsRoom = false
      tell(.writable)
    case .end:
      endCame = true
      tell([.readable, .hungUp])
    case .reset: broke(ECONNRESET)
    }
  }

  func broke(_ error: Int32) {
    guard self.error == 0, state == .open else { return }
    self.error = error
    if !isConnected { connectError = error }
    tell([.readable, .writable, .hungUp])
  }
}
