import HostCore

/// A connection that says it is a node which is linked already: while the link is asked whether it still lives. The
/// links' loop.
final class PeerProbe: TimerTarget {
  let connection: PeerConnection
  private let since = EventLoop.now()
  /// Holds it.
  private unowned let link: PeerLink
  private var timer: UInt64?

  init(_ connection: PeerConnection, of link: PeerLink) {
    (self.connection, self.link) = (connection, link)
    timer = link.hub.loop.setTimer(after: link.hub.timing.probeMilliseconds * 1_000_000, self)
  }

  func end() {
    if let timer { link.hub.loop.cancelTimer(timer) }
    timer = nil
  }

  /// Whether a ping that was sent then, and is answered now, tells that the link lives.
  func isAnswered(bySent sent: Int64) -> Bool { sent >= since }

  func timerFired(_ timer: UInt64, token: UInt64) {
    self.timer = nil
    link.probed(lives: false)
  }
}
