internal import CNodeABI

/// A request that the test has sent to a route of the role, and what has come back so far.
public final class PendingRequest {
  public let method: String
  public let path: String
  /// 0 while the role has not answered.
  public internal(set) var status = 0
  public internal(set) var headers: HTTPHeaders = []
  /// The body, as the role wrote it piece by piece.
  public internal(set) var pieces: [[UInt8]] = []
  public internal(set) var trailers: HTTPHeaders = []
  public internal(set) var state = State.waiting

  public enum State: Sendable, Equatable {
    /// The role has not answered.
    case waiting
    /// The answer has begun.
    case answering
    case answered
    /// The role or the host broke it off, or the client hung up.
    case broken
  }

  public var body: [UInt8] { Array(pieces.joined()) }
  public var text: String { String(decoding: body, as: UTF8.self) }

  /// The body of an answer in JSON.
  public func json() throws -> JSON { try JSON(payload: body) }

  /// How much of the request's body the role has not asked for yet.
  public var unsent: Int { waiting.count }

  /// How much the role may still be sent.
  public internal(set) var credit = 64 << 10

  // What the host keeps.
  weak var host: FakeHost?
  var handle: nh_handle = 0
  let token: UInt64
  /// How much a client that does not read lets the role write.
  let room: Int
  var unread = 0
  var wantsToWrite = false
  var waiting: [UInt8] = []
  /// Set once the request's body is whole.
  var end: HTTPHeaders?
  var endWasTold = false
  /// What was announced, and is still to come.
  var left: Int?

  init(_ method: String, _ path: String, token: UInt64, room: Int, on host: FakeHost) {
    self.method = method
    self.path = path
    self.token = token
    self.room = room
    self.host = host
  }

  /// Sends more of the request's body. What the role has not asked for waits.
  public func send(_ piece: some Payload) {
    guard end == nil else { return }
    waiting += piece.payload
    host?.bodyMoves(self)
  }

  /// The request's body is whole.
  public func finish(_ trailers: HTTPHeaders = []) {
    guard end == nil else { return }
    end = trailers
    host?.bodyMoves(self)
  }

  /// A client that was given little `room` reads all that has come: the role may write again.
  public func read() { host?.clientReads(self) }

  /// The client goes away.
  public func hangUp() { host?.clientGoes(self) }
}
