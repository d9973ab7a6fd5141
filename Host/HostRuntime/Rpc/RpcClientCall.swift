import CNodeABI
import HostCore

/// A call of a role's own to another server, on the role's loop.
final class RpcClientCall: RpcCall, ClientExchangeHandler, TimerTarget, @unchecked Sendable {
  private static let firstBackoff: Int64 = 50_000_000
  private static let lastBackoff: Int64 = 5_000_000_000
  private static let retryLimit: UInt32 = 20

  private let channel: RpcChannel
  private let head: MessageHead
  private let waits: Bool
  private let ends: Bool
  /// The first message as it goes over the wire, kept as long as the call may be tried again.
  private var first: [UInt8]?
  private var exchange: ClientExchange
  private var deadline: Int64 = 0
  private var deadlineTimer: UInt64?
  private var startTimer: UInt64?
  private var retriesLeft: UInt32
  private var retries = 0
  /// More than the first message was sent, or something of the answer was told: it cannot be tried again.
  private var isCommitted = false
  private var hasFinished = false
  private var isEnded = false
  private let began = EventLoop.now()
  private var hasMessage = false
  private var end: (status: nh_status, words: String, metadata: MessageHead?)?

  init(_ role: RoleInstance, _ request: nh_rpc_request) throws(GrpcFault) {
    channel = try role.channel(to: String(request.target))
    head = MessageHead(capacity: 512)
    head.method = head.add("POST")
    head.target = head.add(ResponseHead.bytes(request.path))
    head.authority = head.add(channel.authority)
    guard head.target.count > 1, (try? head.understandTarget()) != nil else {
      throw GrpcFault(GrpcStatus.invalidArgument, "`\(String(request.path))` is no /package.Service/Method")
    }
    head.addField("te", "trailers")
    head.addField("content-type", "application/grpc")
    head.addField("user-agent", "nodehost")
    head.addField("grpc-accept-encoding", "identity,gzip")
    waits = request.waits != 0
    ends = request.ends != 0
    retriesLeft = min(request.retries, Self.retryLimit)
    exchange = ClientExchange(ClientRequest(head))
    super.init(role)
    let (metadata, wishes) = GrpcHead.withoutWish(request.metadata)
    if wishes {
      compresses = true
      head.addField("grpc-encoding", "gzip")
    }
    guard GrpcHead.add(metadata, to: head) else {
      throw GrpcFault(GrpcStatus.invalidArgument, "the metadata has a name or value that cannot be sent")
    }
    let payload = request.payload
    if ends || payload.ptr != nil {
      first = frame(UnsafeRawBufferPointer(start: payload.ptr, count: payload.ptr == nil ? 0 : Int(payload.len)))
    }
    hasFinished = ends
    let fallback = Int64(role.limits.callTimeoutMilliseconds) * 1_000_000
    deadline = EventLoop.now() &+ (request.timeout_ns > 0 ? request.timeout_ns : fallback)
  }

  private func frame(_ message: UnsafeRawBufferPointer) -> [UInt8] {
    let smaller = compresses && message.count >= Gzip.leastSize ? Gzip.deflate(message) : nil
    let count = smaller?.count ?? message.count
    return Array(unsafeUninitializedCapacity: GrpcFraming.prefixSize + count) { room, used in
      GrpcFraming.writePrefix(count, isCompressed: smaller != nil, at: room.baseAddress!)
      let body = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(room)[GrpcFraming.prefixSize...])
      if let smaller { body.copyBytes(from: smaller) } else { body.copyMemory(from: message) }
      used = room.count
    }
  }

  // MARK: Attempts

  func start() {
    deadlineTimer = role.loop.setTimer(after: deadline - EventLoop.now(), self)
    prepare()
    let wait = channel.notBefore - EventLoop.now()
    guard wait > 0 else { return exchange.start(at: channel.origin) }
    if waits { return startLater(wait) }
    let words = channel.lastWords
    // It will never be sent, and would keep its handler for ever.
    exchange.cancel()
    role.loop.post { [self] in over(NH_UNAVAILABLE, words) }
  }

  /// An exchange for the next attempt, with all that has been sent so far.
  private func prepare() {
    var request = ClientRequest(head)
    request.framing = .chunked
    let added = MessageHead(capacity: 32)
    added.addField("grpc-timeout", GrpcText.timeout(deadline - EventLoop.now()))
    request.added = added
    exchange = ClientExchange(request)
    exchange.handler = self
    first?.withUnsafeBytes { exchange.send($0) }
    if hasFinished { exchange.finish() }
  }

  private func startLater(_ delay: Int64) { startTimer = role.loop.setTimer(after: delay, self, token: 1) }

  func timerFired(_ timer: UInt64, token: UInt64) {
    if token == 1 {
      startTimer = nil
      return exchange.start(at: channel.origin)
    }
    deadlineTimer = nil
    exchange.cancel()
    over(NH_DEADLINE_EXCEEDED, "no answer in time")
  }

  /// True if it will be tried again.
  private func triesAgain(_ status: nh_status, hadNoEffect: Bool) -> Bool {
    guard status == NH_UNAVAILABLE || (hadNoEffect && waits), !isCommitted, !isEnded else { return false }
    if !(hadNoEffect && waits) {
      guard retriesLeft > 0 else { return false }
      retriesLeft -= 1
    }
    let delay = RetryPause.nanoseconds(retries, from: Self.firstBackoff, to: Self.lastBackoff)
    retries += 1
    prepare()
    startLater(max(delay, channel.notBefore - EventLoop.now()))
    return true
  }

  // MARK: The answer

  override var isOver: Bool { isEnded }
  override var byteCredit: Int { exchange.credit }
  override func grantBytes(_ count: Int) { exchange.grant(count) }
  override var isClient: Bool { true }

  func clientAnswered(_ answer: MessageHead) {
    channel.succeeded()
    guard answer.status == 200, answer.isGrpc else { return }
    if let encoding = answer.value("grpc-encoding"), !answer.equals(encoding, "identity") {
      guard answer.equals(encoding, "gzip") else {
        return inputBroke(
          GrpcFault(GrpcStatus.internalError, "the answer is in `\(answer.string(encoding))`, unasked"))
      }
      inputIsGzip = true
    }
    // Without anything else it is the end already, and the trailers are in the head.
    guard answer.value("grpc-status") == nil else { return }
    isCommitted = true
    guard answer.keepMetadata() else {
      return inputBroke(GrpcFault(GrpcStatus.internalError, "the metadata has a binary value that is not base64"))
    }
    role.deliver(self, NH_RPC_METADATA, metadata: answer)
  }

  func clientBody(_ bytes: UnsafeRawBufferPointer) {
    guard isCommitted else { return exchange.grant(bytes.count) }
    received(bytes)
  }

  func clientEnded(_ trailers: MessageHead) {
    let answer = exchange.answer
    let isAlone = !isCommitted
    let found = isAlone ? answer : trailers
    guard isCommitted || (answer.status == 200 && answer.isGrpc) else {
      let status = GrpcStatus.of(http: answer.status)
      if triesAgain(status, hadNoEffect: false) { return }
      return over(status, "the answer is no gRPC but status \(answer.status) of HTTP")
    }
    end = Self.ending(found)
    if isAlone, let end, triesAgain(end.status, hadNoEffect: false) { return self.end = nil }
    isCommitted = true
    inputEnded()
  }

  private static func ending(_ head: MessageHead) -> (nh_status, String, MessageHead?) {
    guard let field = head.value("grpc-status"), let status = Int32(head.string(field)) else {
      return (NH_UNKNOWN, "the answer ended without a status", nil)
    }
    let words = head.value("grpc-message").map { GrpcText.percentDecoded(head.bytes($0)) } ?? ""
    let isGood = head.keepMetadata()
    let metadata = head.fields.isEmpty || !isGood ? nil : head.withPairs { MessageHead(copying: $0) }
    return ((0...16).contains(status) ? status : NH_UNKNOWN, words, metadata)
  }

  func clientWritable() { role.deliver(self, NH_RPC_WRITABLE) }

  func clientFailed(_ failure: ClientFailure) {
    if failure.hadNoEffect, failure.status != NH_RESOURCE_EXHAUSTED { channel.failed(failure.words) }
    if triesAgain(failure.status, hadNoEffect: failure.hadNoEffect) { return }
    over(failure.status == NH_DEADLINE_EXCEEDED && failure.hadNoEffect ? NH_UNAVAILABLE : failure.status, failure.words)
  }

  override func messageCame(_ bytes: UnsafeRawBufferPointer) {
    hasMessage = true
    role.deliver(self, NH_RPC_MESSAGE, payload: bytes)
  }
  override func isStream(longerThan nanoseconds: Int64) -> Bool {
    hasMessage && EventLoop.now() - began > nanoseconds
  }

  override func messagesEnded() {
    guard let end else { return }
    over(end.status, end.words, end.metadata)
  }

  override func inputBroke(_ fault: GrpcFault) {
    exchange.cancel()
    over(fault.status, fault.words)
  }

  private func over(_ status: nh_status, _ words: String, _ metadata: MessageHead? = nil) {
    guard !isEnded else { return }
    stop()
    role.seat.pass(.quieting) { [self] in role.ended(self, status, words, metadata) }
  }

  private func stop() {
    isEnded = true
    for timer in [deadlineTimer, startTimer] { if let timer { role.loop.cancelTimer(timer) } }
    deadlineTimer = nil
    startTimer = nil
  }

  // MARK: From the role

  override func sendMetadata(_ pairs: nh_pair_list) -> nh_status { NH_FAILED_PRECONDITION }

  override func send(_ message: UnsafeRawBufferPointer) -> nh_status {
    guard !hasFinished else { return NH_FAILED_PRECONDITION }
    guard !isEnded else { return NH_NOT_FOUND }
    guard exchange.canSend() else { return NH_RESOURCE_EXHAUSTED }
    isCommitted = isCommitted || first != nil
    guard isCommitted, !compresses else {
      let framed = frame(message)
      if !isCommitted { first = framed }
      framed.withUnsafeBytes { exchange.send($0) }
      return NH_OK
    }
    withUnsafeTemporaryAllocation(byteCount: GrpcFraming.prefixSize, alignment: 1) { prefix in
      GrpcFraming.writePrefix(message.count, isCompressed: false, at: prefix.baseAddress!)
      exchange.send(UnsafeRawBufferPointer(prefix))
    }
    exchange.send(message)
    return NH_OK
  }

  override func finish(_: nh_status, _: nh_str, _: nh_pair_list, _: nh_bytes) -> nh_status {
    guard !hasFinished else { return NH_FAILED_PRECONDITION }
    hasFinished = true
    exchange.finish()
    return NH_OK
  }

  override func cancel() {
    stop()
    exchange.cancel()
  }

  override func giveUp(_ words: String) { cancel() }

  override func credit(_ messages: Int) { want(messages) }
}
