import CNodeABI
import HostCore

/// A request on its way through a role. The exchange lives on its connection's loop, the role on its own; where those
/// are one, everything happens at once, else it is carried over.
final class RoleExchange: ExchangeHandler, @unchecked Sendable {
  /// What may be on its way to the connection's loop.
  private static let window = 256 << 10

  let exchange: ServerExchange
  let role: RoleInstance
  let token: UInt64
  var handle: UInt64 = 0
  private let isLocal: Bool

  // The role's loop.
  private(set) var hasAnswered = false
  private var underway = 0
  private var wantsToWrite = false

  // The connection's loop.
  private var waiting: [[UInt8]] = []
  private var end: MessageHead?

  init(_ exchange: ServerExchange, role: RoleInstance, token: UInt64) {
    self.exchange = exchange
    self.role = role
    self.token = token
    isLocal = exchange.loop === role.loop
  }

  /// From the role's loop, where the role has got its handle.
  func open() {
    if isLocal { return uncounted(exchange) { take($0) } }
    exchange.loop.post { [self] in take(exchange) }
  }

  private func take(_ exchange: ServerExchange) { if !exchange.isOver { exchange.take(by: self) } }

  // MARK: From the role

  func respond(_ status: UInt32, _ headers: nh_pair_list, _ body: nh_bytes, ends: Bool) -> nh_status {
    let bytes = UnsafeRawBufferPointer(start: body.ptr, count: body.ptr == nil ? 0 : Int(body.len))
    if isLocal {
      let outcome = exchange.respond(Int(status), headers, bytes, ends: ends)
      if outcome == NH_OK { answered(ends: ends) }
      return outcome
    }
    guard !hasAnswered, (200...599).contains(status) else { return NH_FAILED_PRECONDITION }
    let head = ResponseHead(Int(status), headers, ends: ends, bodyCount: bytes.count, isToHead: exchange.isToHead)
    guard head != nil else { return NH_INVALID_ARGUMENT }
    let copy = MessageHead(copying: headers), piece = Array(bytes)
    exchange.onItsLoop { exchange in
      copy.withPairs { headers in
        _ = piece.withUnsafeBytes { exchange.respond(Int(status), headers, $0, ends: ends) }
      }
    }
    answered(ends: ends)
    return NH_OK
  }

  private func answered(ends: Bool) {
    hasAnswered = true
    if ends { role.exchangeEnded(self) }
  }

  func write(_ body: nh_bytes) -> nh_status {
    let bytes = UnsafeRawBufferPointer(start: body.ptr, count: body.ptr == nil ? 0 : Int(body.len))
    if isLocal { return exchange.write(bytes) }
    guard hasAnswered else { return NH_FAILED_PRECONDITION }
    guard underway < Self.window else {
      wantsToWrite = true
      return NH_RESOURCE_EXHAUSTED
    }
    underway += bytes.count
    let piece = Array(bytes)
    exchange.loop.post { [self] in
      waiting.append(piece)
      writeWaiting()
    }
    return NH_OK
  }

  func finish(_ trailers: nh_pair_list) -> nh_status {
    if isLocal {
      let outcome = exchange.finish(trailers)
      if outcome == NH_OK { role.exchangeEnded(self) }
      return outcome
    }
    guard hasAnswered else { return NH_FAILED_PRECONDITION }
    guard ResponseHead.areFit(trailers) else { return NH_INVALID_ARGUMENT }
    let copy = MessageHead(copying: trailers)
    exchange.loop.post { [self] in
      end = copy
      writeWaiting()
    }
    role.exchangeEnded(self)
    return NH_OK
  }

  /// The role gives it up, or has to.
  func abort(_ words: String? = nil) {
    let hasAnswered = hasAnswered
    exchange.onItsLoop { exchange in
      exchange.handler = nil
      if let words, !hasAnswered { RoleRoute.refuse(exchange, words) } else { exchange.abort() }
    }
    role.exchangeEnded(self)
  }

  func credit(_ bytes: UInt64) {
    let bytes = Int(clamping: bytes)
    exchange.onItsLoop { if !$0.requestHasEnded { $0.grant(min(bytes, Int.max / 2 - $0.credit)) } }
  }

  // MARK: The connection's loop

  private func writeWaiting() {
    while let piece = waiting.first {
      let status = piece.withUnsafeBytes { exchange.write($0) }
      if status == NH_RESOURCE_EXHAUSTED { return }
      waiting.removeFirst()
      if status == NH_OUT_OF_RANGE { exchange.abort() }
      role.loop.post { [self] in arrived(piece.count) }
    }
    guard let end else { return }
    self.end = nil
    _ = end.withPairs { exchange.finish($0) }
  }

  func exchangeBody(_ bytes: UnsafeRawBufferPointer) {
    if isLocal { return role.deliver(self, NH_HTTP_BODY, body: bytes) }
    let piece = Array(bytes)
    role.loop.post { [self] in piece.withUnsafeBytes { role.deliver(self, NH_HTTP_BODY, body: $0) } }
  }

  func exchangeRequestEnded(_ trailers: MessageHead) {
    if isLocal { return role.deliver(self, trailers: trailers) }
    let copy = trailers.withPairs { MessageHead(copying: $0) }
    role.loop.post { [self] in role.deliver(self, trailers: copy) }
  }

  func exchangeWritable() {
    if isLocal { role.deliver(self, NH_HTTP_WRITABLE) } else { writeWaiting() }
  }

  func exchangeFailed(_ status: nh_status, _ words: String) {
    if isLocal { return role.exchangeFailed(self, status, words) }
    role.loop.post { [self] in role.exchangeFailed(self, status, words) }
  }

  // MARK: The role's loop

  private func arrived(_ count: Int) {
    underway -= count
    guard wantsToWrite, underway < Self.window / 2 else { return }
    wantsToWrite = false
    role.deliver(self, NH_HTTP_WRITABLE)
  }
}
