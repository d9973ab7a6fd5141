package import CNodeABI
import HostCore
import NodeValues

/// Calls that come to a role, and their answers.
extension RoleInstance {
  package func method(_ name: String) -> PreparedMethod? { library.methods.first { $0.description.name == name } }

  /// Takes a call off the queue. The home loop.
  func begin(_ request: RoleCall) {
    if request.isCancelled { return request.completion(.failure(NH_CANCELLED, "the caller gave up")) }
    guard let method = own(request.method) else {
      let text = "\(name) has been swapped, and the new build has no such method `\(request.method.description.name)`"
      return request.completion(.failure(NH_UNIMPLEMENTED, text))
    }
    let handle = call(
      method, request.arguments.slots, deadline: request.deadline, request: request, completion: request.completion)
    request.taken = handle == 0 ? nil : (self, handle)
  }

  /// The method as this build has it: a call may have been made to the build before.
  private func own(_ method: PreparedMethod) -> PreparedMethod? {
    let place = Int(method.index)
    if library.methods.indices.contains(place), library.methods[place] === method { return method }
    return self.method(method.description.name).flatMap {
      $0.description.signature == method.description.signature ? $0 : nil
    }
  }

  /// A swap waits no longer. Idempotent calls are given back, to be made again; all others end.
  func cutShort() -> [RoleCall] {
    whenQuiet = nil
    for (handle, call) in outgoingCalls.elements {
      answered(handle, .failure(NH_CANCELLED, "\(name) is being swapped"))
      call.request?.cancel()
    }
    cutJobsShort()
    cutStoreUseShort()
    cutBlobsShort()
    endExchanges("\(name) is being swapped")
    endRpcCalls("\(name) is being swapped")
    endClientRequests("\(name) is being swapped")
    var again: [RoleCall] = []
    for (handle, call) in openCalls.elements {
      if call.method.description.isIdempotent, let request = call.request, openCalls.remove(handle) != nil {
        if let timer = call.deadlineTimer { loop.cancelTimer(timer) }
        request.taken = nil
        deliverCancelled(handle)
        again.append(request)
      } else {
        let text = "\(name) was swapped before it answered; it may or may not have done what was asked"
        cancelOpen(handle, .failure(NH_UNAVAILABLE, text))
      }
    }
    return again
  }

  /// Calls a method; the completion comes on this loop, perhaps before this returns. The handle is 0
  /// if the call has ended by then.
  @discardableResult
  package func call(
    _ method: PreparedMethod, _ arguments: UnsafePointer<nh_slot>, deadline: Int64 = 0, request: RoleCall? = nil,
    completion: @escaping (CallOutcome) -> Void
  ) -> UInt64 {
    guard isLive, !isDraining else {
      completion(.failure(NH_UNAVAILABLE, "\(name) is \(isDraining ? "draining" : phase.name)"))
      return 0
    }
    guard deadline == 0 || deadline > EventLoop.now() else {
      completion(.failure(NH_DEADLINE_EXCEEDED, "the deadline passed before \(name) got to the call"))
      return 0
    }
    let open = OpenCall(request: request, completion: completion, method: method, deadlineTimer: nil)
    guard let handle = openCalls.insert(open) else {
      completion(
        .failure(
          NH_RESOURCE_EXHAUSTED, "\(name) has \(limits.calls) open calls; try later, or raise limits.calls"))
      return 0
    }
    var call = nh_call(
      answer: UnsafePointer(tables.answer), handle: handle, deadline_ns: deadline, method: method.index, reserved: 0)
    method.invoke(role: role, call: &call, arguments: arguments)
    if deadline > 0, openCalls[handle] != nil { watchDeadline(of: handle, deadline) }
    return handle
  }

  /// Most calls are answered before the method returns, so the timer is set only afterwards.
  private func watchDeadline(of handle: UInt64, _ deadline: Int64) {
    openCalls[handle]?.deadlineTimer = loop.setTimer(
      after: deadline - EventLoop.now(), CallDeadline(role: self), token: handle)
  }

  func cancelOpen(_ handle: UInt64, _ outcome: CallOutcome) {
    guard handle != 0, let call = openCalls.remove(handle) else { return }
    deliverCancelled(handle)
    finish(call, outcome)
    tellIfDrained()
    tellIfQuiet()
  }

  func finish(_ call: OpenCall, _ outcome: CallOutcome) {
    if let timer = call.deadlineTimer { loop.cancelTimer(timer) }
    call.completion(outcome)
  }

  // MARK: nh_answer, from any thread

  func reply(_ handle: nh_handle, _ value: nh_value) -> nh_status {
    guard let owned = Value(value) else {
      misuse("it answers with a value of letter \(value.letter), which is none", "see the alphabet in call.h")
      return NH_INVALID_ARGUMENT
    }
    if loop.isCurrent { return settle(handle, owned) }
    loop.post { [self] in _ = settle(handle, owned) }
    return NH_OK
  }

  func replyError(_ handle: nh_handle, _ status: nh_status, _ message: nh_str) -> nh_status {
    let outcome = CallOutcome.failure(status == NH_OK ? NH_UNKNOWN : status, String(message))
    if loop.isCurrent { return settle(handle, outcome) }
    loop.post { [self] in _ = settle(handle, outcome) }
    return NH_OK
  }

  private func settle(_ handle: nh_handle, _ value: Value) -> nh_status {
    guard let call = openCalls.remove(handle) else { return NH_NOT_FOUND }
    if let fitting = value.converted(to: call.method.result) {
      finish(call, .value(fitting))
    } else {
      let method = call.method.description
      misuse(
        "\(method.name) answers with \(value.kind), and its signature says \(method.signature.result.name)",
        "answer with the type of the signature's return")
      finish(call, .failure(NH_INTERNAL, "\(name).\(method.name) answered with the wrong type"))
    }
    tellIfDrained()
    tellIfQuiet()
    return NH_OK
  }

  private func settle(_ handle: nh_handle, _ outcome: CallOutcome) -> nh_status {
    guard let call = openCalls.remove(handle) else { return NH_NOT_FOUND }
    finish(call, outcome)
    tellIfDrained()
    tellIfQuiet()
    return NH_OK
  }
}

/// Ends a call whose deadline passes.
private final class CallDeadline: TimerTarget {
  private unowned let role: RoleInstance
  init(role: RoleInstance) { self.role = role }

  func timerFired(_ timer: UInt64, token: UInt64) {
    let method = role.openCalls[token]?.method.description.name ?? ""
    role.cancelOpen(token, .failure(NH_DEADLINE_EXCEEDED, "\(role.name).\(method) did not answer in time"))
  }
}
