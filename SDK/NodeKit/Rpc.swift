internal import CNodeABI

/// gRPC on the node's listeners and to other servers. The host speaks the protocol: deadlines, compression, keep-alive,
/// limits, health and reflection. Messages are bytes here; what is in them is the role's affair.
///
///     try context.rpc.unary("/hello.Greeter/SayHello") { call, request in
///       try call.answer(greeting(for: request))
///     }
public struct Rpc {
  let link: HostLink

  // MARK: Serving

  /// Runs `body` for each call of "/package.Service/Method" when its one message has come. Answer it there, or keep the
  /// call and answer it later. An error that `body` throws becomes the call's status.
  ///
  /// `listener` is a name of the manifest's `listen` section.
  @discardableResult
  public func unary(
    _ path: String, listener: String = "", _ body: @escaping (RpcServerCall, [UInt8]) throws -> Void
  ) throws -> RpcMethod {
    try add(path, listener, .unary(body))
  }

  /// Runs `body` at the beginning of each call, for methods with streams: it says what becomes of the messages. With
  /// "/package.Service/{method}" calls of all methods of a service come here.
  @discardableResult
  public func stream(
    _ path: String, listener: String = "", _ body: @escaping (RpcServerCall) throws -> Void
  ) throws -> RpcMethod { try add(path, listener, .stream(body)) }

  private func add(_ path: String, _ listener: String, _ body: RpcMethodEntry.Body) throws -> RpcMethod {
    let service = try link.rpcService
    let token = link.rpcMethods.insert(RpcMethodEntry(path: path, body: body))
    let handle = listener.lend { listener in
      path.lend { service.pointee.serve(service.pointee.ctx, listener, $0, token) }
    }
    guard handle != 0 else {
      link.rpcMethods.remove(token)
      throw RoleError(
        .invalidArgument,
        "cannot serve \(path) on the listener `\(listener.isEmpty ? "data" : listener)`: "
          + "it is no /package.Service/Method, the manifest has no such listener, or another role serves it; "
          + "the log says which", at: path)
    }
    link.rpcMethods[token]?.handle = handle
    return RpcMethod(link: link, handle: handle, token: token)
  }

  /// Adds a serialized FileDescriptorSet, such as `protoc --include_imports --descriptor_set_out` writes, to what
  /// reflection tells to tools.
  public func describe(_ descriptorSet: [UInt8]) throws {
    let service = try link.rpcService
    let outcome = descriptorSet.lend { service.pointee.describe(service.pointee.ctx, $0) }
    guard outcome == NH_OK else {
      throw RoleError(Status(rawValue: outcome), "this is no FileDescriptorSet, or one larger than 16 MiB")
    }
  }

  // MARK: Calling

  /// Calls a unary method of another server. `target` is "http://host:port" or "https://host:port"; `done` gets the
  /// answer, or why there is none.
  @discardableResult
  public func call(
    _ path: String, at target: String, _ message: [UInt8], _ options: RpcOptions = RpcOptions(),
    then done: @escaping (Result<[UInt8], RoleError>) throws -> Void
  ) throws -> RpcClientCall {
    let call = try begin(path, target, message, options, ends: true)
    var answer: [UInt8]?
    call.receive { answer = $0 }
    call.whenEnded { ending in
      if let error = ending.error { return try done(.failure(error)) }
      try done(
        answer.map { .success($0) } ?? .failure(RoleError(.internal, "\(path): the server answered without a message")))
    }
    return call
  }

  /// Begins a call with streams: send messages, `finish`, and say what becomes of those that come.
  public func open(
    _ path: String, at target: String, _ options: RpcOptions = RpcOptions()
  ) throws -> RpcClientCall { try begin(path, target, nil, options, ends: false) }

  private func begin(
    _ path: String, _ target: String, _ message: [UInt8]?, _ options: RpcOptions, ends: Bool
  ) throws -> RpcClientCall {
    let service = try link.rpcService
    var words = [CChar](repeating: 0, count: 512)
    var error = nh_error()
    let handle = words.withUnsafeMutableBufferPointer { room in
      error.struct_size = UInt32(MemoryLayout<nh_error>.size)
      (error.message, error.message_capacity) = (room.baseAddress, UInt64(room.count))
      return options.lend(path, target, message, ends: ends) { request in
        withUnsafePointer(to: request) { service.pointee.call(service.pointee.ctx, $0, 0, &error) }
      }
    }
    guard handle != 0 else {
      let text = words.prefix(Int(error.message_len)).map { UInt8(bitPattern: $0) }
      throw RoleError(Status(rawValue: error.code), String(decoding: text, as: UTF8.self), at: path)
    }
    let call = RpcClientCall(link, service, handle, path, hasFinished: ends)
    call.isAwaited = true
    return call
  }
}

/// How a call to another server is made.
public struct RpcOptions: Sendable {
  public var metadata: RpcMetadata
  /// Nil takes the manifest's `call_timeout_ms`.
  public var timeout: Duration?
  /// How often it is tried again if the server says ``Status/unavailable``, with growing pauses. Only for what may
  /// happen twice.
  public var retries: Int
  /// Waits for a connection, until the timeout, where it would fail at once.
  public var waits: Bool
  /// Its messages are compressed.
  public var compresses: Bool

  public init(
    metadata: RpcMetadata = [:], timeout: Duration? = nil, retries: Int = 0, waits: Bool = false,
    compresses: Bool = false
  ) {
    self.metadata = metadata
    self.timeout = timeout
    self.retries = retries
    self.waits = waits
    self.compresses = compresses
  }

  fileprivate func lend<R>(
    _ path: String, _ target: String, _ message: [UInt8]?, ends: Bool, _ body: (nh_rpc_request) -> R
  ) -> R {
    path.lend { path in
      target.lend { target in
        metadata.wishing(compresses).lend { metadata in
          (message ?? []).lend { payload in
            var request = nh_rpc_request()
            request.struct_size = UInt32(MemoryLayout<nh_rpc_request>.size)
            request.revision = NH_ABI_REVISION
            (request.target, request.path, request.metadata) = (target, path, metadata)
            if message != nil { request.payload = payload }
            request.timeout_ns = timeout.map { max(1, $0.nanoseconds) } ?? 0
            (request.ends, request.waits) = (ends ? 1 : 0, waits ? 1 : 0)
            request.retries = UInt32(clamping: retries)
            return body(request)
          }
        }
      }
    }
  }
}

/// A method that is served; it ends with the role, or when told so.
public struct RpcMethod {
  let link: HostLink
  let handle: nh_handle
  let token: UInt64

  /// Calls that have come stay open.
  public func remove() {
    guard link.rpcMethods.remove(token) != nil, let service = try? link.rpcService else { return }
    _ = service.pointee.unserve(service.pointee.ctx, handle)
  }
}

final class RpcMethodEntry {
  enum Body {
    /// The call's one message.
    case unary((RpcServerCall, [UInt8]) throws -> Void)
    case stream((RpcServerCall) throws -> Void)
  }

  var handle: nh_handle = 0
  /// Nil where calls of several paths come.
  let path: String?
  let body: Body

  init(path: String, body: Body) {
    self.path = path.utf8.contains(UInt8(ascii: "{")) ? nil : path
    self.body = body
  }
}

extension HostLink {
  func rpcEventCame(_ event: nh_rpc_event) {
    guard event.kind == NH_RPC_CALL else {
      // The call may go with its last closure, but not while it runs.
      rpcCalls[event.call]?.takeUnretainedValue().eventCame(event)
      return
    }
    guard let method = rpcMethods[event.token], let service = try? rpcService else { return }
    let call = RpcServerCall(self, service, event, method)
    if case .stream(let body) = method.body { call.attempt { try body(call) } }
    call.settle()
  }
}
