import CNodeABI
import CSystem
import HostCore

/// This node's side of the link to one peer: keeps it up, or tries to. The links' loop.
final class PeerLink: TimerTarget {
  let id: UInt32
  let line: PeerLine
  /// Lets go of its links when it ends.
  let hub: PeerHub
  private(set) var address: Endpoint
  /// The link itself.
  private(set) var current: PeerConnection?
  private(set) var boot: UInt64 = 0
  /// Connections that have said hello and are not the link yet.
  private(set) var greeting: [PeerConnection] = []
  private(set) var dialler: PeerDialler!
  private var probe: PeerProbe?
  private var tickTimer: UInt64?
  private var taken = TakenFrames()
  private var isGone = false
  var cutIncoming = false
  var cutOutgoing = false
  private(set) var intake: PeerIntake!
  let calls: IncomingCalls
  var counts = PeerCounts()
  private(set) var roundTrip: Int64?
  private(set) var complaints = PeerComplaints()
  let metrics: PeerMetrics
  let reference = PeerLinkReference()

  var isUp: Bool { current != nil }
  var isCut: Bool { cutIncoming || cutOutgoing }
  /// The node with the lower id chooses among several connections.
  var decides: Bool { hub.own.hello.id < id }
  var wantsConnection: Bool { !isGone && current == nil && !isCut }

  init(_ peer: ClusterSettings.Peer, _ hub: PeerHub) {
    (id, address) = (peer.id, peer.address)
    self.hub = hub
    line = PeerLine(id: peer.id, address: peer.address)
    metrics = PeerMetrics(hub.services, peer: peer.id)
    calls = IncomingCalls(line, hub.services, hub.loop)
    reference.link = self
    intake = PeerIntake(self)
    dialler = PeerDialler(self)
    let reference = reference, loop = hub.loop
    line.announce = { atOnce in
      if atOnce, loop.isCurrent { reference.link?.pump() } else { loop.post { reference.link?.pump() } }
    }
    hub.services.peers.add(line)
    dialler.soon(after: 0)
  }

  /// It is no longer in the manifest, or the node ends.
  func end(_ reason: PeerRefusal.Reason, _ words: String) {
    isGone = true
    reference.link = nil
    hub.services.peers.remove(line)
    dialler.rest()
    probe?.end()
    if let tickTimer { hub.loop.cancelTimer(tickTimer) }
    for connection in greeting + [dialler.connection, current, probe?.connection].compactMap(\.self) {
      connection.refuse(reason, words)
    }
  }

  func moved(to address: Endpoint) {
    guard address != self.address else { return }
    self.address = address
    line.moved(to: address)
    guard current == nil else { return }
    dialler.forgetFailures()
    dialler.connection?.stream.close()
    dialler.soon(after: 0)
  }

  // MARK: Hellos

  func greeted(_ connection: PeerConnection, _ hello: PeerHello) {
    if isCut { return connection.stream.close() }
    dialler.letGo(of: connection)
    let situation = PeerRivalry.Situation(
      decides: decides, linkedBoot: current == nil ? nil : boot, isGreeting: !greeting.isEmpty || probe != nil)
    switch PeerRivalry(situation, boot: hello.boot) {
    case .spare: spare(connection)
    case .probe:
      // Whoever dials has no link, so this one came.
      guard connection.dialled == nil, probe == nil else { return spare(connection) }
      probe = PeerProbe(connection, of: self)
      ping()
    case .proceed: proceed(connection)
    }
  }

  private func spare(_ connection: PeerConnection) {
    connection.refuse(.spare, "")
    // If the other side has lost the link, this finds it out.
    ping()
  }

  private func proceed(_ connection: PeerConnection) {
    if connection.dialled == nil { connection.greet() }
    guard decides else { return greeting.append(connection) }
    connection.send(.welcome)
    take(connection)
  }

  /// The node with the lower id has decided.
  func welcomed(_ connection: PeerConnection) {
    guard !decides, !isCut else { return connection.stream.close() }
    take(connection)
  }

  private func take(_ connection: PeerConnection) {
    greeting.removeAll { $0 === connection }
    let old = current, others = greeting + [dialler.connection].compactMap(\.self)
    if old != nil { wentDown("it has connected anew") }
    current = connection
    boot = connection.hello?.boot ?? 0
    connection.becameLink()
    old?.stream.close()
    for other in others { other.stream.close() }
    cameUp(connection)
  }

  func probed(lives: Bool) {
    guard let connection = probe?.connection else { return }
    endProbe()
    guard lives, let current else {
      current?.stream.close(NetworkFailure("it has not answered, and has connected anew"))
      return proceed(connection)
    }
    let names = [current.hello?.name, connection.hello?.name].compactMap(\.self).joined(separator: " and ")
    connection.refuse(
      .fault,
      "two nodes have the id \(id): \(names), at \(current.address.host) and \(connection.address.host); "
        + "change node.id of one of them")
  }

  private func endProbe() {
    probe?.end()
    probe = nil
  }

  // MARK: Up and down

  private func cameUp(_ connection: PeerConnection) {
    let name = connection.hello?.name ?? ""
    dialler.forgetFailures()
    dialler.rest()
    complaints = PeerComplaints()
    counts.links += 1
    roundTrip = nil
    line.open(name: name)
    hub.log(NH_LOG_INFO, "linked with node \(id) (\(name)) at \(connection.address)")
    hub.services.peers.tellAll(.linkUp, node: id)
    metrics.isUp(true)
    ping()
    tickTimer = hub.loop.setTimer(
      after: hub.timing.pingMilliseconds * 1_000_000, period: hub.timing.pingMilliseconds * 1_000_000, self)
  }

  private func wentDown(_ why: String) {
    intake.linkWentDown()
    current = nil
    line.close()
    taken.clear()
    if let tickTimer { hub.loop.cancelTimer(tickTimer) }
    tickTimer = nil
    hub.log(NH_LOG_WARNING, "the link to node \(id) (\(line.info.name)) is down: \(why)")
    hub.services.peers.tellAll(.linkDown, node: id)
    metrics.isUp(false)
    hub.services.peers.breakCalls(to: line)
    calls.cancelAll()
  }

  /// A connection of this peer has ended, whatever it was.
  func closed(_ connection: PeerConnection) {
    greeting.removeAll { $0 === connection }
    dialler.letGo(of: connection)
    if connection === probe?.connection { endProbe() }
    if connection === current { return lost() }
    if current == nil, dialler.connection == nil, greeting.isEmpty { dialler.again() }
  }

  private func lost() {
    if complaints.last.isEmpty { complaints.note("the connection was closed") }
    wentDown(complaints.last)
    dialler.forgetFailures()
    // The other one may be the link at once.
    probed(lives: false)
    if current == nil, greeting.isEmpty { dialler.again() }
  }

  func complain(_ words: String, from address: SocketAddress?, over connection: PeerConnection? = nil) {
    complaints.note(words)
    // The end of the link itself is said with the link's going down.
    if let connection, connection === current { return }
    guard complaints.isNew(words) else { return }
    let place = address.map { " at \($0)" } ?? " (\(self.address))"
    hub.log(NH_LOG_WARNING, "no link to node \(id)\(place): \(words)")
  }

  /// The same words are logged once as long as the link is up.
  func complainOnce(_ words: String) {
    guard complaints.isNew(words) else { return }
    hub.log(NH_LOG_WARNING, words)
  }

  // MARK: Time

  func timerFired(_ timer: UInt64, token: UInt64) {
    guard let current else { return }
    let silence = EventLoop.now() - current.lastHeard
    // A link that rests hears nothing by its own will.
    if !intake.rests, silence > hub.timing.silenceMilliseconds * 1_000_000 {
      return current.stream.close(NetworkFailure("nothing came for \(hub.timing.silenceMilliseconds) ms"))
    }
    ping()
    updateMetrics()
    current.stream.trim()
  }

  private func ping() {
    guard let current, !cutOutgoing else { return }
    current.send(.ping, withUnsafeBytes(of: EventLoop.now().littleEndian, [UInt8].init))
  }

  func answered(_ body: UnsafeRawBufferPointer) {
    guard body.count == 8 else { return }
    let sent = Int64(littleEndian: body.loadUnaligned(as: Int64.self))
    roundTrip = max(0, EventLoop.now() - sent)
    if probe?.isAnswered(bySent: sent) == true { probed(lives: true) }
  }

  // MARK: Out

  /// Gives the connection as much as it wants of what waits, the most urgent first.
  func pump() {
    guard let current, !cutOutgoing else { return }
    // Out of its place: the socket may fail at any piece, and then the link is down before the piece is through.
    var frames = TakenFrames()
    swap(&frames, &taken)
    // Whatever came behind what was left has not been taken yet; all else is announced anew.
    var hasMore = !frames.isEmpty
    line.take(into: &frames)
    while !current.stream.isFull {
      guard let (lane, bytes, parcels) = frames.next({ current.stream.write($0, atOnce: true) }) else {
        guard hasMore else { break }
        hasMore = false
        line.take(into: &frames)
        continue
      }
      guard self.current === current else { return }
      line.sent(lane, bytes: bytes, parcels: parcels)
      counts.bytesSent += UInt64(bytes)
      counts.messagesSent += UInt64(parcels)
    }
    swap(&frames, &taken)
    current.stream.push()
  }

  // MARK: In

  /// This came, and was not for the link's own sake.
  func received(_ counted: PeerCounts) {
    counts.bytesReceived += counted.bytesReceived
    counts.messagesReceived += counted.messagesReceived
  }
}

/// A link of the links' loop, seen from elsewhere; only that loop looks into it. Empty when the link has ended: a weak
/// reference would make every other one to the link slow.
final class PeerLinkReference: @unchecked Sendable {
  fileprivate(set) var link: PeerLink?
}
