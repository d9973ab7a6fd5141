internal import CNodeABI

/// A request that the role has sent to another server, which is the test.
///
///     host.whenRequested = { request in request.answer(200, body: "hello") }
public final class SentRequest {
  public let method: String
  public let url: String
  public let headers: HTTPHeaders
  /// For everything together.
  public let timeout: Duration
  /// How often the role lets it be tried again.
  public let retries: Int
  /// What the role has sent of the body so far.
  public internal(set) var body: [UInt8]
  /// The role sends no more.
  public internal(set) var isWhole: Bool
  public internal(set) var state = State.open
  /// How much of the answer the role may still be sent.
  public internal(set) var credit = 64 << 10
  /// How much of a streamed body is taken at a time; the role's writes are refused until the test has read.
  public var room = Int.max

  public enum State: Sendable, Equatable {
    case open
    /// The answer has begun.
    case answering
    case answered
    case failed
    /// The role gave it up.
    case cancelled
  }

  public var text: String { String(decoding: body, as: UTF8.self) }

  // What the host keeps.
  weak var host: FakeHost?
  var handle: nh_handle = 0
  let token: UInt64
  let streams: Bool
  var unread = 0
  var wantsToWrite = false
  var waiting: [UInt8] = []
  var end: HTTPHeaders?
  var deadline: UInt64?

  init(_ asked: nh_client_request, _ token: UInt64, on host: FakeHost) {
    self.token = token
    self.host = host
    method = String(asked.method)
    url = String(asked.url)
    headers = HTTPHeaders(HTTPHeaders(asked.headers).map { HTTPHeader($0.name.lowercased(), $0.value) })
    timeout = asked.timeout_ns > 0 ? .nanoseconds(asked.timeout_ns) : .seconds(30)
    retries = Int(asked.retries)
    body = [UInt8](asked.body)
    streams = asked.streams != 0
    isWhole = !streams
  }

  /// Answers it, whole. What the role does not ask for waits.
  public func answer(_ status: Int, _ headers: HTTPHeaders = [], body: some Payload = [UInt8]()) {
    let bytes = body.payload
    host?.answer(self, status, headers, ends: bytes.isEmpty)
    guard !bytes.isEmpty else { return }
    write(bytes)
    finish()
  }

  /// Begins an answer whose body follows by `write` and `finish`.
  public func begin(_ status: Int, _ headers: HTTPHeaders = []) { host?.answer(self, status, headers, ends: false) }

  public func write(_ piece: some Payload) {
    guard state == .answering, end == nil else { return }
    waiting += piece.payload
    host?.answerMoves(self)
  }

  public func finish(_ trailers: HTTPHeaders = []) {
    guard state == .answering, end == nil else { return }
    end = trailers
    host?.answerMoves(self)
  }

  /// There is no answer, or no whole one.
  public func fail(_ status: Status = .unavailable, _ words: String = "the connection was refused") {
    host?.fail(self, status.rawValue, words)
  }

  /// Takes all that the role has sent: it may write again.
  public func read() { host?.serverReads(self) }
}
