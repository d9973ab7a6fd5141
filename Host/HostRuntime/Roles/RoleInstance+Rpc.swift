import CNodeABI
import HostCore

/// The rpc service, as one role sees it.
extension RoleInstance {
  /// Calls of a role's own that are open.
  static let clientCallLimit = 4_096
  static let descriptorBytes = 16 << 20

  // MARK: Services

  func serve(_ listener: nh_str, _ path: nh_str, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "rpc.serve") else { return 0 }
    let path = String(path)
    guard path.split(separator: "/", omittingEmptySubsequences: false).count == 3, !path.hasSuffix("*}"),
      let pattern = try? RoutePattern(path)
    else {
      misuse("it serves `\(path)`, which is no method", "write /package.Service/Method or /package.Service/{method}")
      return 0
    }
    var route = SeatRoute(listener: String(listener), method: "POST", pattern: pattern, id: nil)
    route.rpcService = String(path.split(separator: "/")[0])
    if node.http.listener(route.listener) == nil {
      let name = route.listener.isEmpty ? HTTPServer.defaultName : route.listener
      misuse("it serves on the listener `\(name)`", "write `listen: { \(name): … }` into the manifest")
      return 0
    }
    return seat.addRoute(self, route, token: token) ?? 0
  }

  func unserve(_ handle: nh_handle) -> nh_status {
    guard permits([.starting, .running], "rpc.unserve") else { return NH_FAILED_PRECONDITION }
    return seat.removeRoute(self, handle) ? NH_OK : NH_NOT_FOUND
  }

  func describe(_ set: nh_bytes) -> nh_status {
    guard permits([.starting, .running], "rpc.describe") else { return NH_FAILED_PRECONDITION }
    guard set.len <= UInt64(Self.descriptorBytes) else { return NH_RESOURCE_EXHAUSTED }
    guard let descriptors = DescriptorSet([UInt8](set)) else { return NH_INVALID_ARGUMENT }
    node.descriptors.add(descriptors, of: self)
    return NH_OK
  }

  // MARK: Calls

  /// False if it has too many.
  func open(_ call: RpcCall) -> Bool {
    let isServed = !call.isClient
    guard isServed ? servedCalls < limits.calls : rpcCalls.count - servedCalls < Self.clientCallLimit,
      let handle = rpcCalls.insert(call)
    else { return false }
    if isServed { servedCalls += 1 }
    if !isServed, isDraining {
      call.isFarewell = true
      farewells += 1
    }
    call.handle = handle
    return true
  }

  /// The role has nothing more to do with it.
  func forget(_ call: RpcCall) {
    guard rpcCalls.remove(call.handle) != nil else { return }
    if !call.isClient { servedCalls -= 1 }
    if call.isFarewell { farewells -= 1 }
    tellIfDrained()
    tellIfQuiet()
  }

  private func withCall(
    _ handle: nh_handle, _ function: StaticString, _ body: (RpcCall) -> nh_status
  ) -> nh_status {
    guard permits(.running, function) else { return NH_FAILED_PRECONDITION }
    guard let call = rpcCalls[handle] else { return NH_NOT_FOUND }
    return body(call)
  }

  func callRpc(_ request: nh_rpc_request, _ token: UInt64, _ error: UnsafeMutablePointer<nh_error>?) -> nh_handle {
    guard permits([.starting, .running], "rpc.call") else { return 0 }
    do throws(GrpcFault) {
      if seat.isReplaced(self) {
        throw GrpcFault(GrpcStatus.unavailable, "another build of \(name) has taken over")
      }
      let call = try RpcClientCall(self, request)
      call.token = token
      guard open(call) else {
        throw GrpcFault(
          GrpcStatus.resourceExhausted, "\(name) has \(Self.clientCallLimit) open calls; let some of them end first")
      }
      call.start()
      return call.handle
    } catch let fault {
      BorrowedText.with(fault.words) { _ = nh_fail(error, fault.status, nh_str(), $0) }
      return 0
    }
  }

  func sendMetadata(_ handle: nh_handle, _ metadata: nh_pair_list) -> nh_status {
    withCall(handle, "rpc.metadata") { $0.sendMetadata(metadata) }
  }

  func sendMessage(_ handle: nh_handle, _ payload: nh_bytes) -> nh_status {
    withCall(handle, "rpc.send") {
      $0.send(UnsafeRawBufferPointer(start: payload.ptr, count: payload.ptr == nil ? 0 : Int(payload.len)))
    }
  }

  func finishCall(
    _ handle: nh_handle, _ status: nh_status, _ message: nh_str, _ metadata: nh_pair_list, _ details: nh_bytes
  ) -> nh_status {
    withCall(handle, "rpc.finish") { $0.finish(status, message, metadata, details) }
  }

  func cancelCall(_ handle: nh_handle) -> nh_status {
    withCall(handle, "rpc.cancel") { call in
      call.cancel()
      // Never while the role is still inside cancel.
      loop.post { [self] in seat.pass(.quieting) { [self] in ended(call, NH_CANCELLED, "given up here") } }
      return NH_OK
    }
  }

  func creditCall(_ handle: nh_handle, _ messages: UInt32) -> nh_status {
    withCall(handle, "rpc.credit") {
      $0.credit(Int(messages))
      return NH_OK
    }
  }

  /// Nobody waits for them any longer: a swap, or the end.
  func endRpcCalls(_ words: String) {
    for (_, call) in rpcCalls.elements {
      call.giveUp(words)
      ended(call, NH_UNAVAILABLE, words)
    }
  }

  /// Another build takes over. What this one has asked since it was told that it is being swapped comes to nothing; it
  /// hears of that if it stays after all.
  func silenceRpc() { for (_, call) in rpcCalls.elements { call.giveUp("\(name) was swapped") } }

  // MARK: on_rpc

  func deliverCall(_ call: RpcServerCall) {
    // The exchange has its head as long as it lives itself.
    uncounted(call.exchange.head) { head in
      head.withPairs { metadata in
        var event = RpcEvent.make(NH_RPC_CALL, call)
        event.path = head.borrowed(head.path)
        event.metadata = metadata
        event.deadline_ns = call.deadline
        event.remote = call.exchange.remote.lent
        deliver(&event)
      }
    }
  }

  func deliver(_ call: RpcCall, _ kind: UInt32, payload: UnsafeRawBufferPointer = RpcEvent.noBytes) {
    guard rpcCalls[call.handle] === call else { return }
    var event = RpcEvent.make(kind, call, payload: payload)
    deliver(&event)
  }

  func deliver(_ call: RpcCall, _ kind: UInt32, metadata: MessageHead) {
    guard rpcCalls[call.handle] === call else { return }
    metadata.withPairs { pairs in
      var event = RpcEvent.make(kind, call)
      event.metadata = pairs
      deliver(&event)
    }
  }

  /// The last event of a call.
  func ended(_ call: RpcCall, _ status: nh_status, _ words: String, _ metadata: MessageHead? = nil) {
    guard rpcCalls[call.handle] === call else { return }
    BorrowedText.with(words) { words in
      var event = RpcEvent.make(NH_RPC_END, call)
      event.status = status
      event.message = words
      guard let metadata else { return deliver(&event) }
      metadata.withPairs {
        event.metadata = $0
        deliver(&event)
      }
    }
    forget(call)
  }

  private func deliver(_ event: inout nh_rpc_event) {
    guard isLive else { return }
    guard let callback = table.pointee.on_rpc else {
      return misuse("it serves or makes calls of gRPC, and has no on_rpc", "fill in on_rpc")
    }
    callback(role, &event)
  }
}
