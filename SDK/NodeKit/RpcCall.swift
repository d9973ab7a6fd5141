internal import CNodeABI

/// A call of gRPC, whichever side the role is on: messages go both ways until each side has ended.
///
/// The next message comes when the closure for the one before has returned, or by `wantMore`; nothing piles up.
public class RpcCall {
  let link: HostLink
  let service: UnsafePointer<nh_rpc_service>
  let handle: nh_handle
  /// "/package.Service/Method".
  public let path: String
  /// Nothing more can be sent.
  var hasFinished = false
  var isOver = false
  private var whenMessage: (([UInt8]) throws -> Void)?
  private var whenLast: (() throws -> Void)?
  private var whenRoom: (() throws -> Void)?
  private var asksItself = true
  /// What came before anybody asked for it: one message, since a call begins with that much credit.
  private var early: [UInt8]?
  private(set) var inputHasEnded = false
  private var awaited: RpcCall?

  init(_ link: HostLink, _ service: UnsafePointer<nh_rpc_service>, _ handle: nh_handle, _ path: String) {
    self.link = link
    self.service = service
    self.handle = handle
    self.path = path
    link.rpcCalls[handle] = .passUnretained(self)
  }

  /// It holds itself: something is still to come that one of its closures waits for.
  var isAwaited: Bool {
    get { awaited != nil }
    set { if newValue != (awaited != nil) { awaited = newValue ? self : nil } }
  }

  // MARK: In

  /// Hands on each message, and calls `last` when the other side has sent its last. With `byCredit` the next message
  /// comes only when `wantMore` has asked for it; the first one comes by itself.
  public func receive(
    byCredit: Bool = false, _ message: @escaping ([UInt8]) throws -> Void, last: @escaping () throws -> Void = {}
  ) {
    asksItself = !byCredit
    whenMessage = message
    whenLast = last
    if let bytes = early {
      early = nil
      attempt { try message(bytes) }
      askForNext()
    }
    if inputHasEnded { lastCame() }
    settle()
  }

  /// Asks for so many more messages.
  public func wantMore(_ messages: Int = 1) {
    guard !isOver, link.isServing, messages > 0 else { return }
    _ = service.pointee.credit(service.pointee.ctx, handle, UInt32(clamping: messages))
  }

  private func askForNext() { if asksItself, whenMessage != nil, !inputHasEnded { wantMore() } }

  func lastCame() {
    let last = whenLast
    (whenMessage, whenLast) = (nil, nil)
    attempt { try last?() }
  }

  // MARK: Out

  /// The next message. False if nothing was taken, since the other side does not read: `whenWritable` says when to
  /// go on.
  public func send(_ message: [UInt8]) throws -> Bool {
    guard !hasFinished, !isOver, link.isServing else {
      throw RoleError(.failedPrecondition, "\(path): the call has ended, and no message can follow")
    }
    let outcome = message.lend { service.pointee.send(service.pointee.ctx, handle, $0) }
    switch outcome {
    case NH_OK: return true
    case NH_RESOURCE_EXHAUSTED: return false
    case NH_NOT_FOUND, NH_UNAVAILABLE: throw RoleError(.unavailable, "\(path): the other side has gone")
    default: throw RoleError(Status(rawValue: outcome), "\(path): the host does not send the message")
    }
  }

  /// Runs once when there is room again after `send` was refused.
  public func whenWritable(_ body: @escaping () throws -> Void) {
    whenRoom = body
    settle()
  }

  /// Gives the call up: the other side hears of it.
  public func cancel() {
    guard !isOver, link.isServing else { return }
    _ = service.pointee.cancel(service.pointee.ctx, handle)
  }

  // MARK: Events

  func eventCame(_ event: nh_rpc_event) {
    // What it runs may let go of the last that holds it.
    withExtendedLifetime(self) {
      switch event.kind {
      case NH_RPC_MESSAGE: messageCame([UInt8](event.payload))
      case NH_RPC_HALF_CLOSE: inputEnded()
      case NH_RPC_WRITABLE:
        let body = whenRoom
        whenRoom = nil
        attempt { try body?() }
      case NH_RPC_METADATA: metadataCame(RpcMetadata(event.metadata))
      default:
        inputEnded()
        over()
        ended(
          RpcEnding(
            status: Status(rawValue: event.status), message: String(event.message),
            metadata: RpcMetadata(event.metadata)))
      }
      settle()
    }
  }

  func messageCame(_ bytes: [UInt8]) {
    guard let whenMessage else { return early = bytes }
    attempt { try whenMessage(bytes) }
    askForNext()
  }

  /// Of a call to another server no such event comes, but the end itself.
  private func inputEnded() {
    guard !inputHasEnded else { return }
    inputHasEnded = true
    if waitsForMessages { lastCame() }
  }

  var waitsForMessages: Bool { whenMessage != nil }
  /// Something is still to come that one of its closures waits for.
  final var waits: Bool { whenRoom != nil || waitsForMessages }

  func over() {
    isOver = true
    (whenMessage, whenLast, whenRoom, early) = (nil, nil, nil, nil)
    link.rpcCalls[handle] = nil
    isAwaited = false
  }

  /// The role is going: nobody is told any more.
  func abandon() { over() }

  // The sides' own.
  func metadataCame(_ metadata: RpcMetadata) {}
  func ended(_ ending: RpcEnding) {}
  func attempt(_ body: () throws -> Void) {}
  /// Keeps it only as long as it has to be there.
  func settle() {}
}

/// How a call ended.
public struct RpcEnding: Sendable, Equatable {
  public var status: Status
  /// What the other side says about it.
  public var message: String
  /// What came behind the last message.
  public var metadata: RpcMetadata

  package init(status: Status, message: String, metadata: RpcMetadata) {
    self.status = status
    self.message = message
    self.metadata = metadata
  }

  /// A serialized google.rpc.Status, if the server sent one.
  public var details: [UInt8]? { metadata.bytes("grpc-status-details-bin") }

  /// Nil if it ended well.
  public var error: RoleError? { status == .ok ? nil : RoleError(status, message) }
}
