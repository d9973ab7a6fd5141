import CSystem
import Glibc

/// Told what happens on a stream, on its loop.
protocol StreamOwner: AnyObject {
  /// It is connected and, with TLS, both sides have proved who they are.
  func streamOpened()
  /// Bytes came, valid during the call. Returns how many it has used; the rest comes again, together with what follows.
  func streamReceived(_ bytes: UnsafeMutableRawBufferPointer) -> Int
  /// All that could be read for now has been handed to it: the time to hand on what was gathered.
  func streamRests()
  /// Whether it waits for bytes: not while it is busy with those that it has.
  var wantsInput: Bool { get }
  /// The other side will send no more, and what it sent is used or not enough. It may still be listening.
  func streamFinished()
  /// It has asked for that, and what was written is about to leave: the last chance to add to it in this turn.
  func streamGathers()
  /// Writing is sensible again after `isFull`.
  func streamDrained()
  /// The last it hears. Without a failure it was closed from here.
  func streamClosed(_ failure: NetworkFailure?)
  /// Its simulated process is gone: lets go of all that holds on to it, and tells nobody.
  func streamVanished()
}

extension StreamOwner {
  func streamGathers() {}
  func streamRests() {}
  func streamVanished() {}
}

/// One connected socket, plain or through TLS, on its loop. What is written in a turn of the loop leaves together at
/// the turn's end.
package final class Stream: DescriptorWatcher, TurnEndTarget, TimerTarget, @unchecked Sendable {
  /// More than this waiting to be sent, and who writes should stop.
  static let highWater = 256 << 10
  static let lowWater = 64 << 10
  /// What an owner may leave unused before nothing more is read for it.
  static let unusedLimit = 128 << 10
  /// Read in one turn before others have theirs.
  private static let readBudget = 256 << 10
  /// A piece from here on is given to the socket at once, if nothing waits before it, and not copied.
  private static let directSize = 16 << 10
  /// After the last byte was sent, what still comes is thrown away for so long: closing a socket with bytes unread
  /// would take from the other side what it has not read yet.
  private static let lingerMilliseconds: Int64 = 2_000

  private enum State { case connecting, handshaking, open, moving, lingering, closed }

  package private(set) var loop: EventLoop
  /// -1 without a socket.
  let descriptor: Int32
  /// In the place of a socket.
  private let wire: (any StreamWire)?
  let tls: TLSSession?
  var owner: (any StreamOwner)?

  private var state: State
  private var canRead = false
  private var canWrite = false
  /// The other side has hung up, so a short read is not the end of what there is.
  private var hungUp = false
  private var sawEnd = false
  /// The other side will send no more, whether the owner has been told yet or not.
  private(set) var inputHasEnded = false
  private var isPaused = false
  private var isFinishing = false
  private var wasFull = false
  private var asksForTurnEnd = false
  private var asksToGather = false
  private var isGathering = false
  private var move: (loop: EventLoop, arrived: @Sendable () -> Void)?
  private var lingerTimer: UInt64?
  private var unused = ByteQueue()
  private var output = ByteQueue()
  private var sentCount = 0

  /// A socket that is connected already, or still connecting.
  init(_ descriptor: Int32, on loop: EventLoop, tls: TLSSession? = nil, isConnecting: Bool = false) {
    self.descriptor = descriptor
    wire = nil
    self.loop = loop
    self.tls = tls
    state = isConnecting ? .connecting : tls == nil ? .open : .handshaking
  }

  package init(_ wire: any StreamWire, on loop: EventLoop, isConnecting: Bool = false) {
    descriptor = -1
    self.wire = wire
    self.loop = loop
    tls = nil
    state = isConnecting ? .connecting : .open
  }

  deinit { if descriptor >= 0 { Glibc.close(descriptor) } }

  func start(_ owner: any StreamOwner) {
    self.owner = owner
    watch()
    if state == .open {
      canWrite = true
      owner.streamOpened()
    }
  }

  var isSecure: Bool { tls != nil || wire?.isSecure == true }
  /// Agreed on with TLS; nil without it.
  var chosenProtocol: String? { tls?.chosenProtocol ?? wire?.chosenProtocol }

  // MARK: Writing

  var isOpen: Bool { state == .open && !isFinishing }
  var mayMove: Bool { state == .open && !isFinishing && output.isEmpty }
  var isClosed: Bool { state == .closed || state == .lingering }
  var isFull: Bool { output.count > Self.highWater }
  var waiting: Int { output.count }

  /// What the socket took since this was last asked.
  func takeSentCount() -> Int {
    defer { sentCount = 0 }
    return sentCount
  }

  /// With `atOnce` it is not kept for the turn's end: for who has gathered already, and ends with `push`.
  func write(_ bytes: UnsafeRawBufferPointer, atOnce: Bool = false) {
    guard !isClosed else { return }
    var bytes = bytes
    if atOnce || bytes.count >= Self.directSize, output.isEmpty, canWrite, state == .open {
      let sent = send(bytes)
      if isClosed { return }
      sentCount += sent
      bytes = UnsafeRawBufferPointer(rebasing: bytes[sent...])
      if bytes.isEmpty { return }
    }
    output.append(bytes)
    noteOutput()
  }

  func write(_ text: StaticString) {
    write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Lets the owner put up to `most` bytes straight into the queue.
  @inline(__always)
  func write<Failure: Error>(upTo most: Int, _ body: (UnsafeMutableRawPointer) throws(Failure) -> Int) throws(Failure) {
    guard !isClosed else { return }
    try output.append(upTo: most, body)
    noteOutput()
  }

  private func noteOutput() {
    if isFull { wasFull = true }
    // What is gathered is sent in the same breath.
    if !isGathering { askForTurnEnd() }
  }

  /// The owner has something to add at the end of this turn.
  func wantsToGather() {
    asksToGather = true
    askForTurnEnd()
  }

  /// Closes once all that was written has been sent.
  func finish() {
    guard !isClosed, !isFinishing else { return }
    isFinishing = true
    askForTurnEnd()
  }

  /// Closes now; what waits is lost.
  func close(_ failure: NetworkFailure? = nil) {
    guard state != .closed else { return }
    let owner = isClosed ? nil : owner
    state = .closed
    self.owner = nil
    if let lingerTimer { loop.cancelTimer(lingerTimer) }
    lingerTimer = nil
    output.removeAll()
    unused.removeAll()
    unwatch()
    if let wire { wire.close() } else { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }
    owner?.streamClosed(failure)
  }

  /// Gives back memory that an idle connection does not need.
  func trim() {
    output.shrink()
    unused.shrink()
  }

  // MARK: Reading

  /// Nothing is handed on until `resume`; the other side will notice when the system's own room is full.
  func pause() { isPaused = true }

  func resume() {
    guard isPaused else { return }
    isPaused = false
    askForTurnEnd()
  }

  /// Hands on again, at the end of this turn, what the owner has not used.
  func reoffer() { if !unused.isEmpty || sawEnd { askForTurnEnd() } }

  // MARK: The loop

  func descriptorReady(_ events: UInt32) {
    if events & csystem_writable != 0 { canWrite = true }
    if events & ~csystem_writable != 0 { canRead = true }
    if events & ~(csystem_writable | csystem_readable) != 0 { hungUp = true }
    advance()
  }

  func turnEnded() {
    asksForTurnEnd = false
    advance()
  }

  private func askForTurnEnd() {
    guard !asksForTurnEnd else { return }
    asksForTurnEnd = true
    uncounted(loop) { $0.atTurnEnd(self) }
  }

  private func advance() {
    if state == .connecting { connected() }
    if state == .handshaking { shakeHands() }
    if state == .open {
      if asksToGather { gather() }
      flush()
      if state == .open { receive() }
    } else if state == .lingering {
      throwAway()
    }
    if state == .moving { leave() }
  }

  private func gather() {
    asksToGather = false
    isGathering = true
    owner?.streamGathers()
    isGathering = false
  }

  // MARK: From loop to loop

  /// Goes on on another loop, where `arrived` comes first. Only while nothing waits to be sent; the owner must not
  /// touch it until then.
  func move(to other: EventLoop, _ arrived: @escaping @Sendable () -> Void) {
    guard state == .open, output.isEmpty else { return }
    state = .moving
    move = (other, arrived)
  }

  private func leave() {
    // This loop still has it on its list.
    guard !asksForTurnEnd, let (other, arrived) = move else { return }
    move = nil
    unwatch()
    other.post { [self] in
      loop = other
      state = .open
      watch()
      arrived()
      askForTurnEnd()
    }
  }

  private func connected() {
    guard canWrite || hungUp else { return }
    let error = wire?.connectError ?? csystem_socket_error(descriptor)
    guard error == 0 else { return close(.system("cannot connect", error)) }
    state = tls == nil ? .open : .handshaking
    if tls == nil { owner?.streamOpened() }
  }

  private func shakeHands() {
    guard let tls else { return }
    switch tls.handshake() {
    case .bytes:
      state = .open
      canWrite = true
      canRead = true
      owner?.streamOpened()
    case .wait: break
    case .ended: close(NetworkFailure("the other side hung up during the TLS handshake"))
    case .failed(let failure): close(failure)
    }
  }

  // MARK: Out

  private func flush() {
    while !output.isEmpty, canWrite {
      let sent = send(UnsafeRawBufferPointer(output.bytes))
      guard state == .open else { return }
      output.removeFirst(sent)
      sentCount += sent
    }
    push()
    guard state == .open else { return }
    if output.isEmpty, isFinishing, tls?.hasGathered != true { return linger() }
    if wasFull, output.count <= Self.lowWater {
      wasFull = false
      owner?.streamDrained()
    }
  }

  /// How many bytes the socket took.
  private func send(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard let tls else {
      let count = sendPlain(bytes)
      if count == bytes.count { return count }
      if count >= 0 || count == -Int(EAGAIN) || count == -Int(EINTR) {
        canWrite = count == -Int(EINTR)
        return max(0, count)
      }
      close(.system("cannot send", Int32(-count)))
      return 0
    }
    switch tls.write(bytes) {
    case .bytes(let count): return count
    case .wait: canWrite = false
    case .ended: close(NetworkFailure("the other side hung up"))
    case .failed(let failure): close(failure)
    }
    return 0
  }

  /// Sends what TLS has gathered. Otherwise that waits for the turn's end.
  func push() {
    guard let tls, tls.hasGathered, canWrite, state == .open else { return }
    switch tls.push() {
    case .bytes: break
    case .wait: canWrite = false
    case .ended: close(NetworkFailure("the other side hung up"))
    case .failed(let failure): close(failure)
    }
  }

  private func linger() {
    let owner = owner.take()
    tls?.sayEnd()
    if let wire { wire.finish() } else { _ = shutdown(descriptor, Int32(SHUT_WR)) }
    state = .lingering
    lingerTimer = loop.setTimer(after: Self.lingerMilliseconds * 1_000_000, self)
    owner?.streamClosed(nil)
    if state == .lingering { throwAway() }
  }

  func timerFired(_ timer: UInt64, token: UInt64) {
    lingerTimer = nil
    close()
  }

  private func throwAway() {
    while canRead {
      let count = readPlain(into: loop.scratch)
      if count == -Int(EAGAIN) { canRead = false } else if count <= 0 { return close() }
    }
  }

  // MARK: In

  private func receive() {
    var budget = Self.readBudget
    let hadSome = canRead || !unused.isEmpty
    if !isPaused, !unused.isEmpty { offerUnused() }
    while canRead, !isPaused, state == .open, !isFinishing, unused.count < Self.unusedLimit {
      guard budget > 0 else {
        askForTurnEnd()
        break
      }
      budget -= unused.isEmpty ? readFresh() : readMore()
    }
    if hadSome { owner?.streamRests() }
    tellEnd()
  }

  private func tellEnd() {
    guard sawEnd, state == .open, let owner, unused.isEmpty || owner.wantsInput else { return }
    sawEnd = false
    owner.streamFinished()
  }

  /// Into the loop's own room; only what the owner leaves is kept.
  private func readFresh() -> Int {
    let room = loop.scratch
    guard let count = read(into: room) else { return 0 }
    let used = owner?.streamReceived(UnsafeMutableRawBufferPointer(rebasing: room[..<count])) ?? count
    if used < count, !isClosed { unused.append(UnsafeRawBufferPointer(rebasing: room[used..<count])) }
    return count
  }

  /// Behind what the owner has left before.
  private func readMore() -> Int {
    var count: Int?
    // Out of its place: if the connection breaks here, closing it empties `unused`.
    var longer = ByteQueue()
    swap(&longer, &unused)
    longer.append(upTo: 16 << 10) { room in
      count = read(into: UnsafeMutableRawBufferPointer(start: room, count: 16 << 10))
      return count ?? 0
    }
    if !isClosed { swap(&longer, &unused) }
    if count != nil { offerUnused() }
    return count ?? 0
  }

  private func offerUnused() {
    guard let owner else { return }
    // Held while the owner looks at it, whatever the owner does to this stream meanwhile.
    var looked = ByteQueue()
    swap(&looked, &unused)
    let used = owner.streamReceived(looked.bytes)
    looked.removeFirst(used)
    if !isClosed, !looked.isEmpty { swap(&looked, &unused) }
  }

  /// Nil if nothing came, for whatever reason.
  private func read(into room: UnsafeMutableRawBufferPointer) -> Int? {
    if let tls { return read(into: room, tls) }
    let count = readPlain(into: room)
    if count > 0 {
      if count < room.count, !hungUp { canRead = false }
      return count
    }
    if count == 0 {
      finished()
    } else if count == -Int(EAGAIN) {
      canRead = false
    } else if count != -Int(EINTR) {
      close(.system("the connection broke", Int32(-count)))
    }
    return nil
  }

  private func read(into room: UnsafeMutableRawBufferPointer, _ tls: TLSSession) -> Int? {
    switch tls.read(into: room) {
    case .bytes(let count):
      if tls.hasReadAll, !hungUp { canRead = false }
      return count
    case .wait: canRead = false
    case .ended: finished()
    case .failed(let failure): close(failure)
    }
    return nil
  }

  private func finished() {
    canRead = false
    sawEnd = true
    inputHasEnded = true
  }

  // MARK: Socket or wire

  private func watch() {
    if let wire { return wire.attach(self) }
    loop.watch(descriptor, csystem_readable | csystem_writable | csystem_hangup | csystem_edge, self)
  }

  private func unwatch() { if let wire { wire.detach() } else { loop.unwatch(descriptor) } }

  /// As `StreamWire` counts.
  @inline(__always)
  private func sendPlain(_ bytes: UnsafeRawBufferPointer) -> Int {
    if let wire { return wire.send(bytes) }
    let count = csystem_send(descriptor, bytes.baseAddress!, bytes.count)
    return count < 0 ? -Int(errno) : count
  }

  @inline(__always)
  private func readPlain(into room: UnsafeMutableRawBufferPointer) -> Int {
    if let wire { return wire.receive(into: room) }
    let count = csystem_receive(descriptor, room.baseAddress!, room.count)
    return count < 0 ? -Int(errno) : count
  }

  /// From the wire, on the loop of the stream.
  package func isReady(for what: Readiness) {
    if what.contains(.writable) { canWrite = true }
    if what.contains(.readable) || what.contains(.hungUp) { canRead = true }
    if what.contains(.hungUp) { hungUp = true }
    advance()
  }

  /// Its process is gone: nobody hears of it, and nothing holds on to anything.
  package func vanish() {
    state = .closed
    owner?.streamVanished()
    owner = nil
    move = nil
    output.removeAll()
    unused.removeAll()
  }
}
