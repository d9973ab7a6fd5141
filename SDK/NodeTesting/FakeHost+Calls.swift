internal import CNodeABI

extension FakeHost {
  /// Calls a method that answers at once. For one that answers later, `within` moves the clock until it has, by
  /// at most so much.
  @discardableResult
  public func call<each Argument: MethodValue, Answer: MethodValue>(
    _ method: String, _ arguments: repeat each Argument, within limit: Duration = .zero
  ) throws -> Answer {
    let call = try begin(method, repeat each arguments)
    let end = clock.now.advanced(by: limit)
    while call.result == nil, clock.nextDue.map({ $0 <= end }) == true, clock.advanceToNext() {}
    return try call.answer()
  }

  /// Calls a method; look for its answer when the clock has moved.
  public func begin<each Argument: MethodValue>(
    _ method: String, _ arguments: repeat each Argument, timeout: Duration? = nil
  ) throws -> PendingCall {
    var values: [Value] = []
    for argument in repeat each arguments { values.append(argument.value) }
    return try begin(method, values: values, timeout: timeout)
  }

  /// The same with values that are only known at run time. They are converted to the method's types as a node
  /// does it for `hostctl call`.
  public func begin(_ method: String, values: [Value], timeout: Duration? = nil) throws -> PendingCall {
    try expect([.running], "call of \(method)")
    guard let index = library.methods.firstIndex(where: { $0.name == method }) else {
      let known = library.methods.map(\.name).joined(separator: ", ")
      throw RoleError(.notFound, "the role has no method \(method); it has \(known)")
    }
    let described = library.methods[index]
    let packed = PackedValues(try converted(values, for: described))
    var pending: PendingCall!
    _ = incoming.insert { handle in
      pending = PendingCall(method, described.signature, handle, self)
      return pending
    }
    let call = nh_call(
      answer: tables.answer, handle: pending.handle,
      deadline_ns: timeout.map { clock.now.advanced(by: $0).nanoseconds } ?? 0, method: UInt32(index), reserved: 0)
    if let timeout { setDeadline(of: pending, timeout) }
    try MethodInvocation(described).run(role, call, packed.slots)
    clock.settle()
    return pending
  }

  /// The types of a method of the role: `l(ll)`.
  public func signature(of method: String) -> String? {
    library.methods.first { $0.name == method }?.signature.description
  }

  private func setDeadline(of pending: PendingCall, _ timeout: Duration) {
    pending.deadline = clock.schedule(after: timeout) { [weak self, weak pending] in
      guard let self, let pending else { return }
      cancel(pending, RoleError(.deadlineExceeded, "\(pending.method) did not answer within \(timeout)"))
    }
  }

  private func converted(_ values: [Value], for method: DescribedMethod) throws -> [Value] {
    let types = method.signature.parameters
    guard values.count == types.count else {
      throw RoleError(
        .invalidArgument, "\(method.name)\(method.signature) takes \(types.count) arguments, got \(values.count)")
    }
    return try types.indices.map { index in
      guard let value = values[index].converted(to: types[index]) else {
        let name = method.parameterName(index)
        let found = "expected \(types[index].expectation), got \(values[index].widestType.name)"
        throw RoleError(.invalidArgument, "\(method.name): parameter `\(name)`: \(found)", at: name)
      }
      return value
    }
  }
}

extension FakeHost {
  /// Answers for the role and tells it so.
  func cancel(_ call: PendingCall, _ reason: RoleError) {
    guard call.result == nil else { return }
    finish(call, .failure(reason))
    var event = nh_event()
    event.struct_size = UInt32(MemoryLayout<nh_event>.size)
    event.revision = 1
    event.kind = NH_EVENT_CANCELLED
    event.handle = call.handle
    library.table.on_event?(role, &event)
    clock.settle()
  }

  func finish(_ call: PendingCall, _ result: Result<Value, RoleError>) {
    call.result = result
    incoming.remove(call.handle)
    if let deadline = call.deadline { clock.cancel(deadline) }
  }

  /// The role answers.
  func answer(_ handle: nh_handle, _ function: String, _ result: (PendingCall) -> Result<Value, RoleError>) -> nh_status
  {
    guard allows("nh_answer.\(function)") else { return NH_FAILED_PRECONDITION }
    guard let call = incoming[handle] else {
      if !incoming.wasGiven(handle) { breach("nh_answer.\(function): there was never a call \(handle)") }
      if answered.contains(handle) { breach("nh_answer.\(function): the call \(handle) is answered a second time") }
      return NH_NOT_FOUND
    }
    answered.insert(handle)
    finish(call, result(call))
    return NH_OK
  }

  func answer(_ handle: nh_handle, value: nh_value) -> nh_status {
    answer(handle, "reply") { call in
      let wanted = call.signature.result
      guard value.letter == UInt32(wanted.rawValue), let copy = Value(value) else {
        let letter = Unicode.Scalar(value.letter).map { Character($0) } ?? "?"
        breach("nh_answer.reply: \(call.method) answers with '\(letter)', but its signature says '\(wanted.letter)'")
        return .failure(RoleError(.internal, "\(call.method) answered with a value of another type than it declares"))
      }
      return .success(copy)
    }
  }

  func refuse(_ handle: nh_handle, _ status: nh_status, _ message: nh_str) -> nh_status {
    answer(handle, "fail") { call in
      if status == NH_OK { breach("nh_answer.fail: \(call.method) fails with NH_OK") }
      return .failure(RoleError(Status(rawValue: status), String(message)))
    }
  }
}

extension Value {
  /// The same value as another type, if it fits.
  func converted(to type: ValueType) -> Value? {
    switch (self, type) {
    case (.int(let number), .int64): .int(number)
    case (.int(let number), .int32): Int32(exactly: number).map { .int(Int64($0)) }
    case (.int(let number), .uint32): UInt32(exactly: number).map { .unsigned(UInt64($0)) }
    case (.int(let number), .uint64): UInt64(exactly: number).map { .unsigned($0) }
    case (.int(let number), .double): .double(Double(number))
    case (.unsigned(let number), .int64): Int64(exactly: number).map { .int($0) }
    case (.unsigned(let number), .int32): Int32(exactly: number).map { .int(Int64($0)) }
    case (.unsigned(let number), .uint32): UInt32(exactly: number).map { .unsigned(UInt64($0)) }
    case (.unsigned(let number), .uint64): .unsigned(number)
    case (.unsigned(let number), .double): .double(Double(number))
    case (.double, .double), (.bool, .bool), (.text, .text), (.bytes, .bytes), (.json, .json): self
    default: nil
    }
  }
}
