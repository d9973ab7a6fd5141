internal import CNodeABI

/// Calls of other roles' methods, on this node or another: always asynchronous, always with a deadline.
public struct Roles {
  let link: HostLink

  /// Calls `method` of `target`, a role's name or an id that a role provides. `done` gets what it answered, as
  /// the type that `done` asks for, or why not:
  ///
  ///     try context.roles.call("calculator", "add", 2, 40) { (sum: Result<Int, RoleError>) in … }
  ///
  /// - Parameters:
  ///   - node: a node's name; empty is this one.
  ///   - timeout: nil takes the manifest's default.
  // Inlinable, so that the call goes through the plugin's own types and not through generic ones that are looked up
  // each time.
  @discardableResult @inlinable
  public func call<each Argument: MethodValue, Answer: MethodValue>(
    _ target: String, _ method: String, _ arguments: repeat each Argument, node: String = "",
    timeout: Duration? = nil, then done: @escaping (Result<Answer, RoleError>) throws -> Void
  ) throws -> OutgoingCall {
    var values: [Value] = []
    var types: [ValueType] = []
    for argument in repeat each arguments {
      values.append(argument.value)
      types.append(type(of: argument).valueType)
    }
    return try call(target, method, values, types, node: node, timeout: timeout) { outcome in
      try done(outcome.flatMap { value in Result(catching: { try Answer(value) }).mapError { RoleError($0) } })
    }
  }

  @usableFromInline func call(
    _ target: String, _ method: String, _ values: [Value], _ types: [ValueType], node: String, timeout: Duration?,
    then done: @escaping (Result<Value, RoleError>) throws -> Void
  ) throws -> OutgoingCall {
    try send(CallEntry(method: method, of: target, done: done)) { service, token in
      values.lend(as: types) { list in
        target.lend { target in
          node.lend { node in
            method.lend { method in
              service.pointee.call(
                service.pointee.ctx, target, node, method, list, timeout?.nanoseconds ?? 0, token)
            }
          }
        }
      }
    }
  }

  /// The roles of this node: a list of objects with name, role, state, provides and methods.
  public func list() throws -> JSON {
    let service = try link.rolesService
    let output = SinkBuffer()
    let status = output.lend { service.pointee.list(service.pointee.ctx, $0) }
    guard status == NH_OK else { throw RoleError(Status(rawValue: status), "the host does not list its roles now") }
    return try JSON(payload: output.bytes)
  }

  private func send(
    _ entry: CallEntry, _ body: (UnsafePointer<nh_roles_service>, UInt64) -> nh_handle
  ) throws -> OutgoingCall {
    let service = try link.rolesService
    let token = link.calls.insert(entry)
    let handle = body(service, token)
    guard handle != 0 else {
      link.calls.remove(token)
      throw RoleError(.resourceExhausted, "the role has too many open calls; wait for answers before asking more")
    }
    link.calls[token]?.handle = handle
    return OutgoingCall(link: link, handle: handle, token: token)
  }
}

/// A call that was sent and not answered yet.
public struct OutgoingCall {
  let link: HostLink
  let handle: nh_handle
  let token: UInt64

  /// Gives it up; its closure gets ``Status/cancelled``.
  public func cancel() {
    guard link.calls[token] != nil, let service = try? link.rolesService else { return }
    _ = service.pointee.cancel(service.pointee.ctx, handle)
  }
}

struct CallEntry {
  var handle: nh_handle = 0
  private let about: String
  private var method = ""
  var done: (Result<Value, RoleError>) throws -> Void
  /// Instead of `done`, for services whose replies say more than a value, or come in several parts.
  var reply: ((nh_reply) throws -> Void)?

  init(what: String, done: @escaping (Result<Value, RoleError>) throws -> Void) { (about, self.done) = (what, done) }

  init(what: String, reply: @escaping (nh_reply) throws -> Void) {
    (about, done, self.reply) = (what, { _ in }, reply)
  }

  init(method: String, of role: String, done: @escaping (Result<Value, RoleError>) throws -> Void) {
    (about, self.method, self.done) = (role, method, done)
  }

  /// Put together only when it is told.
  var what: String { method.isEmpty ? about : "the closure for \(about).\(method)" }
}

extension HostLink {
  func replyCame(_ reply: nh_reply) {
    // An unknown token is an answer to the role's predecessor, before a swap.
    guard let entry = calls[reply.token], entry.handle == reply.request else { return }
    if reply.flags & NH_REPLY_MORE == 0 { calls.remove(reply.token) }
    if let take = entry.reply {
      do { try take(reply) } catch { report(error, from: entry.what) }
      return
    }
    do { try entry.done(Self.outcome(of: reply)) } catch { report(error, from: entry.what) }
  }

  private static func outcome(of reply: nh_reply) -> Result<Value, RoleError> {
    guard reply.status == NH_OK else {
      return .failure(RoleError(Status(rawValue: reply.status), String(reply.message)))
    }
    guard let value = Value(reply.value) else {
      return .failure(RoleError(.internal, "the answer is of no known type"))
    }
    return .success(value)
  }
}
