import HostCore

/// A subscription of a role. It belongs to the build that made it, until the next one's start makes the same again.
struct SeatSubscription {
  unowned(unsafe) var owner: RoleInstance
  var pattern: String
  var token: UInt64
}

extension RoleSeat {
  func subscribe(_ owner: RoleInstance, _ pattern: String, token: UInt64) -> UInt64? {
    if let handle = inheritSubscription(owner, pattern, token) { return handle }
    guard subscriptions.count < RoleInstance.subscriptionLimit * buildCount else { return nil }
    let subscription = SeatSubscription(owner: owner, pattern: pattern, token: token)
    guard let handle = subscriptions.insert(subscription) else { return nil }
    node.bus.subscribe(self, pattern, handle: handle)
    return handle
  }

  /// False if there is no such subscription.
  func unsubscribe(_ owner: RoleInstance, _ handle: UInt64) -> Bool {
    guard let subscription = subscriptions[handle] else { return false }
    if subscription.owner === owner {
      removeSubscription(handle)
      return true
    }
    return handover?.new === owner && handover?.subscriptions.removeValue(forKey: handle) != nil
  }

  func removeSubscription(_ handle: UInt64) {
    guard subscriptions.remove(handle) != nil else { return }
    node.bus.unsubscribe(self, handle: handle)
  }

  /// Any thread.
  func receive(_ event: BusEvent, handle: UInt64) {
    let queued = enqueue { [self] role in
      guard let subscription = subscriptions[handle], subscription.owner === role else { return }
      subscription.owner.deliver(event, handle: handle, token: subscription.token)
    }
    if !queued { droppedEvents.addFromAnyThread(1) }
  }

  private func inheritSubscription(_ owner: RoleInstance, _ pattern: String, _ token: UInt64) -> UInt64? {
    guard let handover, handover.new === owner, gate == .moving else { return nil }
    let same = subscriptions.elements.first { handle, subscription in
      subscription.owner === handover.old && subscription.pattern == pattern && handover.subscriptions[handle] == nil
    }
    guard let same else { return nil }
    self.handover?.subscriptions[same.handle] = token
    return same.handle
  }
}
