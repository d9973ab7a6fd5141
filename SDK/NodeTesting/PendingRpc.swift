/// A call of gRPC that the test has made to a method of the role, and what has come back so far.
public final class PendingRpc {
  public let path: String
  /// What came before the first message.
  public internal(set) var metadata: RpcMetadata = [:]
  /// Whether the role wants its messages compressed.
  public internal(set) var compresses = false
  public internal(set) var messages: [[UInt8]] = []
  /// Nil while the call is open.
  public internal(set) var ending: RpcEnding?

  public var status: Status? { ending?.status }
  public var text: String { String(decoding: messages.first ?? [], as: UTF8.self) }

  /// How many of the test's messages the role has not asked for yet.
  public var unsent: Int { waiting.count }

  // What the host keeps.
  weak var host: FakeHost?
  var handle: UInt64 = 0
  let token: UInt64
  /// So many messages a caller who does not read lets the role send.
  let room: Int
  var wanted = 1
  var waiting: [[UInt8]] = []
  var hasSaidAll = false
  var endWasTold = false
  var unread = 0
  var wantsToSend = false
  var hasBegun = false
  var deadline: UInt64?

  init(_ path: String, token: UInt64, room: Int, on host: FakeHost) {
    self.path = path
    self.token = token
    self.room = room
    self.host = host
  }

  /// Sends another message. What the role has not asked for waits.
  public func send(_ message: some Payload) {
    guard !hasSaidAll else { return }
    waiting.append(message.payload)
    host?.messagesMove(self)
  }

  /// No other message follows.
  public func finish() {
    hasSaidAll = true
    host?.messagesMove(self)
  }

  /// A caller that was given little `room` reads all that has come: the role may send again.
  public func read() { host?.callerReads(self) }

  /// The caller gives up.
  public func cancel() { host?.callerEnds(self, .cancelled, "the caller gave up") }
}

/// A call of gRPC that the role has made.
public final class RecordedRpc {
  public let target: String
  public let path: String
  public let options: RpcOptions
  public internal(set) var messages: [[UInt8]] = []
  /// The role has sent its last message.
  public internal(set) var hasFinished = false
  /// Nil while it is open.
  public internal(set) var ending: RpcEnding?

  let token: UInt64
  weak var host: FakeHost?
  var handle: UInt64 = 0
  var wanted = 1
  /// Messages that the other server has not seen.
  var unanswered: [[UInt8]] = []
  /// Messages on their way to the role.
  var coming: [[UInt8]] = []
  var failure: RoleError?
  /// What comes behind the last message.
  var trailing: RpcMetadata = [:]
  var begins = true
  /// The test answers it, and ends it.
  var isTheTests = false

  init(_ target: String, _ path: String, _ options: RpcOptions, token: UInt64, on host: FakeHost) {
    self.target = target
    self.path = path
    self.options = options
    self.token = token
    self.host = host
  }

  /// Sends a message to the role, for calls that came to `whenRpcCalled`.
  public func send(_ message: some Payload) {
    guard ending == nil else { return }
    coming.append(message.payload)
    host?.ownCallGoesOn(self)
  }

  /// Ends such a call, well or with an error.
  public func end(_ error: RoleError? = nil, metadata: RpcMetadata = [:]) {
    guard ending == nil else { return }
    (failure, trailing, isTheTests) = (error, metadata, false)
    hasFinished = true
    host?.ownCallGoesOn(self)
  }

  /// One message and a good end.
  public func answer(_ message: some Payload) {
    send(message)
    end()
  }
}
