import CNodeABI
import HostCore

/// A service that the host itself answers: one message comes, one or more go back.
final class RpcBuiltIn: RequestTarget, RpcServing {
  let roleName: String? = nil
  let service: String
  private let answerer: @Sendable (BuiltInCall, UnsafeRawBufferPointer) -> Void

  /// `answerer` gets each message, on the connection's loop.
  init(_ service: String, _ answerer: @escaping @Sendable (BuiltInCall, UnsafeRawBufferPointer) -> Void) {
    self.service = service
    self.answerer = answerer
  }

  func home(awayFrom loop: EventLoop) -> EventLoop? { nil }

  func begin(_ exchange: ServerExchange) {
    guard RpcServerCall.understand(exchange) else { return }
    let call = BuiltInCall(exchange, answerer)
    let hadEnded = exchange.requestHasEnded
    exchange.take(by: call)
    if hadEnded { call.exchangeRequestEnded(exchange.head) }
  }

  func add(_ method: String, to listener: HTTPListener) {
    guard let pattern = try? RoutePattern("/\(service)/\(method)") else { return }
    _ = listener.add(method: "POST", pattern, self)
  }
}

/// One call of such a service. On its connection's loop.
final class BuiltInCall: ExchangeHandler, @unchecked Sendable {
  /// Of a question.
  private static let limit = 64 << 10

  let exchange: ServerExchange
  private let answerer: @Sendable (BuiltInCall, UnsafeRawBufferPointer) -> Void
  private var input = ByteQueue()
  private(set) var isOver = false
  /// The client has said all; then the call ends when this is false, or goes on if somebody else will end it.
  var staysOpen = false
  /// Told once when the call has ended.
  var whenOver: (() -> Void)?

  init(_ exchange: ServerExchange, _ answerer: @escaping @Sendable (BuiltInCall, UnsafeRawBufferPointer) -> Void) {
    self.exchange = exchange
    self.answerer = answerer
  }

  func send(_ message: [UInt8]) {
    guard !isOver else { return }
    if exchange.answer == .none { _ = exchange.respond(200, GrpcHead.plain, RpcEvent.noBytes, ends: false) }
    withUnsafeTemporaryAllocation(byteCount: GrpcFraming.prefixSize, alignment: 1) { prefix in
      GrpcFraming.writePrefix(message.count, isCompressed: false, at: prefix.baseAddress!)
      let status = message.withUnsafeBytes { exchange.write(UnsafeRawBufferPointer(prefix), $0) }
      if status != NH_OK { end(GrpcStatus.resourceExhausted, "the answers are not read") }
    }
  }

  func end(_ status: Int32 = 0, _ words: String = "") {
    guard !isOver else { return }
    over()
    exchange.handler = nil
    guard exchange.answer == .open else { return GrpcHead.refuse(exchange, status, words) }
    _ = GrpcHead.ending(status, words).withPairs { exchange.finish($0) }
  }

  private func over() {
    isOver = true
    whenOver?()
    whenOver = nil
  }

  func exchangeBody(_ bytes: UnsafeRawBufferPointer) {
    input.append(bytes)
    exchange.grant(bytes.count)
    while !isOver {
      switch GrpcFraming.step(UnsafeRawBufferPointer(input.bytes), limit: Self.limit) {
      case .incomplete: return
      case .refused(let fault): return end(fault.status, fault.words)
      case .message(true, _, _): return end(GrpcStatus.unimplemented, "no compressed messages here")
      case .message(false, let body, let used):
        answerer(self, body)
        input.removeFirst(used)
      }
    }
  }

  func exchangeRequestEnded(_ trailers: MessageHead) { if !staysOpen { end() } }
  func exchangeWritable() {}
  func exchangeFailed(_ status: nh_status, _ words: String) { if !isOver { over() } }
}
