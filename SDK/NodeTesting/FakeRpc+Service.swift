internal import CNodeABI

// The role's side: the functions of nh_rpc_service.

extension FakeHost {
  private static let methodLimit = 256
  private static let openCallLimit = 4_096

  func serveRpc(_ listener: String, _ path: String, _ token: UInt64) -> nh_handle {
    guard permits("nh_rpc_service.serve"), rpcMethods.count < Self.methodLimit else { return 0 }
    let listener = listener.isEmpty ? "data" : listener
    guard listeners.contains(listener), Self.isMethod(path), !path.hasSuffix("*}"),
      let route = FakeRoute(listener: listener, method: "POST", pattern: path, token: token),
      !rpcMethods.all.contains(where: { $0.collides(with: route) })
    else { return 0 }
    return rpcMethods.insert { _ in route }
  }

  /// "/package.Service/Method".
  private static func isMethod(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 3 && parts[0].isEmpty && !parts[1].isEmpty && !parts[2].isEmpty
  }

  func unserveRpc(_ handle: nh_handle) -> nh_status {
    guard allows("nh_rpc_service.unserve") else { return NH_FAILED_PRECONDITION }
    guard rpcMethods.remove(handle) != nil else {
      expectGiven(handle, rpcMethods, "nh_rpc_service.unserve")
      return NH_NOT_FOUND
    }
    return NH_OK
  }

  func describeRpc(_ set: [UInt8]) -> nh_status {
    guard permits("nh_rpc_service.describe") else { return NH_RESOURCE_EXHAUSTED }
    described.append(set)
    return NH_OK
  }

  func callRpc(_ request: nh_rpc_request, _ token: UInt64, _ error: UnsafeMutablePointer<nh_error>?) -> nh_handle {
    func refuse(_ status: Status, _ words: String) -> nh_handle {
      error?.fill(RoleError(status, words))
      return 0
    }
    guard permits("nh_rpc_service.call"), openRpcs.count < Self.openCallLimit else {
      return refuse(.resourceExhausted, "too many calls are open; let some of them end first")
    }
    let target = String(request.target), path = String(request.path)
    guard ["http://", "https://"].contains(where: { target.hasPrefix($0) && target.count > $0.count }) else {
      return refuse(.invalidArgument, "`\(target)` is no http://host:port and no https://host:port")
    }
    guard Self.isMethod(path) else { return refuse(.invalidArgument, "`\(path)` is no /package.Service/Method") }
    var options = RpcOptions()
    (options.metadata, options.compresses) = Self.understood(RpcMetadata(request.metadata))
    guard Self.canBeSent(options.metadata) else {
      return refuse(.invalidArgument, "the metadata has a name or value that cannot be sent")
    }
    options.timeout = request.timeout_ns > 0 ? .nanoseconds(request.timeout_ns) : nil
    options.retries = Int(request.retries)
    options.waits = request.waits != 0
    let call = RecordedRpc(target, path, options, token: token, on: self)
    rpcCalls.append(call)
    let handle = openRpcs.insert { _ in .own(call) }
    call.handle = handle
    begin(call, handle, hasFirst: request.ends != 0 || request.payload.ptr != nil, [UInt8](request.payload))
    call.hasFinished = request.ends != 0
    return handle
  }

  private func begin(_ call: RecordedRpc, _ handle: nh_handle, hasFirst: Bool, _ message: [UInt8]) {
    if !rpcIsReachable, !call.options.waits {
      call.failure = RoleError(.unavailable, "\(call.target): nobody is there")
    } else if rpcStubs[call.path] == nil, whenRpcCalled == nil {
      call.failure = RoleError(.unimplemented, "nobody plays \(call.path)")
    }
    if let timeout = call.options.timeout {
      _ = clock.schedule(after: timeout) { [weak self] in
        self?.endOwn(handle, .deadlineExceeded, "no answer in time")
      }
    }
    if hasFirst { take(message, call, handle) } else { moveLater(handle) }
  }

  /// A message of the role's reaches the other server, which answers after its time.
  private func take(_ message: [UInt8], _ call: RecordedRpc, _ handle: nh_handle) {
    call.messages.append(message)
    call.unanswered.append(message)
    moveLater(handle)
  }

  /// When the role's present callback has returned; never while nobody is there and the role waits for somebody.
  func moveLater(_ handle: nh_handle) {
    _ = clock.schedule(after: rpcTakes) { [weak self] in
      guard let self, let call = ownRpc(handle), rpcIsReachable || call.failure != nil else { return }
      ownCallMoves(handle)
    }
  }

  // MARK: Open calls

  private func withRpc(_ handle: nh_handle, _ function: String, _ body: (FakeRpcCall) -> nh_status) -> nh_status {
    guard allows("nh_rpc_service.\(function)") else { return NH_FAILED_PRECONDITION }
    guard let call = openRpcs[handle] else {
      expectGiven(handle, openRpcs, "nh_rpc_service.\(function)")
      return NH_NOT_FOUND
    }
    return body(call)
  }

  func sendRpcMetadata(_ handle: nh_handle, _ pairs: nh_pair_list) -> nh_status {
    withRpc(handle, "metadata") { call in
      guard case .served(let call) = call, !call.hasBegun else { return NH_FAILED_PRECONDITION }
      let (metadata, compresses) = Self.understood(RpcMetadata(pairs))
      guard Self.canBeSent(metadata) else { return NH_INVALID_ARGUMENT }
      (call.metadata, call.compresses, call.hasBegun) = (metadata, compresses, true)
      return NH_OK
    }
  }

  func sendRpc(_ handle: nh_handle, _ message: [UInt8]) -> nh_status {
    withRpc(handle, "send") { call in
      switch call {
      case .served(let call):
        guard call.unread < call.room else {
          call.wantsToSend = true
          return NH_RESOURCE_EXHAUSTED
        }
        call.hasBegun = true
        call.unread += 1
        call.messages.append(message)
      case .own(let call):
        guard !call.hasFinished else { return NH_FAILED_PRECONDITION }
        take(message, call, handle)
      }
      return NH_OK
    }
  }

  func finishRpc(
    _ handle: nh_handle, _ status: nh_status, _ message: String, _ pairs: nh_pair_list, _ details: [UInt8]
  ) -> nh_status {
    withRpc(handle, "finish") { call in
      switch call {
      case .served(let call):
        var metadata = RpcMetadata(pairs)
        guard (0...16).contains(status), Self.canBeSent(metadata) else { return NH_INVALID_ARGUMENT }
        if !details.isEmpty { metadata.add("grpc-status-details-bin", details) }
        end(call, RpcEnding(status: Status(rawValue: status), message: message, metadata: metadata))
      case .own(let call):
        guard !call.hasFinished else { return NH_FAILED_PRECONDITION }
        call.hasFinished = true
        moveLater(handle)
      }
      return NH_OK
    }
  }

  func cancelRpc(_ handle: nh_handle) -> nh_status {
    withRpc(handle, "cancel") { call in
      // Never while the role is still inside cancel.
      _ = clock.schedule(after: .zero) { [weak self] in
        switch call {
        case .served(let call): self?.callerEnds(call, .cancelled, "given up here")
        case .own: self?.endOwn(handle, .cancelled, "given up here")
        }
      }
      return NH_OK
    }
  }

  func creditRpc(_ handle: nh_handle, _ messages: UInt32) -> nh_status {
    withRpc(handle, "credit") { call in
      switch call {
      case .served(let call):
        call.wanted += Int(messages)
        _ = clock.schedule(after: .zero) { [weak self] in self?.messagesMove(call) }
      case .own(let call):
        call.wanted += Int(messages)
        moveLater(handle)
      }
      return NH_OK
    }
  }

  /// Without the wish for compression, which stands before it.
  private static func understood(_ metadata: RpcMetadata) -> (RpcMetadata, compresses: Bool) {
    guard let first = metadata.entries.first, first.name == "grpc-encoding", first.text == "gzip" else {
      return (metadata, false)
    }
    var rest = RpcMetadata()
    for entry in metadata.entries.dropFirst() { rest.add(entry.name, entry.bytes) }
    return (rest, true)
  }

  /// Names of letters and not the host's own, printable values unless they are binary: what the host lets through.
  private static func canBeSent(_ metadata: RpcMetadata) -> Bool {
    metadata.entries.allSatisfy { entry in
      let isName = entry.name.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D }
      return isName && !entry.name.isEmpty && !entry.name.hasPrefix("grpc-")
        && (entry.name.hasSuffix("-bin") || entry.bytes.allSatisfy { (0x20...0x7E).contains($0) })
    }
  }
}
