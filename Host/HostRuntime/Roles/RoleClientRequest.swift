import CNodeABI
import HostCore

/// A request of a role to another server, and its answer, on the role's loop.
final class RoleClientRequest: ClientExchangeHandler, TimerTarget {
  private enum Token {
    static let deadline: UInt64 = 0
    static let retry: UInt64 = 1
  }
  private static let firstBackoff: Int64 = 50_000_000
  private static let lastBackoff: Int64 = 2_000_000_000
  private static let defaultTimeout: Int64 = 30_000_000_000
  static let retryLimit: UInt32 = 20

  let token: UInt64
  /// Set when the role has got it.
  var handle: UInt64 = 0
  private unowned let role: RoleInstance
  private let origin: ClientOrigin
  private let exchange: ClientExchange
  private let streams: Bool
  private var retriesLeft: UInt32
  private var retries = 0
  private let timeout: Int64
  private var deadlineTimer: UInt64?
  private var retryTimer: UInt64?
  private var answerHasNoBody = false

  init(_ plan: ClientPlan, _ origin: ClientOrigin, _ token: UInt64, role: RoleInstance) {
    self.token = token
    self.origin = origin
    self.role = role
    streams = plan.streams
    retriesLeft = plan.streams ? 0 : min(plan.retries, Self.retryLimit)
    timeout = plan.timeout > 0 ? plan.timeout : Self.defaultTimeout
    exchange = ClientExchange(plan.request)
  }

  func start(body: UnsafeRawBufferPointer) {
    exchange.handler = self
    if !body.isEmpty { exchange.send(body) }
    if !streams { exchange.finish() }
    deadlineTimer = role.loop.setTimer(after: timeout, self, token: Token.deadline)
    exchange.start(at: origin)
  }

  // MARK: From the role

  func write(_ bytes: UnsafeRawBufferPointer) -> nh_status {
    guard streams, !exchange.requestHasEnded else { return NH_FAILED_PRECONDITION }
    guard exchange.canSend() else { return NH_RESOURCE_EXHAUSTED }
    exchange.send(bytes)
    return NH_OK
  }

  func finish() -> nh_status {
    guard streams, !exchange.requestHasEnded else { return NH_FAILED_PRECONDITION }
    exchange.finish()
    return NH_OK
  }

  func credit(_ bytes: UInt64) {
    exchange.grant(min(Int(clamping: bytes), Int.max / 2 - exchange.credit))
  }

  /// The role is told nothing more.
  func cancel() {
    stopTimers()
    exchange.cancel()
  }

  private func stopTimers() {
    for timer in [deadlineTimer, retryTimer] { if let timer { role.loop.cancelTimer(timer) } }
    (deadlineTimer, retryTimer) = (nil, nil)
  }

  // MARK: What comes

  func clientAnswered(_ head: MessageHead) {
    answerHasNoBody = head.framing == .none
    role.deliver(self, head: head, ends: answerHasNoBody)
  }

  func clientBody(_ bytes: UnsafeRawBufferPointer) { role.deliver(self, NH_HTTP_BODY, body: bytes) }
  func clientWritable() { role.deliver(self, NH_HTTP_WRITABLE) }

  func clientEnded(_ trailers: MessageHead) {
    stopTimers()
    role.ended(self, trailers: answerHasNoBody ? nil : trailers)
  }

  func clientFailed(_ failure: ClientFailure) {
    if failure.hadNoEffect, retriesLeft > 0, exchange.canRestart {
      retriesLeft -= 1
      let delay = RetryPause.nanoseconds(retries, from: Self.firstBackoff, to: Self.lastBackoff)
      retries += 1
      retryTimer = role.loop.setTimer(after: delay, self, token: Token.retry)
      if retryTimer != nil { return }
    }
    stopTimers()
    role.failed(self, failure.status, failure.words)
  }

  func timerFired(_ timer: UInt64, token: UInt64) {
    if token == Token.retry {
      retryTimer = nil
      exchange.handler = self
      return exchange.restart(at: origin)
    }
    deadlineTimer = nil
    cancel()
    role.failed(
      self, NH_DEADLINE_EXCEEDED,
      "\(origin.address.words): no whole answer within \(timeout / 1_000_000) ms")
  }
}

/// A role's request as it goes to the wire.
struct ClientPlan {
  let url: HTTPURL
  let request: ClientRequest
  let timeout: Int64
  let retries: UInt32
  let streams: Bool

  struct Fault: Error {
    /// The member of the request that is wrong.
    var place: String
    var words: String
  }

  init(_ asked: nh_client_request) throws(Fault) {
    guard let url = HTTPURL(String(asked.url)) else {
      throw Fault(
        place: "/url", words: "`\(String(asked.url))` is no http:// or https:// address of printable ASCII characters")
    }
    guard HTTP1Fields.isName(ResponseHead.bytes(asked.method)) else {
      throw Fault(place: "/method", words: "`\(String(asked.method))` is no method; write one like GET")
    }
    guard ResponseHead.areFit(asked.headers) else {
      throw Fault(place: "/headers", words: "a name or value has characters that a header cannot have")
    }
    self.url = url
    timeout = asked.timeout_ns
    retries = asked.retries
    streams = asked.streams != 0
    let head = MessageHead(capacity: 512)
    head.method = head.add(ResponseHead.bytes(asked.method))
    head.target = head.add(url.target)
    head.authority = head.add(url.authority)
    let announced = try Self.addFields(asked.headers, to: head)
    var request = ClientRequest(head)
    let count = asked.body.ptr == nil ? 0 : Int(asked.body.len)
    switch (streams, announced) {
    case (true, let length?): request.framing = .length(length)
    case (true, nil): request.framing = .chunked
    case (false, let length?) where length != count:
      throw Fault(place: "/headers", words: "content-length is \(length), and the body has \(count) bytes")
    case (false, _): request.framing = count > 0 ? .length(count) : .none
    }
    self.request = request
  }

  /// The length that the fields announce. What speaks of one connection is the host's to write.
  private static func addFields(_ fields: nh_pair_list, to head: MessageHead) throws(Fault) -> Int? {
    var length: Int?
    var namesItself = false
    for pair in ResponseHead.pairs(fields) {
      if ResponseHead.equals(pair.name, "content-length") {
        guard let number = Int(String(pair.value)), number >= 0 else {
          throw Fault(place: "/headers", words: "content-length is `\(String(pair.value))`, which is no number")
        }
        length = number
      } else if ResponseHead.equals(pair.name, "host") {
        head.authority = head.add(ResponseHead.bytes(pair.value))
      } else if !ResponseHead.isTheHosts(pair.name) {
        if ResponseHead.equals(pair.name, "user-agent") { namesItself = true }
        head.addField(ResponseHead.bytes(pair.name), ResponseHead.bytes(pair.value))
      }
    }
    if !namesItself { head.addField("user-agent", "nodehost") }
    return length
  }
}
