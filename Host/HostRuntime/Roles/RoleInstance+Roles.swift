import CNodeABI
import HostCore
import NodeSchema
import NodeValues

/// The roles service: calls that a role makes.
extension RoleInstance {
  func callRole(
    _ target: nh_str, _ node: nh_str, _ method: nh_str, _ arguments: nh_value_list, _ timeout: Int64, _ token: UInt64
  ) -> nh_handle {
    guard permits([.starting, .running], "roles.call"),
      let handle = outgoingCalls.insert(OutgoingCall(token: token, request: nil))
    else { return 0 }
    do throws(RoleDirectory.Refusal) {
      let call = (String(target), String(method), arguments, max(0, timeout))
      if let line = try self.node.line(to: String(node)) {
        try callFar(line, call, handle)
      } else {
        try callHere(call, handle)
      }
    } catch {
      // Always asynchronous: no on_reply while the role is still inside call.
      comeBack(handle, .failure(error.status, error.message))
    }
    return handle
  }

  private typealias Call = (target: String, method: String, arguments: nh_value_list, timeout: Int64)

  private func callHere(_ call: Call, _ handle: UInt64) throws(RoleDirectory.Refusal) {
    let found = try node.directory.method(call.method, of: call.target)
    let arguments = try packed(call.arguments, for: found), type = found.method.result
    let milliseconds = Int64(found.role.limits.callTimeoutMilliseconds)
    let wait = call.timeout > 0 ? call.timeout : milliseconds * 1_000_000
    let request = RoleCall(found.role, found.method, arguments, deadline: EventLoop.now() &+ wait) {
      [self] outcome in comeBack(handle, outcome, type)
    }
    outgoingCalls[handle]?.request = request
    request.send()
  }

  /// The target's manifest is elsewhere, so without a timeout of its own the caller's default holds.
  private func callFar(_ line: PeerLine, _ call: Call, _ handle: UInt64) throws(RoleDirectory.Refusal) {
    let values = try copied(call.arguments)
    let wait = call.timeout > 0 ? call.timeout : Int64(limits.callTimeoutMilliseconds) * 1_000_000
    let request = RemoteCall(line, node.peers, on: loop) { [self] outcome, type in comeBack(handle, outcome, type) }
    outgoingCalls[handle]?.request = request
    request.send(call.target, call.method, .values(values), timeout: wait)
  }

  /// Any thread.
  private func comeBack(_ handle: UInt64, _ outcome: CallOutcome, _ type: ValueType = .nothing) {
    loop.post { [self] in seat.pass(.quieting) { [self] in answered(handle, outcome, type) } }
  }

  /// Mostly they are of the method's own types.
  private func packed(
    _ arguments: nh_value_list, for found: RoleDirectory.Method
  ) throws(RoleDirectory.Refusal) -> PackedValues {
    let types = found.method.parameters
    if let items = UnsafeBufferPointer(arguments.items, arguments.count, limit: types.count),
      let packed = PackedValues(items, as: types)
    {
      return packed
    }
    return PackedValues(try found.fitting(copied(arguments)))
  }

  private func copied(_ arguments: nh_value_list) throws(RoleDirectory.Refusal) -> [Value] {
    let items = UnsafeBufferPointer(arguments.items, arguments.count, limit: Signature.parameterLimit)
    let values = items?.map { Value($0) } ?? [nil]
    guard !values.contains(nil) else {
      throw RoleDirectory.Refusal(
        status: NH_INVALID_ARGUMENT, message: "an argument is of no known type, or there are too many")
    }
    return values.compactMap(\.self)
  }

  func cancelOutgoing(_ handle: nh_handle) -> nh_status {
    guard permits([.running], "roles.cancel") else { return NH_FAILED_PRECONDITION }
    guard let call = outgoingCalls[handle] else { return NH_NOT_FOUND }
    // The answer comes through the target, so that it comes once whoever is first.
    call.request?.cancel()
    return NH_OK
  }

  func answered(_ handle: UInt64, _ outcome: CallOutcome, _ type: ValueType = .nothing) {
    guard let call = outgoingCalls.remove(handle) else { return }
    defer { tellIfQuiet() }
    var reply = nh_reply()
    reply.struct_size = UInt32(MemoryLayout<nh_reply>.size)
    reply.revision = NH_ABI_REVISION
    reply.request = handle
    reply.token = call.token
    reply.value.letter = UInt32(ValueType.nothing.rawValue)
    switch outcome {
    case .value(let value):
      let packed = PackedValues([value])
      reply.value = nh_value(letter: UInt32(type.rawValue), reserved: 0, slot: packed.slots[0])
      withExtendedLifetime(packed) { deliverReply(&reply) }
    case .error(let status, let message):
      reply.status = status
      BorrowedText.with(message) { text in
        reply.message = text
        deliverReply(&reply)
      }
    }
  }

  func listRoles(_ sink: UnsafePointer<nh_sink>) -> nh_status {
    guard permits([.starting, .running], "roles.list") else { return NH_FAILED_PRECONDITION }
    let roles = node.directory.all.map { role -> JSON in
      [
        "name": .string(role.name), "role": .string(role.description.id), "state": "running",
        "provides": .array(role.description.provides.map(JSON.string)),
        "methods": .array(role.description.methods.map { .string($0.name) }),
      ]
    }
    let text = Array(JSON.array(roles).description.utf8)
    return text.withUnsafeBufferPointer {
      sink.pointee.write(sink.pointee.ctx, nh_bytes(ptr: $0.baseAddress, len: UInt64($0.count)))
    }
  }
}
