internal import CNodeABI

/// A call of one of the role's methods.
public final class RpcServerCall: RpcCall {
  /// What the caller has sent beside its messages.
  public var metadata: RpcMetadata { told.metadata }
  /// When the caller stops waiting.
  public let deadline: Moment?
  /// Who calls: "10.0.0.7:51234".
  public var remote: String { told.remote }
  private let told: ToldOfCall
  private var whenEnded: ((RoleError) -> Void)?
  /// Of a method that takes one message, until the caller's side has ended.
  private var whenOne: ((RpcServerCall, [UInt8]) throws -> Void)?
  private var oneHasCome = false

  init(
    _ link: HostLink, _ service: UnsafePointer<nh_rpc_service>, _ event: nh_rpc_event, _ method: RpcMethodEntry
  ) {
    told = ToldOfCall(remote: event.remote, metadata: event.metadata)
    deadline = event.deadline_ns == 0 ? nil : Moment(nanoseconds: event.deadline_ns)
    super.init(link, service, event.call, method.path ?? String(event.path))
    if case .unary(let body) = method.body { whenOne = body }
  }

  override var waitsForMessages: Bool { whenOne != nil || super.waitsForMessages }

  override func messageCame(_ bytes: [UInt8]) {
    guard let whenOne else { return super.messageCame(bytes) }
    oneHasCome = true
    attempt { try whenOne(self, bytes) }
  }

  override func lastCame() {
    guard whenOne != nil else { return super.lastCame() }
    whenOne = nil
    guard !oneHasCome else { return }
    attempt { throw RoleError(.invalidArgument, "\(path) takes one message, and none came") }
  }

  /// Sends metadata before the first message; with `compresses` messages are compressed, if the caller can read that.
  public func begin(_ metadata: RpcMetadata = [:], compresses: Bool = false) throws {
    guard !isOver, link.isServing else { throw RoleError(.failedPrecondition, "\(path): the call has ended") }
    let outcome = metadata.wishing(compresses).lend { service.pointee.metadata(service.pointee.ctx, handle, $0) }
    guard outcome == NH_OK || outcome == NH_NOT_FOUND else {
      throw RoleError(
        Status(rawValue: outcome),
        "\(path): the host does not send this metadata: it comes before the first message, once, in printable ASCII "
          + "where the name does not end in -bin, and without what begins with grpc-")
    }
  }

  /// One message and a good end.
  public func answer(_ message: [UInt8], metadata: RpcMetadata = RpcMetadata()) throws {
    guard try send(message) else {
      return whenWritable { [unowned self] in try answer(message, metadata: metadata) }
    }
    try finish(metadata)
  }

  /// All went well.
  public func finish(_ metadata: RpcMetadata = RpcMetadata()) throws { try end(NH_OK, "", metadata, []) }

  /// Ends it with an error. `details` is a serialized google.rpc.Status.
  public func fail(_ error: RoleError, metadata: RpcMetadata = [:], details: [UInt8] = []) throws {
    try end(error.status.rawValue, error.description, metadata, details)
  }

  private func end(_ status: nh_status, _ words: String, _ metadata: RpcMetadata, _ details: [UInt8]) throws {
    guard !isOver, link.isServing else { throw RoleError(.failedPrecondition, "\(path): the call has ended") }
    let outcome =
      status == NH_OK && metadata.isEmpty
      ? service.pointee.finish(service.pointee.ctx, handle, NH_OK, nh_str(), nh_pair_list(), nh_bytes())
      : words.lend { words in
        metadata.lend { metadata in
          details.lend { service.pointee.finish(service.pointee.ctx, handle, status, words, metadata, $0) }
        }
      }
    guard outcome == NH_OK || outcome == NH_NOT_FOUND else {
      throw RoleError(
        Status(rawValue: outcome),
        "\(path): the call does not end so: its status must be from 0 to 16, and its metadata such as can be sent")
    }
    finished()
  }

  /// Runs if the call ends without the role's doing: the caller gave up, its deadline has passed, or it has gone.
  public func whenEnded(_ body: @escaping (RoleError) -> Void) { whenEnded = body }

  private func finished() {
    hasFinished = true
    whenEnded = nil
    over()
  }

  override func over() {
    whenOne = nil
    super.over()
  }

  override func abandon() {
    over()
    whenEnded = nil
  }

  override func ended(_ ending: RpcEnding) {
    hasFinished = true
    let body = whenEnded
    whenEnded = nil
    body?(RoleError(ending.status, ending.message))
  }

  override func settle() {
    if !isOver { isAwaited = whenEnded != nil || waits }
  }

  /// What the closure threw becomes the call's status.
  override func attempt(_ body: () throws -> Void) {
    do { try body() } catch {
      let error = RoleError(error)
      if isOver || [.internal, .unknown, .dataLoss].contains(error.status) {
        link.report(error, from: "the closure for \(path)")
      }
      if !isOver { try? fail(error) }
    }
  }

  deinit {
    guard !isOver else { return }
    link.rpcCalls[handle] = nil
    guard link.isServing else { return }
    link.log(NH_LOG_ERROR, "a call of \(path) was dropped without an answer; answer it, or keep it until then", nil)
    try? fail(RoleError(.internal, "the role did not answer"))
  }
}

/// A call to another server.
public final class RpcClientCall: RpcCall {
  private var whenBegun: ((RpcMetadata) throws -> Void)?
  private var whenDone: ((RpcEnding) throws -> Void)?

  init(
    _ link: HostLink, _ service: UnsafePointer<nh_rpc_service>, _ handle: nh_handle, _ path: String, hasFinished: Bool
  ) {
    super.init(link, service, handle, path)
    self.hasFinished = hasFinished
  }

  /// Runs when the server's first metadata comes; not if its answer is an error at once.
  public func whenAnswered(_ body: @escaping (RpcMetadata) throws -> Void) { whenBegun = body }

  /// Runs when the call is over, however it ended. The last that comes.
  public func whenEnded(_ body: @escaping (RpcEnding) throws -> Void) { whenDone = body }

  /// The role sends no more messages.
  public func finish() throws {
    guard !hasFinished, !isOver, link.isServing else { return }
    hasFinished = true
    let none = nh_pair_list(items: nil, count: 0)
    _ = service.pointee.finish(
      service.pointee.ctx, handle, NH_OK, nh_str(ptr: nil, len: 0), none, nh_bytes(ptr: nil, len: 0))
  }

  override func metadataCame(_ metadata: RpcMetadata) {
    let body = whenBegun
    whenBegun = nil
    attempt { try body?(metadata) }
  }

  override func abandon() {
    over()
    (whenBegun, whenDone) = (nil, nil)
  }

  override func ended(_ ending: RpcEnding) {
    let body = whenDone
    (whenBegun, whenDone) = (nil, nil)
    attempt { try body?(ending) }
  }

  /// Nobody is there to take what the closure threw but the log; the call is of no use any more.
  override func attempt(_ body: () throws -> Void) {
    do { try body() } catch {
      link.report(error, from: "the closure for a call of \(path)")
      cancel()
    }
  }
}
