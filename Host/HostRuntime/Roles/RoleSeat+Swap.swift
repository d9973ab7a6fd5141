import CNodeABI
import HostCore

/// Two builds in one seat: what goes over from the old to the new.
struct Handover {
  let old: RoleInstance
  let new: RoleInstance
  /// Timers of the old build that the new one has set again.
  var timers: Set<UInt64> = []
  /// Subscriptions of the old build that the new one has made again, with its tokens.
  var subscriptions: [UInt64: UInt64] = [:]
  /// The old build's tokens of those, should it come back.
  var oldTokens: [UInt64: UInt64] = [:]
}

/// Waiting for the old build to end what it has begun.
struct Quieting {
  var began: Int64
  var timer: UInt64?
  var done: () -> Void
}

/// The steps of a swap that happen on the home loop. Each is undone by `abort` until `flip`, and that by `revert`.
extension RoleSeat {
  /// From now on new calls and events wait. `done` comes when the build has nothing under way, or at the limit: then
  /// calls of idempotent methods wait for the new build too, and the others fail.
  func quiet(limitMilliseconds: Int, _ done: @escaping () -> Void) {
    gate = .quieting
    quieting = Quieting(began: EventLoop.now(), timer: nil, done: done)
    guard let current, !current.isQuiet else { return endQuieting() }
    current.whenQuiet = { [self] in endQuieting() }
    quieting?.timer = DelayedWork.after(milliseconds: Int64(limitMilliseconds), on: loop) { [self] in
      quieting?.timer = nil
      let again = current.cutShort()
      held.insert(contentsOf: again.map { request in { self.current?.begin(request) } }, at: 0)
      endQuieting()
    }
  }

  private func endQuieting() {
    current?.whenQuiet = nil
    guard let quieting, gate == .quieting else { return }
    if let current { current.endRpcCalls("\(current.name) is being swapped") }
    if let timer = quieting.timer { loop.cancelTimer(timer) }
    self.quieting?.timer = nil
    quieting.done()
  }

  /// Takes the state from the build in the seat to the new one, which may perhaps begin anew if it refuses it, and
  /// starts that. Returns the state.
  func move(to new: RoleInstance, _ transfer: StateTransfer, mayColdStart: Bool = false) throws(RoleInstance.Failure)
    -> [UInt8]?
  {
    guard let old = current, gate == .quieting else {
      throw RoleInstance.Failure(status: NH_ABORTED, message: "the role has ended")
    }
    gate = .moving
    handover = Handover(old: old, new: new)
    // What it heard after `save`, the new build would never know of.
    old.silenceRpc()
    var state: [UInt8]?
    if case .move(let version) = transfer {
      let saved = try old.save() ?? []
      try new.load(SavedState(role: old.description.id, version: version, bytes: saved), mayColdStart: mayColdStart)
      state = saved
    }
    try new.start()
    guard new.isLive else {
      throw RoleInstance.Failure(status: NH_FAILED_PRECONDITION, message: "it gave up while it started")
    }
    return state
  }

  /// Another build has taken over, and this one is kept in case that fails.
  func isReplaced(_ build: RoleInstance) -> Bool { handover?.old === build && current !== build }

  /// The new build takes over. Returns for how long the gate was closed, in nanoseconds.
  func flip() -> Int64 {
    guard var handover else { return 0 }
    for (handle, timer) in timers.elements where timer.owner === handover.old {
      if handover.timers.contains(handle) { timers[handle]?.owner = handover.new } else { pauseTimer(handle) }
    }
    for (handle, subscription) in subscriptions.elements where subscription.owner === handover.old {
      if let token = handover.subscriptions[handle] {
        handover.oldTokens[handle] = subscription.token
        subscriptions[handle] = SeatSubscription(owner: handover.new, pattern: subscription.pattern, token: token)
      } else {
        node.bus.unsubscribe(self, handle: handle)
      }
    }
    flipRoutes(from: handover.old, to: handover.new)
    flipForwards(from: handover.old, to: handover.new)
    self.handover = handover
    current = handover.new
    handover.new.announce()
    node.directory.put(handover.new)
    let pause = EventLoop.now() - (quieting?.began ?? EventLoop.now())
    quieting = nil
    openGate()
    return pause
  }

  /// The swap is off: the new build goes, the old one serves as if nothing had happened.
  func abort(_ new: RoleInstance) {
    current?.whenQuiet = nil
    if let timer = quieting?.timer { loop.cancelTimer(timer) }
    quieting = nil
    let old = handover?.old
    handover = nil
    routes.settle()
    settleForwards()
    new.end()
    if let old { old.endRpcCalls("\(old.name) was being swapped") }
    openGate()
  }

  /// The old build comes back with its state and its timers; the new one goes.
  func revert() {
    guard let handover else { return }
    self.handover = nil
    for (handle, timer) in timers.elements {
      if handover.timers.contains(handle) { timers[handle]?.owner = handover.old }
      if timer.owner === handover.old { resumeTimer(handle) }
    }
    for (handle, subscription) in subscriptions.elements {
      if let token = handover.oldTokens[handle], subscription.owner === handover.new {
        subscriptions[handle] = SeatSubscription(owner: handover.old, pattern: subscription.pattern, token: token)
      } else if subscription.owner === handover.old {
        node.bus.subscribe(self, subscription.pattern, handle: handle)
      }
    }
    revertRoutes(from: handover.new, to: handover.old)
    revertForwards(from: handover.new, to: handover.old)
    current = handover.old
    handover.old.announce()
    node.directory.put(handover.old)
    handover.old.resumeDescriptors()
    handover.old.endRpcCalls("\(handover.old.name) was being swapped")
    handover.new.end()
  }

  /// Probation is over: the old build goes for good.
  func retire() {
    guard let handover else { return }
    self.handover = nil
    routes.settle()
    settleForwards()
    handover.old.end()
  }

  /// All timers and subscriptions of a build that ends.
  func release(_ owner: RoleInstance) {
    releaseRoutes(owner)
    releaseForwards(owner)
    for (handle, timer) in timers.elements where timer.owner === owner { removeTimer(handle) }
    for (handle, subscription) in subscriptions.elements where subscription.owner === owner {
      removeSubscription(handle)
    }
  }
}
