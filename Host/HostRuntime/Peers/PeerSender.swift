import HostCore

/// Where one role's messages leave from: what it sends in one turn of its loop is gathered here and handed over once,
/// at the turn's end, or earlier if it is much; what is urgent is not gathered. It belongs to the role's seat, so that
/// no build's messages overtake those of the build before. The role's loop.
final class PeerSender: TurnEndTarget {
  /// A message from here on is put into the line's queue itself, rather than copied once more.
  private static let gatherLimit = 8 << 10
  /// Memory for gathering that a role keeps.
  private static let keptLimit = 256 << 10

  /// Room for a message's head while it is sent.
  let head = UnsafeMutableRawBufferPointer.allocate(byteCount: PeerMessage.headLimit, alignment: 8)
  private let loop: EventLoop
  private let peers: PeerSwitchboard
  /// To whom it last sent; most messages of a turn go to one node.
  private var line: PeerLine? {
    didSet { lineAtHand = line.map(Unmanaged.passUnretained) }
  }
  /// The same, for each message without counting references.
  private var lineAtHand: Unmanaged<PeerLine>?
  private var gathered = ByteQueue()
  /// Where the gathered goes, and how much more may be.
  private var share: PeerLine.Share?
  private var owesWord = false

  init(_ peers: PeerSwitchboard, on loop: EventLoop) { (self.peers, self.loop) = (peers, loop) }

  deinit { head.deallocate() }

  /// Nil if there is no such node.
  @inline(__always)
  func send(
    to node: UInt32, _ lane: PeerFrame.Lane, head: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer
  ) -> PeerLine.Outcome? {
    guard let line = line(to: node) else { return nil }
    let size = PeerWriter.size(of: head.count + payload.count)
    guard lane != .urgent, size < Self.gatherLimit else { return sendAlone(lane, head, payload) }
    if share == nil || share!.lane != lane || share!.bytes < size || share!.parcels == 0 {
      let outcome = line._withUnsafeGuaranteedRef { makeRoom(lane, size, $0) }
      guard outcome == .queued else { return outcome }
    }
    gathered.append(upTo: size) { room in
      PeerWriter.write(.message, lane, head: head, payload: payload, to: room)
      return size
    }
    share!.bytes -= size
    share!.parcels -= 1
    return .queued
  }

  @inline(never)
  private func sendAlone(
    _ lane: PeerFrame.Lane, _ head: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer
  ) -> PeerLine.Outcome? {
    // What was sent before it in its lane arrives before it.
    if share?.lane == lane { handOver() }
    askForTurnEnd()
    return line?.send(.message, lane, head: head, payload: payload, gathers: lane != .urgent)
  }

  @inline(never)
  private func makeRoom(_ lane: PeerFrame.Lane, _ size: Int, _ line: PeerLine) -> PeerLine.Outcome {
    handOver()
    let (share, outcome) = line.share(of: lane, for: size)
    self.share = share
    if share != nil { askForTurnEnd() }
    return outcome
  }

  private func handOver() {
    guard let share else { return }
    self.share = nil
    line?.take(&gathered, share)
    gathered.shrink(to: Self.keptLimit)
  }

  @inline(__always)
  private func line(to node: UInt32) -> Unmanaged<PeerLine>? {
    // One that left the manifest is not up.
    if let lineAtHand, lineAtHand._withUnsafeGuaranteedRef({ $0.id == node && $0.isUp }) { return lineAtHand }
    return anotherLine(to: node)
  }

  @inline(never)
  private func anotherLine(to node: UInt32) -> Unmanaged<PeerLine>? {
    handOver()
    line?.tell()
    line = peers.line(node)
    return lineAtHand
  }

  private func askForTurnEnd() {
    guard !owesWord else { return }
    owesWord = true
    loop.atTurnEnd(self)
  }

  func turnEnded() {
    owesWord = false
    handOver()
    line?.tell()
  }
}
