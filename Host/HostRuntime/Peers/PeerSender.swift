import HostCore

/// Where one role's messages leave from: what it sends in one turn of its loop is told to the links' loop once, at the
/// turn's end, or earlier if it is urgent or much. The role's loop.
final class PeerSender: TurnEndTarget {
  private let loop: EventLoop
  private let peers: PeerSwitchboard
  /// To whom it last sent; most messages of a turn go to one node.
  private var line: PeerLine? {
    didSet { lineAtHand = line.map(Unmanaged.passUnretained) }
  }
  /// The same, for each message without counting references.
  private var lineAtHand: Unmanaged<PeerLine>?
  private var owesWord = false

  init(_ peers: PeerSwitchboard, on loop: EventLoop) { (self.peers, self.loop) = (peers, loop) }

  /// Nil if there is no such node.
  @inline(__always)
  func send(
    to node: UInt32, _ lane: PeerFrame.Lane, head: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer
  ) -> PeerLine.Outcome? {
    guard let line = line(to: node) else { return nil }
    let outcome = line._withUnsafeGuaranteedRef {
      $0.send(.message, lane, head: head, payload: payload, gathers: lane != .urgent)
    }
    if !owesWord {
      owesWord = true
      loop.atTurnEnd(self)
    }
    return outcome
  }

  @inline(__always)
  private func line(to node: UInt32) -> Unmanaged<PeerLine>? {
    // One that left the manifest is not up.
    if let lineAtHand, lineAtHand._withUnsafeGuaranteedRef({ $0.id == node && $0.isUp }) { return lineAtHand }
    return anotherLine(to: node)
  }

  @inline(never)
  private func anotherLine(to node: UInt32) -> Unmanaged<PeerLine>? {
    line?.tell()
    line = peers.line(node)
    return lineAtHand
  }

  func turnEnded() {
    owesWord = false
    line?.tell()
  }
}
