import CNodeABI
import HostCore
import HostRuntime

/// The rpc service, and what comes to on_rpc.
extension ScriptedRole {
  private func permits(_ function: HostFunction) -> Bool { host.permits(function, self) }

  // MARK: Services

  func serve(_ listener: nh_str, _ path: nh_str, _ token: UInt64) -> nh_handle {
    guard permits(.rpcServe), Self.isMethod(String(path)), !String(path).hasSuffix("*}"),
      let pattern = try? RoutePattern(String(path))
    else { return 0 }
    return insertRoute(String(listener), method: "POST", pattern, token, isRpc: true)
  }

  /// "/package.Service/Method".
  private static func isMethod(_ path: String) -> Bool {
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    return parts.count == 3 && parts[0].isEmpty && !parts[1].isEmpty && !parts[2].isEmpty
  }

  func unserve(_ service: nh_handle) -> nh_status { permits(.rpcUnserve) ? dropRoute(service) : NH_NOT_FOUND }

  func describe(_ set: [UInt8]) -> nh_status {
    guard permits(.rpcDescribe) else { return NH_UNAVAILABLE }
    guard let set = DescriptorSet(set) else { return NH_INVALID_ARGUMENT }
    host.record("describes \(set.files.map(\.name).joined(separator: ", "))")
    return NH_OK
  }

  // MARK: Calls

  func callServer(_ request: nh_rpc_request, _ token: UInt64, _ error: UnsafeMutablePointer<nh_error>?) -> nh_handle {
    func refuse(_ status: nh_status, _ words: String) -> nh_handle {
      host.lender.text(words) { _ = nh_fail(error, status, nh_str(), $0) }
      return 0
    }
    guard permits(.rpcCall) else { return refuse(NH_RESOURCE_EXHAUSTED, "too many calls are open") }
    let target = String(request.target), path = String(request.path)
    let address = ["http://", "https://"].first { target.hasPrefix($0) }.map { target.dropFirst($0.count) }
    guard let endpoint = address.flatMap({ Endpoint(String($0)) }), endpoint.port != 0 else {
      return refuse(NH_INVALID_ARGUMENT, "the target is no http://host:port")
    }
    guard Self.isMethod(path), path.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      return refuse(NH_INVALID_ARGUMENT, "the path is no /package.Service/Method")
    }
    guard Self.isMetadata(request.metadata, isRequest: true) else {
      return refuse(NH_INVALID_ARGUMENT, "the metadata has a name or value that cannot be sent")
    }
    let hasFirst = request.ends != 0 || request.payload.ptr != nil
    let handle = host.openTalk(
      path, token, first: hasFirst ? [[UInt8](request.payload)] : [], ends: request.ends != 0,
      timeout: request.timeout_ns)
    guard handle != 0 else { return refuse(NH_RESOURCE_EXHAUSTED, "too many calls are open") }
    host.record("calls \(path) of \(target)")
    return handle
  }

  /// When a case lets it fail, the other side has gone, and the role will hear so.
  private func withTalk(
    _ function: HostFunction, _ handle: nh_handle, _ body: (inout ScriptedHost.Talk) -> nh_status
  ) -> nh_status {
    guard permits(function) else {
      if host.isOnLoop { host.talks[handle]?.breaks = (NH_UNAVAILABLE, "the other side has gone") }
      return NH_UNAVAILABLE
    }
    if handle == 0 {
      host.note(
        .init(function: function, phase: phase, isOnLoop: host.isOnLoop, bracket: "", detail: "it names the call 0"))
    }
    guard var talk = host.talks[handle] else { return NH_NOT_FOUND }
    let status = body(&talk)
    host.talks[handle] = talk
    return status
  }

  func sendMetadata(_ handle: nh_handle, _ metadata: nh_pair_list) -> nh_status {
    withTalk(.rpcMetadata, handle) { talk in
      guard !talk.isRolesOwn, !talk.beginningWasTold else { return NH_FAILED_PRECONDITION }
      guard Self.isMetadata(metadata, isRequest: true) else { return NH_INVALID_ARGUMENT }
      talk.beginningWasTold = true
      return NH_OK
    }
  }

  func sendMessage(_ handle: nh_handle, _ payload: [UInt8]) -> nh_status {
    withTalk(.rpcSend, handle) { talk in
      if talk.isRolesOwn, talk.hasSaidAll { return NH_FAILED_PRECONDITION }
      guard talk.unread < talk.room else {
        talk.wantsToSend = true
        return NH_RESOURCE_EXHAUSTED
      }
      talk.unread += 1
      talk.written += 1
      if talk.isRolesOwn { talk.toRole.append(payload) } else { talk.beginningWasTold = true }
      host.record("\(talk.path) gets \(String(decoding: payload, as: UTF8.self))")
      return NH_OK
    }
  }

  func finishTalk(_ handle: nh_handle, _ status: nh_status, _ metadata: nh_pair_list) -> nh_status {
    var endsCall = false
    let outcome = withTalk(.rpcFinish, handle) { talk in
      guard talk.isRolesOwn else {
        guard (0...16).contains(status), Self.isMetadata(metadata) else { return NH_INVALID_ARGUMENT }
        endsCall = true
        return NH_OK
      }
      guard !talk.hasSaidAll else { return NH_FAILED_PRECONDITION }
      talk.hasSaidAll = true
      return NH_OK
    }
    if endsCall { host.endTalk(handle, "ends with \(StatusCode.words(status))") }
    return outcome
  }

  func cancelTalk(_ handle: nh_handle) -> nh_status {
    withTalk(.rpcCancel, handle) { talk in
      talk.breaks = talk.breaks ?? (NH_CANCELLED, "given up here")
      return NH_OK
    }
  }

  func creditTalk(_ handle: nh_handle, _ messages: UInt32) -> nh_status {
    withTalk(.rpcCredit, handle) { talk in
      talk.wanted += Int(messages)
      return NH_OK
    }
  }

  /// The first pair may ask for compression instead where something begins.
  private static func isMetadata(_ list: nh_pair_list, isRequest: Bool = false) -> Bool {
    var pairs = copy(list)[...]
    if isRequest, let first = pairs.first, first == ("grpc-encoding", "gzip") { pairs = pairs.dropFirst() }
    let head = MessageHead(capacity: 64)
    return pairs.allSatisfy { name, value in
      Array(name.utf8).withUnsafeBytes { name in
        Array(value.utf8).withUnsafeBytes { head.addMetadata(name, $0) }
      }
    }
  }

  // MARK: on_rpc

  func deliverTalk(_ made: MadeTalk, _ call: nh_handle, _ token: UInt64, deadline: Int64) {
    host.lender.texts([made.path, "10.0.0.7:51234"]) { words in
      host.lender.pairs(made.metadata) { metadata in
        var event = newEvent(NH_RPC_CALL, call, token)
        (event.path, event.remote, event.metadata) = (words[0], words[1], metadata)
        event.deadline_ns = made.hasDeadline ? deadline : 0
        deliver(event)
      }
    }
  }

  func deliverRpcMetadata(_ metadata: [(String, String)], _ call: nh_handle, _ token: UInt64) {
    host.lender.pairs(metadata) { metadata in
      var event = newEvent(NH_RPC_METADATA, call, token)
      event.metadata = metadata
      deliver(event)
    }
  }

  func deliverRpc(
    _ kind: UInt32, _ call: nh_handle, _ token: UInt64, status: nh_status = NH_OK, payload: [UInt8] = [],
    message: String = ""
  ) {
    host.lender.text(message) { message in
      host.lender.bytes(payload) { payload in
        var event = newEvent(kind, call, token)
        (event.status, event.message, event.payload) = (status, message, payload)
        deliver(event)
      }
    }
  }

  private func newEvent(_ kind: UInt32, _ call: nh_handle, _ token: UInt64) -> nh_rpc_event {
    var event = nh_rpc_event()
    event.struct_size = UInt32(MemoryLayout<nh_rpc_event>.size)
    event.revision = host.settings.revision
    (event.kind, event.call, event.token) = (kind, call, token)
    return event
  }

  private func deliver(_ event: nh_rpc_event) {
    guard isLive, let callback = plugin.table.pointee.on_rpc else { return }
    host.lender.structure(event) { event in host.timed("on_rpc") { callback(pointer, event) } }
  }
}
