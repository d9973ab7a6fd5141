import CNodeABI
import HostCore

/// Takes the requests that a route leads to, on the loops of their connections.
protocol RequestTarget: AnyObject, Sendable {
  /// Where it does so, if that is not this loop but always the same other one.
  func home(awayFrom loop: EventLoop) -> EventLoop?
  /// Answers the exchange here and now, or becomes or names its handler.
  func begin(_ exchange: ServerExchange)
}

/// Told what becomes of a request that it has taken, on the connection's loop.
protocol ExchangeHandler: AnyObject {
  /// A piece of the request's body, valid during the call; never more than was asked for.
  func exchangeBody(_ bytes: UnsafeRawBufferPointer)
  /// The request's body is whole. Does not come if there was none, which `requestHasEnded` tells from the beginning.
  func exchangeRequestEnded(_ trailers: MessageHead)
  /// Writing is possible again.
  func exchangeWritable()
  /// It broke before the answer was whole; the last it hears.
  func exchangeFailed(_ status: nh_status, _ words: String)
}

/// One request and its answer, whatever the version of HTTP. Lives on its connection's loop.
///
/// The subclasses know the wire; what is refused, counted and logged is the same for all and stands here.
class ServerExchange: @unchecked Sendable {
  /// The body that comes without being asked for.
  static let firstCredit = 64 << 10

  private(set) var shard: ListenerShard
  let remote: Remote
  let isSecure: Bool
  let head = MessageHead()
  var captures: [RouteTable.Capture] = []
  /// Until somebody has taken it, no piece of its body is handed on.
  var handler: (any ExchangeHandler)?
  /// Body that may still be handed on.
  var credit = ServerExchange.firstCredit
  private(set) var answer = Answer.none
  var requestHasEnded = false
  /// A call, not a document: both sides may take their time, and there is no limit to the whole body.
  var isLongLived = false
  private(set) var status = 0
  private(set) var bodySent = 0
  private(set) var began: Int64 = 0
  /// Of an answer that is streamed through gzip, with how much the length that was announced leaves.
  private var compression: (compressor: ResponseCompressor, left: Int?)?

  enum Answer { case none, open, whole, broken }

  init(_ shard: ListenerShard, remote: Remote, isSecure: Bool) {
    self.shard = shard
    self.remote = remote
    self.isSecure = isSecure
  }

  final var loop: EventLoop { shard.loop }
  /// The time, as far as the loop knows it without asking.
  final var turnBegan: Int64 { uncounted(shard) { $0.loop.turnBegan } }
  var speaksHTTP2: Bool { false }
  var isOver: Bool { answer == .whole || answer == .broken }
  /// Whether it speaks gRPC, and can be answered so.
  final var isCall: Bool { speaksHTTP2 && head.isGrpc }
  final var isToHead: Bool { head.equals(head.method, "HEAD") }

  /// The handler that wants to hear of it from now on. It was not chosen at once, so something may have waited for it.
  func take(by handler: any ExchangeHandler) {
    self.handler = handler
    if !requestHasEnded { grant(0) }
  }

  /// For the next request.
  func reset() {
    head.reset()
    if !captures.isEmpty { captures.removeAll(keepingCapacity: true) }
    handler = nil
    credit = Self.firstCredit
    answer = .none
    requestHasEnded = false
    isLongLived = false
    wantsToWrite = false
    status = 0
    bodySent = 0
    began = 0
    compression = nil
  }

  /// The head is there: finds who takes it.
  final func dispatch() {
    began = turnBegan
    uncounted(shard) { $0.dispatch(self) }
  }

  /// Its connection now lives on another loop, with another share of the listener.
  final func moved(to shard: ListenerShard) { self.shard = shard }

  /// Takes its connection to the loop where the target lives. False: it stays here.
  func follow(to home: EventLoop) -> Bool { false }

  /// Runs `body` where the exchange lives: now if that is here.
  final func onItsLoop(_ body: @escaping @Sendable (ServerExchange) -> Void) {
    if loop.isCurrent { body(self) } else { loop.post { [self] in body(self) } }
  }

  // MARK: The answer

  /// Status, headers and a first piece of the body; with `ends` all of it.
  final func respond(
    _ status: Int, _ headers: nh_pair_list, _ body: UnsafeRawBufferPointer, ends: Bool, areOwn: Bool = false
  ) -> nh_status {
    guard answer == .none, (200...599).contains(status) else { return NH_FAILED_PRECONDITION }
    let response = ResponseHead(
      status, headers, ends: ends, bodyCount: body.count, isToHead: isToHead, areOwn: areOwn)
    guard let response else { return NH_INVALID_ARGUMENT }
    self.status = status
    answer = .open
    if let least = shard.limits.compressFrom {
      begin(response, body, ends: ends, CompressionChoice.of(response, to: self, from: least))
    } else {
      begin(response, body, ends: ends)
    }
    if ends { complete() }
    return NH_OK
  }

  private func begin(_ response: ResponseHead, _ body: UnsafeRawBufferPointer, ends: Bool) {
    sendHead(response, body, ends: ends)
    bodySent += body.count
  }

  private func begin(_ response: ResponseHead, _ body: UnsafeRawBufferPointer, ends: Bool, _ choice: CompressionChoice)
  {
    switch choice {
    case .none: begin(response, body, ends: ends)
    case .onlyVaries(let head): begin(head, body, ends: ends)
    case .gzip(let head) where ends:
      guard let whole = shard.compressor else { return begin(response, body, ends: ends) }
      var smaller = ByteQueue()
      whole.reset()
      whole.add(body, isLast: true) { smaller.append($0) }
      begin(head, UnsafeRawBufferPointer(smaller.bytes), ends: true)
    case .gzip(let head):
      guard let compressor = ResponseCompressor(.streamed) else { return begin(response, body, ends: ends) }
      compression = (compressor, response.length)
      begin(head, UnsafeRawBufferPointer(start: nil, count: 0), ends: false)
      put(body)
    }
  }

  /// With fields that were chosen here, and are fit to be sent.
  private func begin(_ head: MessageHead, _ body: UnsafeRawBufferPointer, ends: Bool) {
    head.withPairs { pairs in
      guard let response = ResponseHead(status, pairs, ends: ends, bodyCount: body.count, isToHead: isToHead) else {
        return breakOff()
      }
      begin(response, body, ends: ends)
    }
  }

  /// A piece of the body, as the wire is to have it.
  private func put(_ body: UnsafeRawBufferPointer) {
    guard let (compressor, left) = compression else {
      bodySent += body.count
      return sendBody(body)
    }
    compression?.left = left.map { $0 - body.count }
    compressor.add(body) {
      bodySent += $0.count
      sendBody($0)
    }
  }

  /// Whether so much more fits into the length that was announced.
  private func fits(_ count: Int) -> Bool {
    guard let compression else { return bodyFits(count) }
    return count <= compression.left ?? .max
  }

  /// The next piece; NH_RESOURCE_EXHAUSTED if nothing was taken and `exchangeWritable` will come.
  final func write(_ body: UnsafeRawBufferPointer) -> nh_status {
    guard answer == .open else { return answer == .none ? NH_FAILED_PRECONDITION : NH_UNAVAILABLE }
    guard canWrite else {
      wantsToWrite = true
      return NH_RESOURCE_EXHAUSTED
    }
    guard fits(body.count) else { return NH_OUT_OF_RANGE }
    put(body)
    return NH_OK
  }

  /// A piece that somebody else's answer has brought and that cannot be given back; it is taken also while the
  /// connection is full, so whoever sends it must stop then.
  final func write(_ body: UnsafeRawBufferPointer, evenIfFull: Bool) {
    guard answer == .open, bodyFits(body.count) else { return }
    sendBody(body)
    bodySent += body.count
  }

  /// Whether to go on writing; `exchangeWritable` comes after it was false.
  final func canWriteMore() -> Bool {
    let can = canWrite
    if !can { wantsToWrite = true }
    return can
  }

  /// The head of another server's answer, whose fields need no check any more; its body follows by `write`.
  final func forward(_ head: MessageHead, leavingOut leftOut: FieldSet) {
    guard answer == .none else { return }
    status = head.status
    answer = .open
    sendForwardedHead(head, leftOut)
  }

  /// Two pieces that must not come apart.
  final func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> nh_status {
    let status = write(first)
    guard status == NH_OK else { return status }
    sendBody(second)
    bodySent += second.count
    return NH_OK
  }

  final func finish(_ trailers: nh_pair_list, areOwn: Bool = false) -> nh_status {
    guard answer == .open else { return answer == .none ? NH_FAILED_PRECONDITION : NH_UNAVAILABLE }
    guard areOwn || ResponseHead.areFit(trailers) else { return NH_INVALID_ARGUMENT }
    if let (compressor, left) = compression {
      // Shorter than announced, which chunks do not tell.
      guard left ?? 0 == 0 else {
        abort()
        return NH_OK
      }
      compressor.add(UnsafeRawBufferPointer(start: nil, count: 0), isLast: true) {
        bodySent += $0.count
        sendBody($0)
      }
    }
    sendEnd(trailers, areOwn: areOwn)
    complete()
    return NH_OK
  }

  /// Breaks it off: the other side notices that the answer is not whole.
  final func abort() {
    guard !isOver else { return }
    answer = .broken
    handler = nil
    shard.ended(self)
    breakOff()
  }

  /// A whole answer of the host's own.
  final func refuse(_ status: Int, _ words: String, headers: [(StaticString, String)] = []) {
    answer(status, "text/plain; charset=utf-8", "\(words)\n", headers: headers)
  }

  final func answer(_ status: Int, _ type: String, _ text: String, headers: [(StaticString, String)] = []) {
    let all = MessageHead(capacity: 128)
    all.addField("content-type", type)
    for (name, value) in headers { all.addField(name, value) }
    var text = text
    text.withUTF8 { bytes in
      _ = all.withPairs { respond(status, $0, UnsafeRawBufferPointer(bytes), ends: true) }
    }
  }

  /// The connection is gone, or a limit was passed.
  final func failed(_ status: nh_status, _ words: String) {
    guard !isOver else { return }
    answer = .broken
    shard.ended(self)
    let handler = handler.take()
    handler?.exchangeFailed(status, words)
  }

  private func complete() {
    answer = .whole
    handler = nil
    if compression != nil { compression = nil }
    uncounted(shard) { $0.ended(self) }
    answered()
  }

  final var wantsToWrite = false

  /// The connection can take more.
  final func drained() {
    guard wantsToWrite, answer == .open else { return }
    wantsToWrite = false
    handler?.exchangeWritable()
  }

  // MARK: The wire

  var canWrite: Bool { fatalError("the wire's") }
  /// Whether so much more fits into the length that was announced.
  func bodyFits(_ count: Int) -> Bool { fatalError("the wire's") }
  func sendHead(_ response: ResponseHead, _ body: UnsafeRawBufferPointer, ends: Bool) { fatalError("the wire's") }
  func sendForwardedHead(_ head: MessageHead, _ leftOut: FieldSet) {
    var kept: [nh_pair] = []
    head.forEachField { place, field in
      guard !leftOut.contains(place) else { return }
      kept.append(nh_pair(name: head.borrowed(field.name), value: head.borrowed(field.value)))
    }
    kept.withUnsafeBufferPointer { pairs in
      let list = nh_pair_list(items: pairs.baseAddress, count: UInt64(pairs.count))
      guard let response = ResponseHead(head.status, list, ends: false, bodyCount: 0, isToHead: isToHead) else {
        return breakOff()
      }
      // An answer that ended with its head goes on as such: gRPC tells its failures so.
      sendHead(response, UnsafeRawBufferPointer(start: nil, count: 0), ends: head.framing == .none)
    }
  }
  func sendBody(_ body: UnsafeRawBufferPointer) { fatalError("the wire's") }
  func sendEnd(_ trailers: nh_pair_list, areOwn: Bool) { fatalError("the wire's") }
  func breakOff() { fatalError("the wire's") }
  /// More of the request's body may come.
  func grant(_ bytes: Int) { fatalError("the wire's") }
  /// All of the answer is on its way.
  func answered() { fatalError("the wire's") }
}
