internal import CNodeABI

// The C functions of every Swift role. They carry no type: the instance behind the role pointer knows it. No
// Swift error leaves them, only statuses and words.

func createRole(
  _ host: UnsafePointer<nh_host>, _ config: nh_json, _ role: UnsafeMutablePointer<UnsafeMutableRawPointer?>,
  _ error: UnsafeMutablePointer<nh_error>
) -> nh_status {
  attempt(error) {
    guard let table = PluginTable.current else { throw RoleError(.internal, "create came before nh_plugin_query") }
    let text = String(config)
    let settings = text.isEmpty ? JSON.object(JSONObject()) : try JSON(parsing: text)
    role.pointee = try table.makeRole(host, settings).retainedPointer
  }
}

func startRole(_ role: UnsafeMutableRawPointer?, _ error: UnsafeMutablePointer<nh_error>) -> nh_status {
  attempt(error) { try RoleInstance.at(role).start() }
}

func destroyRole(_ role: UnsafeMutableRawPointer?) { RoleInstance.destroy(role) }

extension nh_plugin {
  /// Null where the role asks for nothing that would come there.
  mutating func setCallbacks(_ needs: [Need]) {
    func uses(_ need: Need) -> Bool { needs.contains { $0.id == need.id } }
    if uses(.timer) {
      on_timer = { role, timer, token in RoleInstance.with(role) { $0.link.timerRanOut(timer, token) } }
    }
    if uses(.roles) || uses(.work) || uses(.store) || uses(.blob) {
      on_reply = { role, reply in RoleInstance.with(role) { $0.link.replyCame(reply.pointee) } }
    }
    if uses(.http) || uses(.client) {
      on_http = { role, event in RoleInstance.with(role) { $0.link.httpEventCame(event.pointee) } }
    }
    if uses(.rpc) {
      on_rpc = { role, event in RoleInstance.with(role) { $0.link.rpcEventCame(event.pointee) } }
    }
    if uses(.peers) {
      on_message = { role, message in RoleInstance.with(role) { $0.link.messageCame(message.pointee) } }
    }
    on_event = { role, event in RoleInstance.with(role) { $0.link.eventCame(event.pointee) } }
  }

  /// Null where the role does not say anything.
  mutating func setAspects<R: Role>(_ aspects: Aspects<R>) {
    if aspects.drain != nil { drain = { role in RoleInstance.at(role).drain() } }
    if aspects.stop != nil { stop = { role in RoleInstance.at(role).stop() } }
    if aspects.health != nil { health = { role, reason in report(RoleInstance.at(role).health(), reason) } }
    if aspects.reconfigure != nil {
      reconfigure = { role, config, error in
        attempt(error) { try RoleInstance.at(role).reconfigure(JSON(parsing: String(config))) }
      }
    }
    if let version = aspects.stateVersion { setState(version: version) }
  }

  private mutating func setState(version: Int) {
    state_version = UInt32(version)
    save = { role, state, error in
      attempt(error) {
        let status = state.write(try RoleInstance.at(role).save())
        guard status == NH_OK else { throw RoleError(Status(rawValue: status), "the host did not take the state") }
      }
    }
    load = { role, version, state, error in
      attempt(error) { try RoleInstance.at(role).load([UInt8](state), version: Int(version)) }
    }
  }
}

/// All methods of a Swift role: the call says which one it is.
let packedMethod: nh_function = {
  let method: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<nh_call>, UnsafePointer<nh_slot>?) -> Void = {
    role, call, slots in
    RoleInstance.with(role) { $0.invoke(call.pointee, slots) }
  }
  return unsafeBitCast(method, to: nh_function.self)
}()

/// Runs a body whose errors go to the host.
func attempt(_ error: UnsafeMutablePointer<nh_error>?, _ body: () throws -> Void) -> nh_status {
  do {
    try body()
    return NH_OK
  } catch let thrown {
    let described = RoleError(thrown)
    error?.fill(described)
    return described.status.rawValue
  }
}

private func report(_ health: Health, _ sink: UnsafePointer<nh_sink>) -> UInt32 {
  switch health {
  case .ok:
    return NH_HEALTH_OK
  case .degraded(let reason):
    _ = sink.write(Array(reason.utf8))
    return NH_HEALTH_DEGRADED
  case .failed(let reason):
    _ = sink.write(Array(reason.utf8))
    return NH_HEALTH_FAILED
  }
}
