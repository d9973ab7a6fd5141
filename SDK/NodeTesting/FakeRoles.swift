internal import CNodeABI

/// What the role asked of another role.
public struct RecordedCall: Sendable, Equatable {
  public var target: String
  public var method: String
  /// Empty is the role's own node.
  public var node: String
  public var arguments: [Value]
  /// Nil took the default.
  public var timeout: Duration?

  public init(target: String, method: String, node: String = "", arguments: [Value], timeout: Duration? = nil) {
    self.target = target
    self.method = method
    self.node = node
    self.arguments = arguments
    self.timeout = timeout
  }
}

struct Stub {
  var delay: Duration
  var body: ([Value]) throws -> Value
}

struct FakeOutgoing {
  var token: UInt64
  /// The places in the clock's queue of the answer and of the deadline.
  var due: [UInt64]
}

extension FakeHost {
  private static let callLimit = 4_096
  /// What a node takes when neither the call nor the manifest says.
  private static let defaultTimeout = Duration.seconds(10)

  /// Lets a method of another role be answered by a closure. What it throws is the answer too.
  ///
  ///     host.stub("calculator", "add") { (a: Int, b: Int) in a + b }
  ///
  /// - Parameter delay: how long the answer takes; longer than the caller's timeout is no answer.
  public func stub<each Argument: MethodValue, Answer: MethodValue>(
    _ target: String, _ method: String, after delay: Duration = .zero,
    _ body: @escaping (repeat each Argument) throws -> Answer
  ) {
    stubs[target + "." + method] = Stub(delay: delay) { values in
      var types: [ValueType] = []
      for type in repeat (each Argument).self { types.append(type.valueType) }
      guard values.count == types.count else {
        throw RoleError(.invalidArgument, "\(method) takes \(types.count) arguments, got \(values.count)")
      }
      var next = 0
      func take<T: MethodValue>(_ type: T.Type) throws -> T {
        defer { next += 1 }
        guard let value = values[next].converted(to: T.valueType) else {
          throw RoleError(.invalidArgument, "argument \(next + 1) of \(method): expected \(T.valueType.expectation)")
        }
        return try T(value)
      }
      return try body(repeat take((each Argument).self)).value
    }
  }

  func roleCalls(
    _ target: String, _ node: String, _ method: String, _ arguments: nh_value_list, _ timeout: Int64,
    _ token: UInt64
  ) -> nh_handle {
    guard permits("nh_roles_service.call"), outgoingCalls.count < Self.callLimit else { return 0 }
    let items = UnsafeBufferPointer(start: arguments.items, count: Int(arguments.count))
    let values = items.compactMap { Value($0) }
    if values.count != items.count { breach("nh_roles_service.call: an argument is of no known type") }
    outgoing.append(
      RecordedCall(
        target: target, method: method, node: node, arguments: values,
        timeout: timeout == 0 ? nil : .nanoseconds(timeout)))
    let limit = timeout == 0 ? Self.defaultTimeout : .nanoseconds(timeout)
    return outgoingCalls.insert { handle in
      FakeOutgoing(token: token, due: schedule(handle, target, method, values, limit))
    }
  }

  func cancelOutgoing(_ handle: nh_handle) -> nh_status {
    guard allows("nh_roles_service.cancel") else { return NH_FAILED_PRECONDITION }
    guard outgoingCalls[handle] != nil else {
      expectGiven(handle, outgoingCalls, "nh_roles_service.cancel")
      return NH_NOT_FOUND
    }
    _ = clock.schedule(after: .zero) { [unowned self] in
      conclude(handle, .failure(RoleError(.cancelled, "the call was given up")))
    }
    return NH_OK
  }

  func listRoles(_ sink: UnsafePointer<nh_sink>) -> nh_status {
    guard permits("nh_roles_service.list") else { return NH_UNAVAILABLE }
    let names = Set(stubs.keys.compactMap { $0.split(separator: ".").first.map(String.init) }).sorted()
    let list = JSON.array(names.map { ["name": .string($0), "state": "running"] })
    return sink.write(list.payload)
  }

  private func schedule(
    _ handle: nh_handle, _ target: String, _ method: String, _ values: [Value], _ limit: Duration
  ) -> [UInt64] {
    let stub = stubs[target + "." + method]
    let deadline = clock.schedule(after: limit) { [unowned self] in
      conclude(handle, .failure(RoleError(.deadlineExceeded, "\(target).\(method) did not answer within \(limit)")))
    }
    let answer = clock.schedule(after: stub?.delay ?? .zero) { [unowned self] in
      guard outgoingCalls[handle] != nil else { return }
      let missing = RoleError(
        .notFound, "there is no \(target).\(method); write host.stub(\"\(target)\", \"\(method)\")")
      conclude(handle, Result { try stub?.body(values) ?? { throw missing }() }.mapError { RoleError($0) })
    }
    return [answer, deadline]
  }

  private func conclude(_ handle: nh_handle, _ result: Result<Value, RoleError>) {
    guard let call = outgoingCalls.remove(handle) else { return }
    for number in call.due { clock.cancel(number) }
    guard let function = library.table.on_reply else {
      return breach("a call was answered, and the role has no on_reply")
    }
    let (value, error): (Value, RoleError?) =
      switch result {
      case .success(let value): (value, nil)
      case .failure(let error): (.nothing, error)
      }
    value.lend(as: value.widestType) { borrowed in
      (error?.description ?? "").lend { message in
        var reply = nh_reply(
          struct_size: UInt32(MemoryLayout<nh_reply>.size), revision: 1, request: handle, token: call.token,
          status: error?.status.rawValue ?? NH_OK, flags: 0, message: message, key: nh_bytes(ptr: nil, len: 0),
          value: borrowed, revision_number: 0)
        function(role, &reply)
      }
    }
  }
}
