import HostCore

/// A forward table of a role, at work on a listener.
struct SeatForward: Equatable {
  var plan: ForwardPlan
  /// The listener's number for it; nil while it rests.
  var id: UInt64?
  var health: ForwardHealth?

  init(_ plan: ForwardPlan) { self.plan = plan }

  /// The same place; what it says may change.
  static func == (left: SeatForward, right: SeatForward) -> Bool {
    left.plan.table.listener == right.plan.table.listener && left.plan.table.prefix == right.plan.table.prefix
  }
}

/// What a swap changes in tables that the new build has put in the place of the old build's.
struct ForwardSwap {
  /// Of the new build, not yet at work.
  var next: [UInt64: ForwardPlan] = [:]
  /// Of the old build, should it come back.
  var before: [UInt64: ForwardPlan] = [:]
}

extension RoleSeat {
  /// Puts a table in place of the one that `previous` names, or beside all others if that is 0.
  func setForward(_ owner: RoleInstance, _ previous: UInt64, _ table: ForwardTable, token: UInt64)
    throws(ForwardTableFault) -> UInt64
  {
    guard let listener = node.http.listener(table.listener) else {
      let name = table.listener.isEmpty ? HTTPServer.defaultName : table.listener
      throw ForwardTableFault(
        place: "/listener", words: "the manifest has no listener `\(name)`; write `listen: { \(name): … }` into it")
    }
    let old = previous == 0 ? nil : forwards[previous]?.thing
    if previous != 0, old == nil { throw ForwardTableFault(place: "", words: "there is no such table to replace") }
    let plan = try makePlan(table, listener, keeping: old?.plan)
    if let handover, handover.new === owner, gate == .moving {
      let inherited = previous != 0 ? previous : forwards.inherit(SeatForward(plan), from: handover.old, token: token)
      if let inherited {
        // Once more with what is known about the upstreams that stay.
        forwardSwap.next[inherited] = try makePlan(table, listener, keeping: forwards[inherited]?.thing.plan)
        return inherited
      }
    }
    guard previous != 0 else { return try openForward(owner, plan, token) }
    guard forwards[previous]?.owner === owner else {
      throw ForwardTableFault(place: "", words: "the table to replace is another build's")
    }
    guard exchange(previous, plan) else { throw Self.taken(table) }
    forwards.retoken(previous, token)
    return previous
  }

  private func makePlan(_ table: ForwardTable, _ listener: HTTPListener, keeping old: ForwardPlan?)
    throws(ForwardTableFault) -> ForwardPlan
  {
    do throws(NetworkFailure) {
      return try ForwardPlan(table, loops: listener.loops, pools: node.clients, keeping: old)
    } catch {
      throw ForwardTableFault(place: "/upstreams", words: error.words)
    }
  }

  private func openForward(_ owner: RoleInstance, _ plan: ForwardPlan, _ token: UInt64) throws(ForwardTableFault)
    -> UInt64
  {
    guard let handle = forwards.insert(owner, SeatForward(plan), token: token) else {
      throw ForwardTableFault(place: "", words: "the role has \(RoleInstance.forwardLimit) tables, which is the limit")
    }
    guard put(handle) else {
      _ = forwards.remove(owner, handle)
      throw Self.taken(plan.table)
    }
    return handle
  }

  private static func taken(_ table: ForwardTable) -> ForwardTableFault {
    ForwardTableFault(place: "/prefix", words: "`\(table.prefix)` is taken by another table or route of this listener")
  }

  // MARK: At work

  /// Lets the listener use the table of a handle that rests.
  private func put(_ handle: UInt64) -> Bool {
    guard let plan = forwards[handle]?.thing.plan else { return false }
    return exchange(handle, plan)
  }

  /// Another plan for a handle, from one request to the next. False if its place is taken.
  private func exchange(_ handle: UInt64, _ plan: ForwardPlan) -> Bool {
    guard let old = forwards[handle]?.thing, let listener = node.http.listener(plan.table.listener),
      let patterns = try? RoutePattern.all(under: plan.table.prefix)
    else { return false }
    let staysThere = old.plan.table.listener == plan.table.listener
    guard let id = listener.put(patterns, plan, replacing: staysThere ? old.id : nil) else { return false }
    if !staysThere { removeFromListener(old) }
    old.health?.stop()
    let health = plan.table.health.map { ForwardHealth($0, plan.upstreams, loop: loop, pools: node.clients) }
    forwards.update(handle) { forward in
      forward.plan = plan
      forward.id = id
      forward.health = health
    }
    health?.start()
    startForwardStats()
    return true
  }

  private func removeFromListener(_ forward: SeatForward) {
    if let id = forward.id { node.http.listener(forward.plan.table.listener)?.remove(id) }
  }

  private func rest(_ forward: SeatForward) {
    removeFromListener(forward)
    forward.health?.stop()
  }

  // MARK: Swaps

  func flipForwards(from old: RoleInstance, to new: RoleInstance) {
    for (handle, forward) in forwards.flip(from: old, to: new) {
      rest(forward)
      forwards.update(handle) { forward in
        forward.id = nil
        forward.health = nil
      }
    }
    for (handle, plan) in forwardSwap.next {
      guard let before = forwards[handle]?.thing.plan else { continue }
      if exchange(handle, plan) { forwardSwap.before[handle] = before }
    }
    forwardSwap.next = [:]
  }

  func revertForwards(from new: RoleInstance, to old: RoleInstance) {
    // The new build's own first: one of them may stand where one of the old build's belongs.
    releaseForwards(new, keepingInherited: true)
    for (handle, plan) in forwardSwap.before { _ = exchange(handle, plan) }
    for (handle, _) in forwards.revert(from: new, to: old) { _ = put(handle) }
    forwardSwap = ForwardSwap()
  }

  /// It is known which build stays, or the swap is off.
  func settleForwards() {
    forwards.settle()
    forwardSwap = ForwardSwap()
  }

  func releaseForwards(_ owner: RoleInstance, keepingInherited: Bool = false) {
    let mayReturn = !keepingInherited && isLast(owner)
    for forward in forwards.release(owner, keepingInherited: keepingInherited) {
      guard mayReturn, let id = forward.id else {
        rest(forward)
        continue
      }
      node.http.listener(forward.plan.table.listener)?.remove(id, keptFor: name, by: AbsentRole(name))
      forward.health?.stop()
    }
  }
}
