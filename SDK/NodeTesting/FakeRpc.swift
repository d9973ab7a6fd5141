internal import CNodeABI

// The test's side: calls of gRPC to the role, and the servers that the role calls.

/// A call that is open: of a caller's, or of the role's own.
enum FakeRpcCall {
  case served(PendingRpc)
  case own(RecordedRpc)
}

extension FakeHost {
  /// Calls a method of gRPC that the role serves, with one message. What it answers at once stands in the result; for
  /// more, move the clock.
  ///
  ///     let answer = host.rpc("/hello.Greeter/SayHello", "Ada")
  ///     #expect(answer.status == .ok && answer.text == "hello, Ada")
  @discardableResult
  public func rpc(
    _ path: String, _ message: some Payload, metadata: RpcMetadata = [:], timeout: Duration? = nil,
    on listener: String = "data"
  ) -> PendingRpc {
    let call = openRpc(path, metadata: metadata, timeout: timeout, on: listener)
    call.send(message)
    call.finish()
    return call
  }

  /// Begins a call whose messages the test sends one by one. `room` is how many of the role's are taken before the
  /// caller reads; more are refused then.
  public func openRpc(
    _ path: String, metadata: RpcMetadata = [:], timeout: Duration? = nil, on listener: String = "data",
    room: Int = .max
  ) -> PendingRpc {
    let found = rpcMethods.all.filter { $0.listener == listener && $0.captures(path) != nil }.min {
      $0.exactness.lexicographicallyPrecedes($1.exactness)
    }
    let call = PendingRpc(path, token: found?.token ?? 0, room: room, on: self)
    guard found != nil, phase == .running else {
      let status = found == nil ? Status.unimplemented : .unavailable
      call.ending = RpcEnding(status: status, message: "nobody serves \(path)", metadata: [:])
      return call
    }
    call.handle = openRpcs.insert { _ in .served(call) }
    if let timeout {
      call.deadline = clock.schedule(after: timeout) { [weak self, weak call] in
        if let call { self?.callerEnds(call, .deadlineExceeded, "the call took too long") }
      }
    }
    path.lend { path in
      "10.0.0.7:51234".lend { remote in
        metadata.lend { metadata in
          var event = newRpcEvent(NH_RPC_CALL, call.handle, call.token)
          (event.path, event.remote, event.metadata) = (path, remote, metadata)
          event.deadline_ns = timeout.map { clock.now.advanced(by: $0).nanoseconds } ?? 0
          hand(&event)
        }
      }
    }
    clock.settle()
    return call
  }

  /// Plays the other servers' method: for each message of the role's what comes back for it. An error that it throws
  /// ends the call so. Methods that nobody plays are unimplemented; see also `rpcIsReachable` and `rpcTakes`.
  public func playRpc(_ path: String, _ answer: @escaping ([UInt8]) throws -> [[UInt8]]) { rpcStubs[path] = answer }

  // MARK: What happens to a call of a caller's

  private func isOpen(_ call: PendingRpc) -> Bool {
    if case .served(let open) = openRpcs[call.handle] { open === call } else { false }
  }

  func ownRpc(_ handle: nh_handle) -> RecordedRpc? {
    if case .own(let call) = openRpcs[handle] { call } else { nil }
  }

  func messagesMove(_ call: PendingRpc) {
    while isOpen(call), call.wanted > 0, !call.waiting.isEmpty {
      call.wanted -= 1
      hand(NH_RPC_MESSAGE, call.handle, call.token, payload: call.waiting.removeFirst())
    }
    if isOpen(call), call.waiting.isEmpty, call.hasSaidAll, !call.endWasTold {
      call.endWasTold = true
      hand(NH_RPC_HALF_CLOSE, call.handle, call.token)
    }
    clock.settle()
  }

  func callerReads(_ call: PendingRpc) {
    call.unread = 0
    guard call.wantsToSend, isOpen(call) else { return }
    call.wantsToSend = false
    hand(NH_RPC_WRITABLE, call.handle, call.token)
    clock.settle()
  }

  func callerEnds(_ call: PendingRpc, _ status: Status, _ words: String) {
    guard isOpen(call) else { return }
    end(call, RpcEnding(status: status, message: words, metadata: [:]))
    hand(NH_RPC_END, call.handle, call.token, status: status.rawValue, message: words)
    clock.settle()
  }

  func end(_ call: PendingRpc, _ ending: RpcEnding) {
    call.ending = ending
    openRpcs.remove(call.handle)
    if let deadline = call.deadline { clock.cancel(deadline) }
  }

  /// Nobody waits any longer: the role ends, which is not told then, or is swapped.
  func endRpcs(isSwap: Bool = false) {
    let words = isSwap ? "\(roleName) is being swapped" : "\(roleName) has stopped"
    for handle in openRpcs.handles {
      switch openRpcs[handle] {
      case .served(let call):
        if isSwap { callerEnds(call, .unavailable, words) }
        if call.ending == nil { end(call, RpcEnding(status: .unavailable, message: words, metadata: [:])) }
      case .own:
        if isSwap { endOwn(handle, .unavailable, words) }
        openRpcs.remove(handle)
      case nil: break
      }
    }
  }

  // MARK: What happens to a call of the role's

  func ownCallMoves(_ handle: nh_handle) {
    guard let call = ownRpc(handle) else { return }
    answer(call)
    // Perhaps over meanwhile.
    guard ownRpc(handle) != nil else { return }
    if call.begins, !call.isTheTests || !call.coming.isEmpty, call.failure == nil || !call.coming.isEmpty {
      call.begins = false
      hand(NH_RPC_METADATA, handle, call.token)
    }
    while ownRpc(handle) != nil, call.wanted > 0, !call.coming.isEmpty {
      call.wanted -= 1
      hand(NH_RPC_MESSAGE, handle, call.token, payload: call.coming.removeFirst())
    }
    guard ownRpc(handle) != nil, call.coming.isEmpty else { return }
    if let failure = call.failure {
      endOwn(handle, failure.status, failure.message)
    } else if call.hasFinished, !call.isTheTests {
      endOwn(handle, .ok, "")
    }
  }

  func ownCallGoesOn(_ call: RecordedRpc) {
    moveLater(call.handle)
    clock.settle()
  }

  private func answer(_ call: RecordedRpc) {
    guard let stub = rpcStubs[call.path] else { return tell(of: call) }
    while call.failure == nil, !call.unanswered.isEmpty {
      do { call.coming += try stub(call.unanswered.removeFirst()) } catch { call.failure = RoleError(error) }
    }
  }

  private func tell(of call: RecordedRpc) {
    guard !call.unanswered.isEmpty, call.failure == nil, let whenRpcCalled else { return }
    // Later messages stand in `messages`.
    call.unanswered = []
    guard call.begins, !call.isTheTests else { return }
    call.isTheTests = true
    whenRpcCalled(call)
  }

  func endOwn(_ handle: nh_handle, _ status: Status, _ words: String) {
    guard let call = ownRpc(handle) else { return }
    openRpcs.remove(handle)
    call.ending = RpcEnding(status: status, message: words, metadata: call.trailing)
    call.trailing.lend { hand(NH_RPC_END, handle, call.token, status: status.rawValue, message: words, metadata: $0) }
  }

  // MARK: on_rpc

  private func newRpcEvent(_ kind: UInt32, _ call: nh_handle, _ token: UInt64) -> nh_rpc_event {
    var event = nh_rpc_event()
    event.struct_size = UInt32(MemoryLayout<nh_rpc_event>.size)
    event.revision = 1
    (event.kind, event.call, event.token) = (kind, call, token)
    return event
  }

  private func hand(
    _ kind: UInt32, _ call: nh_handle, _ token: UInt64, status: nh_status = NH_OK, payload: [UInt8] = [],
    message: String = "", metadata: nh_pair_list = nh_pair_list(items: nil, count: 0)
  ) {
    message.lend { message in
      payload.lend { payload in
        var event = newRpcEvent(kind, call, token)
        (event.status, event.payload, event.message, event.metadata) = (status, payload, message, metadata)
        hand(&event)
      }
    }
  }

  private func hand(_ event: inout nh_rpc_event) {
    guard let function = library.table.on_rpc else { return breach("the role has calls of gRPC, and no on_rpc") }
    function(role, &event)
  }
}
