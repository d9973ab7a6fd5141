import CSystem
import Glibc
import HostCore

/// One connection to a node, from the socket to its end: TLS, the hellos, and then, if it becomes the link, parcels.
/// The links' loop.
final class PeerConnection: StreamOwner, TimerTarget {
  /// How much the system may hold unsent; what is more urgent waits behind no more.
  private static let unsentLimit: Int32 = 128 << 10

  enum Stage {
    /// TCP, TLS, and the other side's hello.
    case opening
    /// Hellos have been exchanged; the link decides.
    case greeting
    case linked
    case closed
  }

  /// Whom this node dialled; nil for a connection that came.
  let dialled: PeerLink?
  let address: SocketAddress
  private let hub: PeerHub
  /// OpenSSL looks at it as long as there is the connection.
  private let proof: PeerProof
  private(set) var stream: Stream!
  private let note = PeerProof.Note()
  private(set) var stage = Stage.opening
  private(set) var hello: PeerHello?
  /// Set from its hello on.
  private(set) var link: PeerLink? {
    didSet { intakeAtHand = link.map { Unmanaged.passUnretained($0.intake) } }
  }
  /// Its intake, for each message without counting references.
  private var intakeAtHand: Unmanaged<PeerIntake>?
  private var reader = PeerReader()
  private var limitTimer: UInt64?
  /// When something last came.
  private(set) var lastHeard: Int64

  init(_ descriptor: Int32, _ address: SocketAddress, dialled: PeerLink?, _ hub: PeerHub) {
    (self.dialled, self.address, self.hub) = (dialled, address, hub)
    proof = hub.proof
    lastHeard = hub.loop.turnBegan
    csystem_unsent_limit(descriptor, Self.unsentLimit)
    let session = proof.session(descriptor, isServer: dialled == nil, note)
    stream = Stream(descriptor, on: hub.loop, tls: session, isConnecting: dialled != nil)
  }

  func start() {
    limitTimer = hub.loop.setTimer(after: hub.timing.connectMilliseconds * 1_000_000, self)
    stream.start(self)
  }

  func timerFired(_ timer: UInt64, token: UInt64) {
    limitTimer = nil
    let seconds = hub.timing.connectMilliseconds / 1_000
    let what = stream.isOpen ? "it does not say who it is" : "no connection"
    stream.close(NetworkFailure("\(what) within \(seconds) s"))
  }

  // MARK: What is sent

  func send(_ kind: PeerFrame.Kind, _ body: [UInt8] = []) {
    PeerWriter.parcel(kind, .urgent, body).withUnsafeBytes { stream.write($0) }
  }

  /// Says why it will not be the link, and closes.
  func refuse(_ reason: PeerRefusal.Reason, _ words: String, isSaid: Bool = true) {
    if stream.isOpen { send(.refusal, PeerRefusal(reason, words).body) }
    if reason == .fault, isSaid { complain(words) }
    let mayBeHeard = stream.isOpen || stage == .closed
    stage = .closed
    if mayBeHeard { stream.finish() } else { stream.close() }
  }

  /// It is the link from now on.
  func becameLink() {
    stage = .linked
    if let limitTimer { hub.loop.cancelTimer(limitTimer) }
    limitTimer = nil
  }

  func greet() { send(.hello, hub.own.hello.body) }

  // MARK: What comes

  var wantsInput: Bool { link?.cutIncoming != true }

  func streamOpened() {
    if dialled != nil { greet() }
  }

  func streamReceived(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
    lastHeard = hub.loop.turnBegan
    var received = PeerCounts()
    // Once for all that came at once.
    defer { link?.received(received) }
    if let link, link.cutIncoming {
      stream.pause()
      return 0
    }
    do throws(PeerFault) {
      let used = try reader.read(UnsafeRawBufferPointer(bytes)) { (kind, lane, body) throws(PeerFault) in
        if stage == .linked, kind.isOfRoles {
          received.bytesReceived += UInt64(PeerWriter.size(of: body.count))
          received.messagesReceived += 1
        }
        try take(kind, lane, body)
        return !stream.isClosed && stage != .closed
      }
      return stage == .closed ? bytes.count : used
    } catch {
      stream.close(NetworkFailure("the other side sent \(error)"))
      return bytes.count
    }
  }

  func streamRests() { link?.intake.handOver() }

  private func take(_ kind: PeerFrame.Kind, _ lane: PeerFrame.Lane, _ body: UnsafeRawBufferPointer) throws(PeerFault) {
    if kind == .message, stage == .linked, let intakeAtHand {
      let message = try PeerMessage(body)
      return intakeAtHand._withUnsafeGuaranteedRef { $0.take(message) }
    }
    switch (stage, kind) {
    case (.opening, .hello): greeted(try PeerHello(body))
    case (.opening, .refusal), (.greeting, .refusal), (.linked, .refusal): refused(try PeerRefusal(body))
    case (.greeting, .welcome): link?.welcomed(self)
    case (.linked, .ping): pinged(body)
    case (.linked, .pong): link?.answered(body)
    case (.linked, .request): link?.calls.requestCame(try PeerRequest(body))
    case (.linked, .response): hub.services.peers.responseCame(try PeerResponse(body))
    case (.linked, .cancel): link?.calls.cancelCame(body)
    case (.closed, _): break
    default: throw PeerFault("a frame of the kind \(kind) before its time")
    }
  }

  private func pinged(_ body: UnsafeRawBufferPointer) {
    guard link?.cutOutgoing == false else { return }
    send(.pong, [UInt8](body.prefix(8)))
  }

  private func greeted(_ hello: PeerHello) {
    self.hello = hello
    if let objection = hub.objection(to: hello, over: self) {
      link = hub.link(hello.id)
      // This node met itself: the side that dialled says so.
      return refuse(.fault, objection, isSaid: dialled != nil || hello.boot != hub.own.hello.boot)
    }
    guard let link = hub.link(hello.id) else { return }
    self.link = link
    stage = .greeting
    link.greeted(self, hello)
  }

  private func refused(_ refusal: PeerRefusal) {
    let who = hello.map { "node \($0.id)" } ?? dialled.map { "node \($0.id)" } ?? "the other side"
    switch refusal.reason {
    case .spare: stream.close()
    case .leaving: stream.close(NetworkFailure("\(who) ends"))
    case .fault:
      let words = refusal.words.isEmpty ? "\(who) refuses the link" : TextLayout.harmless(refusal.words)
      stream.close(NetworkFailure(words))
    }
  }

  // MARK: Its end

  func streamFinished() { stream.close(NetworkFailure("the other side hung up")) }

  func streamDrained() { link?.pump() }

  func streamClosed(_ failure: NetworkFailure?) {
    if let limitTimer { hub.loop.cancelTimer(limitTimer) }
    limitTimer = nil
    if let failure, stage != .closed { complain(explained(failure)) }
    stage = .closed
    hub.closed(self)
    // Also whom this node dialled: it may have said another id.
    if let dialled, dialled !== link { dialled.closed(self) }
    link?.closed(self)
  }

  private func explained(_ failure: NetworkFailure) -> String {
    guard let tls = stream.tls, tls.failureReason != 0, stage == .opening else { return failure.words }
    return proof.explanation(tls, note, isServer: dialled == nil) ?? failure.words
  }

  /// To the link that it concerns, if there is one, or to the list of strangers.
  private func complain(_ words: String) {
    if let concerned = link ?? dialled { return concerned.complain(words, from: address, over: self) }
    let claimed = note.identity.flatMap { $0.cluster == hub.own.hello.cluster ? hub.link($0.id) : nil }
    if let claimed { claimed.complain(words, from: address) } else { hub.complain(words, from: address) }
  }

  /// Whether the other side may be the node that it says it is.
  func proves(_ id: UInt32) -> Bool { stream.tls.map { proof.confirms($0, id) } ?? false }
}
