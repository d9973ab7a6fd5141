import CNodeABI
import HostCore

/// What `hostctl` sees of a link, and does to it.
extension PeerLink {
  // MARK: The test's switch

  func cut(_ direction: PeerCut.Direction) {
    if direction != .outgoing { cutIncoming = true }
    if direction != .incoming { cutOutgoing = true }
    dialler.connection?.stream.close()
    if cutIncoming { current?.stream.pause() }
  }

  func heal() {
    (cutIncoming, cutOutgoing) = (false, false)
    if !intake.rests { current?.stream.resume() }
    pump()
    if current == nil { dialler.soon(after: 0) }
  }

  // MARK: Reports

  func updateMetrics() { metrics.update(counts, roundTrip) }

  var report: PeersReport.Peer {
    let info = line.info, waiting = line.waiting
    var report = PeersReport.Peer()
    report.id = id
    report.name = info.name
    report.address = "\(address)"
    report.isUp = isUp
    report.state =
      isUp ? "up" : isCut ? "cut" : dialler.connection != nil || !greeting.isEmpty ? "connecting" : "waiting"
    report.sinceMilliseconds = info.since / 1_000_000
    report.roundTripMicroseconds = roundTrip.map { $0 / 1_000 }
    (report.bytesSent, report.bytesReceived) = (counts.bytesSent, counts.bytesReceived)
    (report.messagesSent, report.messagesReceived) = (counts.messagesSent, counts.messagesReceived)
    (report.bytesQueued, report.messagesQueued) = waiting
    report.messagesDropped = counts.messagesDropped
    report.links = counts.links
    report.cut = (cutIncoming ? ["incoming"] : []) + (cutOutgoing ? ["outgoing"] : [])
    report.lastError = complaints.last
    return report
  }
}
