import CNodeABI
import HostCore

/// One request on its way through a forward table: bytes go from each side to the other as fast as that takes them.
/// Used again for later requests, so that a busy lane asks for no memory.
final class ForwardExchange: ExchangeHandler, ClientExchangeHandler, TimerTarget {
  /// Of the request's body, what may come before the upstream has taken any.
  private static let window = 256 << 10

  let client: ClientExchange
  var mirror: ForwardMirror?
  private let loop: EventLoop
  private let added = MessageHead(capacity: 512)
  private var lane: ForwardLane?
  private var exchange: ServerExchange?
  private var upstream = 0
  private var tried: UInt64 = 0
  private var retriesLeft = 0
  /// When it was sent to the present upstream.
  private var began: Int64 = 0
  private var isAnswered = false
  /// Of a call of gRPC, the time to the head; how the call ended comes behind its answer.
  private var callTook: Int64?
  /// Counts among the requests that the present upstream has.
  private var isOpen = false
  /// Read from one side and given to the other, but not asked for again.
  private var requestOwed = 0
  private var answerOwed = 0
  // Set rarely and looked at when it runs out: most requests end long before.
  private var deadline: Int64 = 0
  private var timer: UInt64?
  private var timerDue: Int64 = 0

  init(_ loop: EventLoop) {
    self.loop = loop
    client = ClientExchange(ClientRequest(MessageHead(capacity: 0)))
  }

  func isUnderWay(_ exchange: ServerExchange) -> Bool { self.exchange === exchange }

  func begin(_ exchange: ServerExchange, in lane: ForwardLane) {
    self.exchange = exchange
    self.lane = lane
    tried = 0
    retriesLeft = lane.table.retries.count
    isAnswered = false
    callTook = nil
    requestOwed = 0
    answerOwed = 0
    guard let chosen = lane.choose(exchange, tried: 0), let origin = lane.origin(of: chosen) else {
      return refuse(503, "no upstream is fit to answer")
    }
    added.reset()
    uncounted(lane.upstreams[chosen]) { upstream in
      client.reset(ForwardHead.request(for: exchange, lane.table, upstream.plan, adding: added, &lane.numbers))
    }
    if exchange.requestHasEnded {
      client.finish()
    } else {
      exchange.grant(Self.window - ServerExchange.firstCredit)
    }
    exchange.handler = self
    send(to: chosen, origin, lane)
  }

  private func send(to chosen: Int, _ origin: ClientOrigin, _ lane: ForwardLane) {
    upstream = chosen
    tried |= 1 << UInt64(chosen)
    lane.counts(of: chosen).values.requests += 1
    lane.requestBegins(at: chosen)
    isOpen = true
    client.handler = self
    began = loop.turnBegan
    setDeadline(lane)
    if client.isOver { client.restart(at: origin) } else { client.start(at: origin) }
  }

  // MARK: From the client to the upstream

  func exchangeBody(_ bytes: UnsafeRawBufferPointer) {
    mirror?.send(bytes)
    client.send(bytes)
    guard let exchange else { return }
    requestOwed += bytes.count
    if client.canSend() { grantRequest(exchange) }
  }

  func exchangeRequestEnded(_ trailers: MessageHead) {
    mirror?.finish()
    let hasTrailers = !trailers.fields.isEmpty && client.request.framing == .chunked
    client.finish(hasTrailers ? trailers.withPairs { MessageHead(copying: $0) } : nil)
  }

  func clientWritable() { if let exchange { grantRequest(exchange) } }

  private func grantRequest(_ exchange: ServerExchange) {
    let owed = requestOwed
    requestOwed = 0
    if let lane { setDeadline(lane) }
    if !exchange.requestHasEnded { exchange.grant(owed) }
  }

  // MARK: From the upstream to the client

  func clientAnswered(_ head: MessageHead) {
    guard let exchange, let lane else { return }
    isAnswered = true
    let took = loop.turnBegan - began
    mirror?.originalAnswered(head.status, nanoseconds: took)
    let isCall = lane.upstreams[upstream].plan.url.scheme != .http && head.isGrpc
    if let status = isCall ? head.callStatus : head.status { note(status, took, lane) } else { callTook = took }
    setDeadline(lane)
    var leftOut = FieldSet()
    leftOut.insertConnectionFields(of: head, isRequest: false)
    if let name = lane.table.nameHeader { addName(name, lane.upstreams[upstream].plan.id, head, &leftOut) }
    exchange.forward(head, leavingOut: leftOut)
  }

  private func note(_ status: Int, _ took: Int64, _ lane: ForwardLane) {
    lane.counts(of: upstream).note(status: status, nanoseconds: took)
    if status < 500 { lane.noteSuccess(of: upstream) } else { lane.noteFailure(of: upstream) }
  }

  /// Says which upstream it was; what that says itself under the name does not count.
  private func addName(_ name: String, _ id: String, _ head: MessageHead, _ leftOut: inout FieldSet) {
    head.forEachField { place, field in
      if ForwardKeys.equals(head.bytes(field.name), name) { leftOut.insert(place) }
    }
    // The last place is the client's own limit of fields.
    if head.fields.count < FieldSet.limit { head.addField(head.add(name), head.add(id)) }
  }

  func clientBody(_ bytes: UnsafeRawBufferPointer) {
    guard let exchange, let lane else { return }
    setDeadline(lane)
    exchange.write(bytes, evenIfFull: true)
    guard self.exchange === exchange else { return }
    answerOwed += bytes.count
    if exchange.canWriteMore() { grantAnswer() }
  }

  func exchangeWritable() { grantAnswer() }

  private func grantAnswer() {
    let owed = answerOwed
    answerOwed = 0
    client.grant(owed)
  }

  func clientEnded(_ trailers: MessageHead) {
    guard let exchange else { return }
    if let callTook, let lane { note(trailers.callStatus ?? 500, callTook, lane) }
    end()
    _ = trailers.fields.isEmpty ? exchange.finish(nh_pair_list()) : trailers.withPairs { exchange.finish($0) }
  }

  // MARK: When it does not go well

  func clientFailed(_ failure: ClientFailure) {
    guard let exchange, let lane else { return }
    lane.requestEnds(at: upstream)
    isOpen = false
    // A limit of our own says nothing about the upstream.
    if failure.status != NH_RESOURCE_EXHAUSTED { lane.noteFailure(of: upstream) }
    if isAnswered { return breakOff(exchange) }
    if retriesLeft > 0, client.canRestart, failure.hadNoEffect || client.request.isIdempotent, lane.mayRetry(),
      let next = lane.choose(exchange, tried: tried), let origin = lane.origin(of: next)
    {
      retriesLeft -= 1
      lane.counts(of: next).values.retries += 1
      return send(to: next, origin, lane)
    }
    switch failure.status {
    case NH_DEADLINE_EXCEEDED: refuse(504, "the upstream did not answer in time")
    case NH_RESOURCE_EXHAUSTED: refuse(503, "too many requests wait for the upstream")
    default: refuse(502, "the upstream did not answer")
    }
  }

  private func refuse(_ status: Int, _ words: String) {
    guard let exchange else { return }
    end()
    exchange.refuse(status, words, headers: status == 503 ? [("retry-after", "1")] : [])
  }

  /// The head has gone out already, so only a broken connection can tell.
  private func breakOff(_ exchange: ServerExchange) {
    end()
    exchange.abort()
  }

  func exchangeFailed(_ status: nh_status, _ words: String) {
    client.cancel()
    mirror?.cancel()
    end()
  }

  /// Nothing more comes from either side.
  private func end() {
    exchange.take()?.handler = nil
    mirror = nil
    let lane = lane.take()
    if isOpen { lane?.requestEnds(at: upstream) }
    isOpen = false
    lane?.giveBack(self)
  }

  // MARK: Time

  private func setDeadline(_ lane: ForwardLane) {
    let timeout = lane.table.timeoutMilliseconds * 1_000_000
    deadline = loop.turnBegan + timeout
    if let timer, timerDue > deadline {
      loop.cancelTimer(timer)
      self.timer = nil
    }
    guard timer == nil else { return }
    timerDue = deadline
    timer = loop.setTimer(after: timeout, self)
  }

  func timerFired(_ timer: UInt64, token: UInt64) {
    self.timer = nil
    guard let exchange, let lane else { return }
    guard loop.turnBegan >= deadline else {
      timerDue = deadline
      self.timer = loop.setTimer(after: deadline - loop.turnBegan, self)
      return
    }
    // While the client does not read or send, the time is not the upstream's; the listener's own limits hold then.
    if isAnswered ? answerOwed > 0 : !exchange.requestHasEnded && client.canSend() { return setDeadline(lane) }
    lane.noteFailure(of: upstream)
    client.cancel()
    if isAnswered { breakOff(exchange) } else { refuse(504, "the upstream did not answer in time") }
  }
}
