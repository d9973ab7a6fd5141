import CNodeABI
import HostCore

/// Where a link's messages go on to the roles they are for. Those that came at once for one role are put into its inbox
/// at once; a role that does not get on makes the link rest. The links' loop.
final class PeerIntake {
  /// A message from here on is put into the inbox where it lies, rather than copied once more.
  private static let gatherLimit = 8 << 10
  /// Gathered for one role before it learns of it, if more has come: less tells it sooner, more tells it less often.
  private static let batchLimit = 64 << 10

  /// Holds it.
  private unowned let link: PeerLink
  private let node: UInt32
  /// The target of the last message; most go to the same.
  private var inbox: PeerInbox? {
    didSet { inboxAtHand = inbox.map(Unmanaged.passUnretained) }
  }
  /// The same, for each message without counting references.
  private var inboxAtHand: Unmanaged<PeerInbox>?
  private var batch = PeerBatch()
  /// The role for which the link rests, and until when.
  private var rest: PeerRest?

  var rests: Bool { rest != nil }

  init(_ link: PeerLink) {
    self.link = link
    node = link.id
  }

  func take(_ message: PeerMessage) {
    if let inboxAtHand, inboxAtHand._withUnsafeGuaranteedRef({ $0.isNamed(message.to) }) {
      guard message.payload.count < Self.gatherLimit else { return putAlone(message) }
      batch.add(.message, node: node, message)
      if batch.bytes >= Self.batchLimit { handOver() }
      return
    }
    handOver()
    inbox = link.hub.services.peers.inbox(String(decoding: message.to, as: UTF8.self))
    // What is no text has been mended by now, and could be a role's name.
    guard inbox?.isNamed(message.to) == true else { return drop(message.to, 1, because: Self.isAbsent) }
    take(message)
  }

  /// All that came at once has been taken.
  func handOver() {
    guard !batch.isEmpty, let inbox else { return }
    let count = batch.messages
    switch inbox.put(&batch) {
    case .taken: break
    case .full: restFor(inbox)
    case .dropped: inbox.name.withUnsafeBytes { drop($0, count, because: Self.isSlow) }
    case .closed: inboxHasClosed(inbox)
    }
  }

  private func putAlone(_ message: PeerMessage) {
    handOver()
    guard let inbox else { return drop(message.to, 1, because: Self.isAbsent) }
    switch inbox.put(.message, node: node, message) {
    case .taken: break
    case .full: restFor(inbox)
    case .dropped: drop(message.to, 1, because: Self.isSlow)
    case .closed:
      inboxHasClosed(inbox)
      if self.inbox != nil { putAlone(message) } else { drop(message.to, 1, because: Self.isAbsent) }
    }
  }

  /// The role has gone. There may be another of its name by now.
  private func inboxHasClosed(_ old: PeerInbox) {
    let next = link.hub.services.peers.inbox(String(decoding: old.name, as: UTF8.self))
    inbox = next === old ? nil : next
    guard !batch.isEmpty else { return }
    if inbox != nil { return handOver() }
    let count = batch.messages
    batch.removeAll()
    old.name.withUnsafeBytes { drop($0, count, because: Self.isAbsent) }
  }

  // MARK: What is lost

  private static let isAbsent = "does not run here, or does not need \(NH_PEERS_ID)"
  private static let isSlow = "has more waiting than it may, and does not get on"

  private func drop(_ name: UnsafeRawBufferPointer, _ count: Int, because: String) {
    link.counts.messagesDropped += UInt64(count)
    let name = String(decoding: name, as: UTF8.self), roles = link.hub.services.directory
    // One of the manifest's starts or restarts: that passes, and is told by the role's own lines.
    if because == Self.isAbsent, roles.isKnown(name), roles.find(name) == nil { return }
    let role = TextLayout.harmless(name)
    link.complainOnce("messages from node \(node) to the role `\(role)` are dropped: it \(because)")
  }

  func linkWentDown() {
    handOver()
    rest = nil
  }

  // MARK: Rest

  /// Reads no more for a while, so that the other side's queue fills and its roles learn of it.
  private func restFor(_ inbox: PeerInbox) {
    guard rest == nil, let connection = link.current else { return }
    let loop = link.hub.loop, reference = link.reference
    let rest = PeerRest()
    guard inbox.whenRoomy({ loop.post { reference.link?.intake.goOn(rest) } }) else { return }
    self.rest = rest
    connection.stream.pause()
    _ = DelayedWork.after(milliseconds: link.hub.timing.patienceMilliseconds, on: loop) {
      guard let intake = reference.link?.intake, intake.rest === rest else { return }
      inbox.dropFromNowOn()
      intake.goOn(rest)
    }
  }

  private func goOn(_ rest: PeerRest) {
    guard self.rest === rest else { return }
    self.rest = nil
    if !link.cutIncoming { link.current?.stream.resume() }
  }
}

/// A link that rests; the object is who knows which rest is meant.
private final class PeerRest: Sendable {}
