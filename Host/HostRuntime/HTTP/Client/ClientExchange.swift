import CNodeABI
import HostCore

/// Told what becomes of a request, on the loop that sent it.
protocol ClientExchangeHandler: AnyObject {
  /// The head of the answer is there; informational ones are not told.
  func clientAnswered(_ head: MessageHead)
  /// A piece of the answer's body, valid during the call; never more than was asked for.
  func clientBody(_ bytes: UnsafeRawBufferPointer)
  /// The answer is whole; the last it hears. The request may not be.
  func clientEnded(_ trailers: MessageHead)
  /// Sending more of the request's body is sensible again, after `canSend` was false.
  func clientWritable()
  /// No whole answer will come; the last it hears.
  func clientFailed(_ failure: ClientFailure)
}

/// A request to another server and its answer, whatever the version of HTTP. Lives on the loop that asks.
///
/// Until the first byte of the answer it keeps what was sent of the body, up to a limit, so that a request which had no
/// effect can be sent again on another connection without anybody noticing.
final class ClientExchange {
  /// Of the answer's body, what comes without being asked for.
  static let firstCredit = 64 << 10
  /// Of a streamed request's body, what is kept for sending it again.
  static let keptLimit = 64 << 10
  /// Sent to the wire in one piece, from what is kept.
  private static let pieceSize = 64 << 10

  private enum State { case fresh, waiting, sent, failing, over }

  var request: ClientRequest
  var handler: (any ClientExchangeHandler)?
  let answer = MessageHead()
  /// Of the answer's body, what may still be handed on.
  var credit = ClientExchange.firstCredit
  /// The connection that has it. Nil before and after.
  unowned(unsafe) private(set) var connection: (any ClientConnection)?
  /// The connection's own: its stream of HTTP/2.
  var stream: Int32 = 0
  /// A kept connection has failed it once: now only a fresh one will do.
  private(set) var needsFresh = false
  private(set) var isAnswered = false
  private(set) var requestHasEnded = false

  private var state = State.fresh
  private var origin: ClientOrigin?
  private var body = ByteQueue()
  /// Of `body`, what the connection has got.
  private var bodySent = 0
  /// `body` is all of the body so far, and not only what waits to be sent.
  private var keepsBody = true
  private var bodyLimit = ClientExchange.keptLimit
  private var trailers: MessageHead?
  private var endIsSent = false
  private var wantsToSend = false

  init(_ request: ClientRequest) { self.request = request }

  /// For another request.
  func reset(_ request: ClientRequest) {
    self.request = request
    handler = nil
    answer.reset()
    credit = Self.firstCredit
    connection = nil
    stream = 0
    (needsFresh, isAnswered, requestHasEnded) = (false, false, false)
    state = .fresh
    origin = nil
    body.removeAll()
    (bodySent, keepsBody, bodyLimit) = (0, true, Self.keptLimit)
    trailers = nil
    (endIsSent, wantsToSend) = (false, false)
  }

  // MARK: For who asks

  /// Sends it as soon as there is a connection. What was given of the body before is kept however long it is.
  func start(at origin: ClientOrigin) {
    bodyLimit = max(bodyLimit, body.count)
    self.origin = origin
    state = .waiting
    origin.submit(self)
  }

  var isOver: Bool { state == .over }

  /// After a failure: whether the same request can be sent elsewhere, as all of it is still there.
  var canRestart: Bool { state == .over && keepsBody && !isAnswered }

  func restart(at origin: ClientOrigin) {
    answer.reset()
    needsFresh = false
    self.origin = origin
    state = .waiting
    origin.submit(self)
  }

  /// Whether to go on with the body; `clientWritable` comes after it was false.
  func canSend() -> Bool {
    let can = state == .sent ? bodySent == body.count && connection!.canSend(self) : body.count < bodyLimit
    if !can { wantsToSend = true }
    return can
  }

  /// The next piece of the body; taken also while `canSend` is false.
  func send(_ bytes: UnsafeRawBufferPointer) {
    guard state != .over, !requestHasEnded else { return }
    guard state == .sent, bodySent == body.count else { return body.append(bytes) }
    keep(bytes)
    connection!.send(self, bytes)
  }

  private func keep(_ bytes: UnsafeRawBufferPointer) {
    guard keepsBody else { return }
    if body.count + bytes.count > bodyLimit || isAnswered { return forgetBody() }
    body.append(bytes)
    bodySent += bytes.count
  }

  /// Of the body, only what waits is kept from now on.
  private func forgetBody() {
    keepsBody = false
    body.removeFirst(bodySent)
    bodySent = 0
  }

  /// The body is whole.
  func finish(_ trailers: MessageHead? = nil) {
    guard state != .over, !requestHasEnded else { return }
    requestHasEnded = true
    self.trailers = trailers
    if state == .sent { pump() }
  }

  /// More of the answer's body is wanted.
  func grant(_ bytes: Int) {
    credit += bytes
    if isAnswered, state == .sent { connection?.granted(self) }
  }

  /// Nobody waits any more; the handler hears nothing further.
  func cancel() {
    guard state != .over else { return }
    let before = state
    handler = nil
    end()
    if before == .waiting { origin?.withdraw(self) }
  }

  // MARK: For the connection

  /// It has written the head and takes what there is of the body.
  func began(_ connection: any ClientConnection) {
    self.connection = connection
    state = .sent
    bodySent = 0
    endIsSent = false
    pump()
  }

  /// The connection can take more.
  func drained() {
    guard state == .sent else { return }
    pump()
    guard wantsToSend, !requestHasEnded, state == .sent, bodySent == body.count, connection!.canSend(self) else {
      return
    }
    wantsToSend = false
    handler?.clientWritable()
  }

  private func pump() {
    while state == .sent, bodySent < body.count, connection!.canSend(self) {
      let piece = UnsafeRawBufferPointer(rebasing: body.bytes[bodySent...].prefix(Self.pieceSize))
      connection!.send(self, piece)
      guard state == .sent else { return }
      if keepsBody { bodySent += piece.count } else { body.removeFirst(piece.count) }
    }
    guard state == .sent, requestHasEnded, !endIsSent, bodySent == body.count else { return }
    endIsSent = true
    connection!.sendEnd(self, trailers)
  }

  /// How the answer's body ends, once its head has been read: that of a HEAD has none, whatever it says.
  func frameAnswer() -> MessageHead.Framing {
    uncounted(answer) { answer in
      guard uncounted(request.head, { $0.equals($0.method, "HEAD") }) else { return answer.framing }
      if answer.framing == .untilClosed { answer.keepsAlive = true }
      answer.framing = .none
      return .none
    }
  }

  /// The head of the final answer is in `answer`.
  func headCame() {
    isAnswered = true
    if keepsBody { forgetBody() }
    handler?.clientAnswered(answer)
  }

  /// A piece of the answer's body, no longer than the credit.
  func bodyCame(_ bytes: UnsafeRawBufferPointer) {
    credit -= bytes.count
    handler?.clientBody(bytes)
  }

  /// The answer is whole, and the connection has nothing more to do with it, but perhaps for the rest of the request,
  /// which it deals with itself.
  func answerEnded(_ trailers: MessageHead) {
    guard state == .sent else { return }
    connection = nil
    let handler = handler.take()
    state = .over
    handler?.clientEnded(trailers)
  }

  /// The connection will do nothing more for it. `hadNoEffect`: the other side has certainly not acted on it.
  func broke(_ status: nh_status, _ words: String, hadNoEffect: Bool) {
    guard state == .sent else { return }
    connection = nil
    guard hadNoEffect, keepsBody, !isAnswered, !needsFresh, let origin else {
      return fail(ClientFailure(status: status, words: words, hadNoEffect: hadNoEffect))
    }
    needsFresh = true
    answer.reset()
    state = .waiting
    origin.submit(self)
  }

  // MARK: For the origin

  var isWaiting: Bool { state == .waiting }

  /// `fail` will come at the end of this turn: nobody is told of a failure while still asking.
  func willFail() { state = .failing }

  func fail(_ failure: ClientFailure) {
    guard state != .over else { return }
    let handler = handler.take()
    end()
    handler?.clientFailed(failure)
  }

  private func end() {
    state = .over
    let connection = connection
    self.connection = nil
    connection?.cancel(self)
  }
}
