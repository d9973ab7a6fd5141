import HostCore

/// Two instances in one place: what goes over from the old to the new, as timer.h, bus.h and http.h say.
struct Handover {
  let old: ScriptedRole
  let new: ScriptedRole
  /// Timers of the old one that the new one has set again.
  var timers: Set<UInt64> = []
  /// Subscriptions of the old one that the new one has made again, with its tokens.
  var subscriptions: [UInt64: UInt64] = [:]
  /// Routes of the old one that the new one has asked for again, with its tokens.
  var routes: [UInt64: UInt64] = [:]
  /// The same for forward tables.
  var forwards: [UInt64: UInt64] = [:]
}

extension ScriptedHost {
  var instances: Int { handover == nil ? 1 : 2 }

  /// The timer of the predecessor that a start asks for again.
  func inheritedTimer(_ role: ScriptedRole, _ delay: Int64, _ period: Int64, _ token: UInt64) -> UInt64? {
    guard let handover, handover.new === role, role.phase == .starting else { return nil }
    let same = setTimers.first { handle, timer in
      timer.owner === handover.old && timer.delay == delay && timer.period == period && timer.token == token
        && !handover.timers.contains(handle)
    }
    if let same { self.handover?.timers.insert(same.key) }
    return same?.key
  }

  func inheritedSubscription(_ role: ScriptedRole, _ pattern: String, _ token: UInt64) -> UInt64? {
    guard let handover, handover.new === role, role.phase == .starting else { return nil }
    let same = subscriptions.elements.first { handle, subscription in
      subscription.owner === handover.old && subscription.pattern == pattern && handover.subscriptions[handle] == nil
    }
    if let same { self.handover?.subscriptions[same.handle] = token }
    return same?.handle
  }

  /// The new one takes over, or the old one stays as if nothing had happened. What belongs to the other ends.
  func endHandover(to role: ScriptedRole) {
    guard let handover else { return }
    self.handover = nil
    if role === handover.new {
      for handle in handover.timers { setTimers[handle]?.owner = role }
      for (handle, token) in handover.subscriptions {
        subscriptions[handle]?.owner = role
        subscriptions[handle]?.token = token
      }
      for (handle, token) in handover.forwards {
        forwards[handle]?.owner = role
        forwards[handle]?.token = token
      }
      for (handle, token) in handover.routes {
        routes[handle]?.owner = role
        routes[handle]?.token = token
      }
    }
    for (handle, timer) in setTimers where timer.owner !== role {
      timers.cancel(handle)
      setTimers[handle] = nil
    }
    for (handle, subscription) in subscriptions.elements where subscription.owner !== role {
      subscriptions.remove(handle)
    }
    for (handle, watch) in watches.elements where watch.owner !== role { watches.remove(handle) }
    for (handle, forward) in forwards.elements where forward.owner !== role { forwards.remove(handle) }
    for (handle, route) in routes.elements where route.owner !== role { routes.remove(handle) }
    for (handle, request) in outgoing.elements where request.owner !== role { outgoing.remove(handle) }
    unanswered.removeAll { outgoing[$0] == nil }
  }
}
