import CNodeABI
import HostCore

/// A call that came to a role. Its exchange lives on its connection's loop, the role on its own; mostly those are one,
/// and everything happens at once. Else both sides' words are carried over in their order.
final class RpcServerCall: RpcCall, ExchangeHandler, TimerTarget, @unchecked Sendable {
  /// What may be on its way to the connection's loop.
  private static let window = 256 << 10

  let exchange: ServerExchange
  private let isLocal: Bool
  private(set) var deadline: Int64 = 0

  // The connection's loop.
  private var headIsSent = false
  private var isDone = false
  private var timer: UInt64?
  private var waiting: [[UInt8]] = []
  private var ending: Ending?
  private var acceptsGzip = false

  // The role's loop.
  private var hasFinished = false
  private var underway = 0
  private var wantsToSend = false

  private struct Ending {
    /// Nil is a call that ended well and has nothing more to say.
    var trailers: MessageHead?
  }

  private init(_ exchange: ServerExchange, _ role: RoleInstance) {
    self.exchange = exchange
    isLocal = exchange.loop === role.loop
    super.init(role)
  }

  // MARK: The beginning

  /// The first thing that happens to a call, on its connection's loop: false if it has been refused.
  static func understand(_ exchange: ServerExchange) -> Bool {
    guard exchange.speaksHTTP2 else {
      exchange.refuse(505, "gRPC needs HTTP/2")
      return false
    }
    guard exchange.head.isGrpc else {
      exchange.refuse(415, "this is a method of gRPC: send application/grpc")
      return false
    }
    exchange.isLongLived = true
    return true
  }

  /// Takes a call that has been understood. On the role's loop, since nobody changes the head meanwhile.
  static func begin(_ exchange: ServerExchange, for role: RoleInstance, token: UInt64) {
    let call = RpcServerCall(exchange, role)
    call.token = token
    do throws(GrpcFault) { try call.readHead() } catch {
      return exchange.onItsLoop { GrpcHead.refuse($0, error.status, error.words) }
    }
    guard role.open(call) else {
      let words = "\(role.name) has \(role.limits.calls) open calls"
      return exchange.onItsLoop { GrpcHead.refuse($0, GrpcStatus.resourceExhausted, words) }
    }
    role.deliverCall(call)
    if call.isLocal { call.takeExchange() } else { exchange.loop.post { call.takeExchange() } }
  }

  private func readHead() throws(GrpcFault) {
    try uncounted(exchange.head) { head throws(GrpcFault) in try read(head) }
  }

  private func read(_ head: MessageHead) throws(GrpcFault) {
    if let value = head.value("grpc-timeout") {
      guard let timeout = GrpcText.timeout(head.bytes(value)) else {
        throw GrpcFault(GrpcStatus.internalError, "grpc-timeout is no time")
      }
      deadline = EventLoop.now() &+ timeout
    }
    if let encoding = head.value("grpc-encoding"), !head.equals(encoding, "identity") {
      guard head.equals(encoding, "gzip") else {
        throw GrpcFault(
          GrpcStatus.unimplemented, "messages in `\(head.string(encoding))` are not understood; gzip and identity are")
      }
      inputIsGzip = true
    }
    if let accepted = head.value("grpc-accept-encoding") {
      head.forEachMember(accepted) { if head.equals($0, "gzip") { acceptsGzip = true } }
    }
    // As the client does, so it likes it.
    compresses = inputIsGzip && acceptsGzip
    guard head.keepMetadata() else {
      throw GrpcFault(GrpcStatus.internalError, "the metadata has a binary value that is not base64")
    }
  }

  private func takeExchange() {
    guard !isDone, !exchange.isOver else { return }
    if deadline > 0 { timer = exchange.loop.setTimer(after: deadline - EventLoop.now(), self) }
    let hadEnded = exchange.requestHasEnded
    exchange.take(by: self)
    if hadEnded { inputEnded() }
  }

  // MARK: From the connection

  override var isOver: Bool { isDone || exchange.isOver }
  override var byteCredit: Int { exchange.credit }
  override func grantBytes(_ count: Int) { exchange.grant(count) }
  override var isClient: Bool { false }

  func exchangeBody(_ bytes: UnsafeRawBufferPointer) { received(bytes) }
  func exchangeRequestEnded(_ trailers: MessageHead) { inputEnded() }

  override func messageCame(_ bytes: UnsafeRawBufferPointer) {
    if isLocal { return role.deliver(self, NH_RPC_MESSAGE, payload: bytes) }
    let message = Array(bytes)
    role.loop.post { [self] in message.withUnsafeBytes { role.deliver(self, NH_RPC_MESSAGE, payload: $0) } }
  }

  override func messagesEnded() { onRolesLoop { $0.role.deliver($0, NH_RPC_HALF_CLOSE) } }

  override func inputBroke(_ fault: GrpcFault) { end(fault.status, fault.words) }

  func exchangeWritable() {
    guard !isLocal else { return role.deliver(self, NH_RPC_WRITABLE) }
    sendWaiting()
  }

  func exchangeFailed(_ status: nh_status, _ words: String) {
    done()
    onRolesLoop { $0.role.ended($0, status, words) }
  }

  func timerFired(_ timer: UInt64, token: UInt64) {
    self.timer = nil
    end(GrpcStatus.deadlineExceeded, "the call took too long")
  }

  /// From here and not from the role: both are told.
  private func end(_ status: Int32, _ words: String) {
    guard !isDone else { return }
    conclude(GrpcHead.ending(status, words))
    onRolesLoop { $0.role.ended($0, status, words) }
  }

  private func onRolesLoop(_ body: @escaping @Sendable (RpcServerCall) -> Void) {
    if isLocal { body(self) } else { role.loop.post { [self] in body(self) } }
  }

  private func done() {
    isDone = true
    if !waiting.isEmpty { waiting = [] }
    guard let timer else { return }
    exchange.loop.cancelTimer(timer)
    self.timer = nil
  }

  // MARK: To the connection, on its loop

  private func sendHead(_ head: MessageHead? = nil) {
    guard !headIsSent else { return }
    headIsSent = true
    let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
    guard let head else {
      _ = exchange.respond(200, compresses ? GrpcHead.gzip : GrpcHead.plain, nothing, ends: false, areOwn: true)
      return
    }
    _ = head.withPairs { exchange.respond(200, $0, nothing, ends: false) }
  }

  /// NH_RESOURCE_EXHAUSTED if there is no room now; then `exchangeWritable` comes.
  private func put(_ message: UnsafeRawBufferPointer) -> nh_status {
    sendHead()
    if compresses, message.count >= Gzip.leastSize, let smaller = Gzip.deflate(message) {
      return smaller.withUnsafeBytes { putFramed($0, isCompressed: true) }
    }
    return putFramed(message, isCompressed: false)
  }

  private func putFramed(_ message: UnsafeRawBufferPointer, isCompressed: Bool) -> nh_status {
    withUnsafeTemporaryAllocation(byteCount: GrpcFraming.prefixSize, alignment: 1) { prefix in
      GrpcFraming.writePrefix(message.count, isCompressed: isCompressed, at: prefix.baseAddress!)
      return uncounted(exchange) { $0.write(UnsafeRawBufferPointer(prefix), message) }
    }
  }

  private func conclude(_ trailers: MessageHead?) {
    guard !isDone else { return }
    done()
    guard !exchange.isOver else { return }
    guard headIsSent else { return concludeAlone(trailers ?? GrpcHead.ending(NH_OK, "")) }
    exchange.handler = nil
    if let trailers {
      _ = trailers.withPairs { exchange.finish($0) }
    } else {
      _ = exchange.finish(GrpcHead.ok, areOwn: true)
    }
  }

  private func concludeAlone(_ head: MessageHead) {
    for pair in ResponseHead.pairs(GrpcHead.plain) {
      head.addField(ResponseHead.bytes(pair.name), ResponseHead.bytes(pair.value))
    }
    exchange.handler = nil
    _ = head.withPairs { exchange.respond(200, $0, UnsafeRawBufferPointer(start: nil, count: 0), ends: true) }
  }

  private func sendWaiting() {
    while let message = waiting.first {
      if message.withUnsafeBytes({ put($0) }) == NH_RESOURCE_EXHAUSTED { return }
      waiting.removeFirst()
      let count = message.count
      role.loop.post { [self] in arrived(count) }
    }
    if let ending { conclude(ending.trailers) }
  }

  // MARK: From the role

  override func sendMetadata(_ pairs: nh_pair_list) -> nh_status {
    let (pairs, wishes) = GrpcHead.withoutWish(pairs)
    let own = !compresses && acceptsGzip && wishes
    guard let head = GrpcHead.answer(pairs, compresses: compresses || own) else {
      return NH_INVALID_ARGUMENT
    }
    if isLocal {
      guard !headIsSent else { return NH_FAILED_PRECONDITION }
      if own { compresses = true }
      sendHead(head)
    } else {
      exchange.loop.post { [self] in
        if own { compresses = true }
        sendHead(head)
      }
    }
    return NH_OK
  }

  override func send(_ message: UnsafeRawBufferPointer) -> nh_status {
    guard !hasFinished else { return NH_FAILED_PRECONDITION }
    if isLocal { return put(message) }
    guard underway < Self.window else {
      wantsToSend = true
      return NH_RESOURCE_EXHAUSTED
    }
    underway += message.count
    let copy = Array(message)
    exchange.loop.post { [self] in
      guard !isDone else { return }
      waiting.append(copy)
      sendWaiting()
    }
    return NH_OK
  }

  override func finish(
    _ status: nh_status, _ words: nh_str, _ metadata: nh_pair_list, _ details: nh_bytes
  ) -> nh_status {
    var trailers: MessageHead?
    if status != NH_OK || words.len > 0 || metadata.count > 0 || details.len > 0 {
      let details = UnsafeRawBufferPointer(start: details.ptr, count: details.ptr == nil ? 0 : Int(details.len))
      trailers = GrpcHead.ending(status, ResponseHead.bytes(words), metadata, details: details)
      guard trailers != nil, (0...16).contains(status) else { return NH_INVALID_ARGUMENT }
    }
    hasFinished = true
    if isLocal {
      conclude(trailers)
    } else {
      let ending = Ending(trailers: trailers)
      exchange.loop.post { [self] in
        self.ending = ending
        sendWaiting()
      }
    }
    role.forget(self)
    return NH_OK
  }

  override func cancel() {
    exchange.onItsLoop { [self] _ in conclude(GrpcHead.ending(GrpcStatus.cancelled, "the server gave the call up")) }
  }

  override func credit(_ messages: Int) { exchange.onItsLoop { [self] _ in want(messages) } }

  override func giveUp(_ words: String) {
    exchange.onItsLoop { [self] _ in conclude(GrpcHead.ending(GrpcStatus.unavailable, words)) }
  }

  private func arrived(_ count: Int) {
    underway -= count
    guard wantsToSend, underway < Self.window / 2 else { return }
    wantsToSend = false
    role.deliver(self, NH_RPC_WRITABLE)
  }
}
