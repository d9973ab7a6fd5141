import CNodeABI
import HostCore
import NodeSchema
import NodeValues

/// The roles service: calls that a role makes.
extension RoleInstance {
  private struct Refusal: Error {
    var status: nh_status
    var message: String
  }

  func callRole(
    _ target: nh_str, _ node: nh_str, _ method: nh_str, _ arguments: nh_value_list, _ timeout: Int64, _ token: UInt64
  ) -> nh_handle {
    guard permits([.starting, .running], "roles.call"),
      let handle = outgoingCalls.insert(OutgoingCall(token: token, request: nil))
    else { return 0 }
    do throws(Refusal) {
      let request = try request(String(target), String(node), String(method), arguments, timeout, handle)
      outgoingCalls[handle]?.request = request
      request.send()
    } catch {
      // Always asynchronous: no on_reply while the role is still inside call.
      comeBack(handle, .failure(error.status, error.message))
    }
    return handle
  }

  private func request(
    _ target: String, _ nodeName: String, _ method: String, _ arguments: nh_value_list, _ timeout: Int64,
    _ handle: UInt64
  ) throws(Refusal) -> RoleCall {
    guard nodeName.isEmpty || nodeName == node.nodeName else {
      throw Refusal(status: NH_UNAVAILABLE, message: "no link to the node `\(nodeName)`")
    }
    guard let role = node.directory.find(target) else { throw unknown(target) }
    guard let method = role.method(method) else {
      let near = nearestWord(to: method, among: role.description.methods.map(\.name))
      let hint = near.map { "; did you mean `\($0)`?" } ?? ""
      throw Refusal(status: NH_UNIMPLEMENTED, message: "\(role.name) has no method `\(method)`\(hint)")
    }
    let values = try checked(arguments, method.description, role.name)
    let milliseconds = Int64(role.limits.callTimeoutMilliseconds)
    let wait = timeout > 0 ? timeout : milliseconds * 1_000_000
    return RoleCall(role, method, PackedValues(values), deadline: EventLoop.now() &+ wait) { [self] outcome in
      comeBack(handle, outcome)
    }
  }

  /// Any thread.
  private func comeBack(_ handle: UInt64, _ outcome: CallOutcome) {
    loop.post { [self] in seat.pass(.quieting) { [self] in answered(handle, outcome) } }
  }

  private func unknown(_ target: String) -> Refusal {
    if node.directory.isKnown(target) {
      return Refusal(status: NH_UNAVAILABLE, message: "the role `\(target)` is not running")
    }
    let hint = nearestWord(to: target, among: node.directory.names).map { "; did you mean `\($0)`?" } ?? ""
    return Refusal(status: NH_NOT_FOUND, message: "no role is named `\(target)` or provides it\(hint)")
  }

  private func checked(_ arguments: nh_value_list, _ method: PluginDescription.Method, _ role: String) throws(Refusal)
    -> [Value]
  {
    let types = method.signature.parameters
    let items = UnsafeBufferPointer(arguments.items, arguments.count, limit: Signature.parameterLimit)
    guard let items, items.count == types.count else {
      throw Refusal(
        status: NH_INVALID_ARGUMENT,
        message: "\(role).\(method.name) takes \(types.count) arguments, got \(arguments.count)")
    }
    var values: [Value] = []
    for (place, type) in types.enumerated() {
      guard let value = Value(items[place]), let fitting = value.converted(to: type) else {
        throw Refusal(
          status: NH_INVALID_ARGUMENT,
          message: "\(role).\(method.name): parameter `\(method.parameters[place])` must be \(type.expectation)")
      }
      values.append(fitting)
    }
    return values
  }

  func cancelOutgoing(_ handle: nh_handle) -> nh_status {
    guard permits([.running], "roles.cancel") else { return NH_FAILED_PRECONDITION }
    guard let call = outgoingCalls[handle] else { return NH_NOT_FOUND }
    // The answer comes through the target, so that it comes once whoever is first.
    call.request?.cancel()
    return NH_OK
  }

  func answered(_ handle: UInt64, _ outcome: CallOutcome) {
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
      let type = call.request?.method.description.signature.result ?? .nothing
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
