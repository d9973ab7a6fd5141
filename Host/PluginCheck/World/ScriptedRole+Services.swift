import CNodeABI
import HostCore
import HostRuntime
import NodeValues

/// What the functions of the tables do, once the hook before each has let them.
extension ScriptedRole {
  private func permits(_ function: HostFunction) -> Bool { host.permits(function, self) }

  /// A call within its bracket that is wrong in another way.
  private func misuse(_ function: HostFunction, _ detail: String) {
    host.note(.init(function: function, phase: phase, isOnLoop: host.isOnLoop, bracket: "", detail: detail))
  }

  // MARK: nh_host

  func getService(_ id: String, _ layout: UInt64) -> UnsafeRawPointer? {
    if host.isOnLoop { host.serviceRequests.append(.init(id: id, layout: layout)) }
    guard permits(.getService), let offered = RoleTables.offered[id], offered == layout else { return nil }
    switch host.settings.withholds {
    case .nothing: break
    case .everything: return nil
    case .optional:
      guard plugin.description.needs.contains(where: { $0.id == id && $0.isRequired }) else { return nil }
    }
    return tables.table(of: id)
  }

  func log(_ level: UInt32, _ message: nh_str, _ fields: nh_json) {
    guard permits(.log) else { return }
    let words = String(message), json = String(fields)
    if level > NH_LOG_ERROR { misuse(.log, "there is no level \(level) for a plugin") }
    if !json.isEmpty, (try? JSON(parsing: json))?.object == nil {
      misuse(.log, "its fields are no JSON object: \(json)")
    }
    if host.isOnLoop { host.record("log \(level) \(words) \(json)") }
  }

  func fail(_ status: nh_status, _ message: nh_str) {
    guard permits(.fail) else { return }
    let words = "\(StatusCode.words(status)): \(String(message))"
    guard host.isOnLoop else { return }
    if host.failure == nil { host.failure = words }
    host.record("fail \(words)")
  }

  func now(_ clock: UInt32) -> Int64 {
    guard permits(.now) else { return 0 }
    // 2026-01-01, so that a wall clock differs from the other one.
    return host.clock + (clock == NH_CLOCK_WALL ? 1_767_225_600_000_000_000 : 0)
  }

  func checkThread() -> UInt32 { permits(.checkThread) && host.isOnLoop ? 1 : 0 }

  // MARK: nh_answer

  func reply(_ call: nh_handle, _ value: nh_value) -> nh_status {
    guard permits(.reply) else { return gone(call) }
    guard let owned = Value(value) else {
      misuse(.reply, "it answers with a value of letter \(value.letter), which is none")
      return NH_INVALID_ARGUMENT
    }
    return host.settle(call, .value(owned))
  }

  func replyError(_ call: nh_handle, _ status: nh_status, _ message: nh_str) -> nh_status {
    guard permits(.replyError) else { return gone(call) }
    if status == NH_OK { misuse(.replyError, "it answers with an error whose status is NH_OK") }
    return host.settle(call, .error(status, String(message)))
  }

  /// An answer that comes to nobody: the caller has just given up.
  private func gone(_ call: nh_handle) -> nh_status {
    if host.isOnLoop { _ = host.settle(call, .error(NH_CANCELLED, "")) }
    return NH_NOT_FOUND
  }

  // MARK: Timers

  func setTimer(_ function: HostFunction, _ delay: Int64, _ period: Int64, _ token: UInt64) -> nh_handle {
    guard permits(function) else { return 0 }
    if delay < 0 || period < 0 { misuse(function, "it waits for \(min(delay, period)) ns") }
    let repeats = function == .timerEvery
    let period = repeats ? max(1_000_000, period) : 0
    if let handle = host.inheritedTimer(self, delay, period, token) { return handle }
    let deadline = host.clock.addingReportingOverflow(max(0, delay))
    guard host.timers.count < ScriptedHost.timerLimit * host.instances,
      let handle = host.timers.add(
        deadline: deadline.overflow ? .max : deadline.partialValue, period: period, (token: token, repeats: repeats))
    else { return 0 }
    host.setTimers[handle] = .init(owner: self, delay: delay, period: period, token: token)
    return handle
  }

  func cancelTimer(_ timer: nh_handle) -> nh_status {
    guard permits(.timerCancel) else { return NH_NOT_FOUND }
    guard let held = host.setTimers[timer] else { return NH_NOT_FOUND }
    // What it would have inherited is still the predecessor's, should the swap be undone.
    guard held.owner === self else { return host.handover?.timers.remove(timer) == nil ? NH_NOT_FOUND : NH_OK }
    host.setTimers[timer] = nil
    return host.timers.cancel(timer) == nil ? NH_NOT_FOUND : NH_OK
  }

  func remaining(of timer: nh_handle) -> Int64 {
    guard permits(.timerRemaining), let deadline = host.timers.deadline(of: timer) else { return -1 }
    return max(0, deadline - host.clock)
  }

  // MARK: Random numbers

  func randomNumber() -> UInt64 { permits(.randomNext) ? host.numbers.next() : 0 }

  func randomNumber(below bound: UInt64) -> UInt64 {
    guard permits(.randomBelow), bound > 0 else { return 0 }
    return UInt64.random(in: 0..<bound, using: &host.numbers)
  }

  func fill(_ room: nh_buffer) -> nh_status {
    guard permits(.randomFill) else { return NH_UNAVAILABLE }
    guard room.len > 0 else { return NH_OK }
    guard let start = room.ptr, let count = Int(exactly: room.len) else { return NH_INVALID_ARGUMENT }
    for place in 0..<count { start[place] = UInt8.random(in: 0...255, using: &host.numbers) }
    return NH_OK
  }

  // MARK: Bus

  func publish(_ topic: nh_str, _ payload: nh_bytes) -> nh_status {
    guard permits(.publish) else { return NH_RESOURCE_EXHAUSTED }
    let topic = String(topic), bytes = [UInt8](payload)
    guard plugin.description.topics.contains(where: { $0.name == topic }) else {
      misuse(.publish, "it publishes `\(topic)`, which it does not declare")
      return NH_PERMISSION_DENIED
    }
    host.record("publish \(topic) \(String(decoding: bytes, as: UTF8.self))")
    return NH_OK
  }

  func subscribe(_ topic: nh_str, _ token: UInt64) -> nh_handle {
    guard permits(.subscribe) else { return 0 }
    let pattern = String(topic)
    guard TopicPattern.isPattern(pattern) else { return 0 }
    if let handle = host.inheritedSubscription(self, pattern, token) { return handle }
    guard host.subscriptions.count < ScriptedHost.subscriptionLimit * host.instances else { return 0 }
    return host.subscriptions.insert(.init(owner: self, pattern: pattern, token: token)) ?? 0
  }

  func unsubscribe(_ subscription: nh_handle) -> nh_status {
    guard permits(.unsubscribe) else { return NH_NOT_FOUND }
    guard let held = host.subscriptions[subscription] else { return NH_NOT_FOUND }
    guard held.owner === self else {
      return host.handover?.subscriptions.removeValue(forKey: subscription) == nil ? NH_NOT_FOUND : NH_OK
    }
    host.subscriptions.remove(subscription)
    return NH_OK
  }

  // MARK: Other roles

  func callRole(_ target: String, _ method: String, _ token: UInt64) -> nh_handle {
    guard permits(.rolesCall), let handle = host.outgoing.insert(.init(owner: self, token: token)) else { return 0 }
    host.record("call \(target).\(method)")
    host.unanswered.append(handle)
    return handle
  }

  func cancelOutgoing(_ call: nh_handle) -> nh_status {
    guard permits(.rolesCancel), host.outgoing[call] != nil else { return NH_NOT_FOUND }
    // Its on_reply comes as it would have.
    return NH_OK
  }

  func listRoles(_ sink: UnsafePointer<nh_sink>) -> nh_status {
    guard permits(.rolesList) else { return NH_UNAVAILABLE }
    return host.lender.bytes(Array("[]".utf8)) { sink.pointee.write(sink.pointee.ctx, $0) }
  }

  // MARK: Work

  func submitWork(_ function: nh_function, _ job: UnsafeMutableRawPointer?, _ token: UInt64) -> nh_handle {
    let work = (unsafeBitCast(function, to: nh_work_function.self), job)
    guard permits(.submitWork), host.outgoing.elements.count(where: { $0.element.job != nil }) < ScriptedHost.jobLimit,
      let handle = host.outgoing.insert(.init(owner: self, token: token, job: work))
    else { return 0 }
    host.record("submit a job")
    host.unanswered.append(handle)
    return handle
  }

  func cancelWork(_ job: nh_handle) -> nh_status {
    guard permits(.cancelWork), host.outgoing[job]?.job != nil else { return NH_NOT_FOUND }
    host.outgoing[job]?.isCancelled = true
    return NH_OK
  }

  // MARK: Peers

  /// Node 1 is the role's own, node 2 is linked, and 3 is down.
  func sendMessage(_ node: UInt32, _ role: String, _ channel: UInt32, _ priority: UInt32, _ payload: [UInt8])
    -> nh_status
  {
    guard permits(.peersSend) else { return NH_UNAVAILABLE }
    if priority > NH_PEER_BULK { misuse(.peersSend, "there is no priority \(priority)") }
    guard (1...3).contains(node) else { return NH_NOT_FOUND }
    guard node != 3 else { return NH_UNAVAILABLE }
    host.record("send to node \(node), \(role.isEmpty ? "its own role" : role), \(channel): \(payload.count) bytes")
    return NH_OK
  }

  func listNodes(_ sink: UnsafePointer<nh_sink>) -> nh_status {
    guard permits(.peersNodes) else { return NH_UNAVAILABLE }
    let nodes = (1...3).map { id -> JSON in
      [
        "id": JSON(id), "name": .string(id == 1 ? "checker" : "node-\(id)"), "address": .string("10.0.0.\(id):60000"),
        "self": .bool(id == 1), "up": .bool(id != 3), "since_ms": 1_767_225_600_000,
      ]
    }
    return host.lender.bytes(Array(JSON.array(nodes).description.utf8)) { sink.pointee.write(sink.pointee.ctx, $0) }
  }

  func isPeerUp(_ node: UInt32) -> UInt32 { permits(.peersUp) && (1...2).contains(node) ? 1 : 0 }

  // MARK: Metrics

  func metric(_ function: HostFunction, _ name: String) -> nh_handle {
    guard permits(function), host.metrics.count < ScriptedHost.metricLimit else { return 0 }
    let key = "\(function.rawValue) \(name)"
    if let place = host.metrics.firstIndex(of: key) { return UInt64(place + 1) }
    host.metrics.append(key)
    return UInt64(host.metrics.count)
  }

  func useMetric(_ function: HostFunction, _ metric: nh_handle) {
    guard permits(function) else { return }
    if metric == 0 || metric > UInt64(host.metrics.count) {
      misuse(function, "it uses \(metric), which is no metric")
    }
  }
}
