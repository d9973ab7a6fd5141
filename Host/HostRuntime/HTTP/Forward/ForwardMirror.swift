import HostCore

/// A copy of a request to another server, whose answer is compared with the original's and then thrown away. It never
/// holds up the original: if the other server does not keep up with the body, the copy is given up.
final class ForwardMirror: ClientExchangeHandler {
  /// Of the answer, what is read to keep the connection; more of it is not worth that.
  private static let answerLimit = 1 << 20

  private let client: ClientExchange
  private let counts: ForwardCounts
  private let loop: EventLoop
  private let began: Int64
  private var answerSize = 0
  /// Of the copy and of the original, once they are known: the status, and the time to the head.
  private var own: (status: Int, nanoseconds: Int64)?
  private var original: (status: Int, nanoseconds: Int64)?

  init(
    of request: ClientRequest, _ exchange: ServerExchange, at origin: ClientOrigin, _ counts: ForwardCounts,
    _ loop: EventLoop
  ) {
    self.counts = counts
    self.loop = loop
    began = loop.turnBegan
    // The original's head is used again as soon as that is answered.
    var copy = ClientRequest(MessageHead(copying: request.head))
    copy.leftOut = request.leftOut
    copy.framing = request.framing
    copy.takesTrailers = request.takesTrailers
    copy.added = request.added.map { MessageHead(copying: $0) }
    client = ClientExchange(copy)
    client.handler = self
    if exchange.requestHasEnded { client.finish() }
    counts.values.requests += 1
    client.start(at: origin)
  }

  func send(_ bytes: UnsafeRawBufferPointer) {
    guard client.canSend() else { return client.cancel() }
    client.send(bytes)
  }

  func finish() { client.finish() }
  func cancel() { client.cancel() }

  func clientAnswered(_ head: MessageHead) {
    let time = loop.turnBegan - began
    counts.note(status: head.status, nanoseconds: time)
    if head.status >= 500 { counts.values.failures += 1 }
    own = (head.status, time)
    compare()
  }

  func originalAnswered(_ status: Int, nanoseconds: Int64) {
    original = (status, nanoseconds)
    compare()
  }

  private func compare() {
    guard let own, let original else { return }
    counts.noteOriginal(nanoseconds: original.nanoseconds)
    if own.status != original.status { counts.values.differing += 1 }
    if own.nanoseconds > original.nanoseconds + original.nanoseconds / 2 { counts.values.slower += 1 }
  }

  func clientBody(_ bytes: UnsafeRawBufferPointer) {
    answerSize += bytes.count
    if answerSize > Self.answerLimit { client.cancel() } else { client.grant(bytes.count) }
  }

  func clientEnded(_ trailers: MessageHead) {}
  func clientWritable() {}
  func clientFailed(_ failure: ClientFailure) { if own == nil { counts.values.failures += 1 } }
}
