import HostCore

/// A copy of a request to another server whose answer nobody reads. It never holds up the original: if the other server
/// does not keep up with the body, the copy is given up.
final class ForwardMirror: ClientExchangeHandler {
  /// Of the answer, what is read to keep the connection; more of it is not worth that.
  private static let answerLimit = 1 << 20

  private let client: ClientExchange
  private var answerSize = 0

  init(of request: ClientRequest, _ exchange: ServerExchange, at origin: ClientOrigin) {
    // The original's head is used again as soon as that is answered.
    var copy = ClientRequest(MessageHead(copying: request.head))
    copy.leftOut = request.leftOut
    copy.framing = request.framing
    copy.added = request.added.map { MessageHead(copying: $0) }
    client = ClientExchange(copy)
    client.handler = self
    if exchange.requestHasEnded { client.finish() }
    client.start(at: origin)
  }

  func send(_ bytes: UnsafeRawBufferPointer) {
    guard client.canSend() else { return client.cancel() }
    client.send(bytes)
  }

  func finish() { client.finish() }
  func cancel() { client.cancel() }

  func clientAnswered(_ head: MessageHead) {}

  func clientBody(_ bytes: UnsafeRawBufferPointer) {
    answerSize += bytes.count
    if answerSize > Self.answerLimit { client.cancel() } else { client.grant(bytes.count) }
  }

  func clientEnded(_ trailers: MessageHead) {}
  func clientWritable() {}
  func clientFailed(_ failure: ClientFailure) {}
}
