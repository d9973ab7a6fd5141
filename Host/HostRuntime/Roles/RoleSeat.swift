import CNodeABI
package import HostCore
import Synchronization

/// The place of a role on its node, through all its builds: its name, its home loop, its queue, and the timers and
/// subscriptions that outlive a build. All of it is touched on the home loop only, but what is marked otherwise.
package final class RoleSeat: @unchecked Sendable {
  package let name: String
  package let loop: EventLoop
  let node: NodeServices
  package let limits: LimitSettings

  /// What may pass to the role.
  enum Gate {
    case open
    /// What is new waits; what the old build has begun goes on.
    case quieting
    /// Everything waits: the state is on its way from one build to the other.
    case moving
  }

  // Any thread.
  private let queued = Atomic<Int>(0)
  let droppedEvents: MetricSeries
  /// The name as messages carry it.
  let ownName: UnsafeRawBufferPointer

  // The home loop.
  package internal(set) var current: RoleInstance?
  var gate = Gate.open
  /// What waits at the gate, in order.
  var held: [() -> Void] = []
  var timers = SlotTable<SeatTimer>(limit: 2 * RoleInstance.timerLimit)
  var subscriptions = SlotTable<SeatSubscription>(limit: 2 * RoleInstance.subscriptionLimit)
  var routes = SeatHoldings<SeatRoute>(limit: 2 * RoleInstance.routeLimit)
  var forwards = SeatHoldings<SeatForward>(limit: 2 * RoleInstance.forwardLimit)
  var forwardSwap = ForwardSwap()
  var forwardTimer: UInt64?
  var handover: Handover?
  var quieting: Quieting?
  /// There while a build needs the peers service.
  var inbox: PeerInbox?
  let sender: PeerSender

  package init(name: String, loop: EventLoop, node: NodeServices, limits: LimitSettings) {
    self.name = name
    self.loop = loop
    self.node = node
    self.limits = limits
    ownName = Self.copy(of: name)
    sender = PeerSender(node.peers, on: loop)
    // No role can have taken the name: what begins with `nodehost_` is the host's.
    droppedEvents = node.metrics.series(
      .counter, "nodehost_events_dropped_total", help: "Events that met a full queue.",
      labels: [("node", node.nodeName), ("role", name)], bounds: [])!
  }

  deinit { ownName.deallocate() }

  private static func copy(of name: String) -> UnsafeRawBufferPointer {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: name.utf8.count, alignment: 1)
    room.copyBytes(from: name.utf8)
    return UnsafeRawBufferPointer(room)
  }

  /// Each build has its own share of the limits.
  var buildCount: Int { handover == nil ? 1 : 2 }

  /// Runs `work` on the home loop in its turn, with the build of that moment; false if the queue is full. Any thread.
  func enqueue(_ work: @escaping @Sendable (RoleInstance?) -> Void) -> Bool {
    guard queued.add(1, ordering: .relaxed).newValue <= limits.queue else {
      queued.subtract(1, ordering: .relaxed)
      return false
    }
    loop.post { [self] in pass(.open) { self.leaveQueue(work) } }
    return true
  }

  private func leaveQueue(_ work: (RoleInstance?) -> Void) {
    queued.subtract(1, ordering: .relaxed)
    work(current)
  }

  /// Runs `work` now, or once the gate opens if only `open` lets it pass or everything waits.
  func pass(_ needed: Gate, _ work: @escaping () -> Void) {
    if gate == .open || (gate == .quieting && needed == .quieting) { return work() }
    held.append(work)
  }

  /// Lets out what has waited, in its order.
  func openGate() {
    gate = .open
    current?.resumeDescriptors()
    let waiting = held
    held = []
    for work in waiting { work() }
  }

  /// What it holds holds on to it.
  func vanish() {
    current = nil
    handover = nil
    quieting = nil
    held = []
    inbox = nil
  }

  /// The role has ended for good.
  func vacate() {
    current = nil
    handover = nil
    leavePeers()
    stopForwardStats()
    openGate()
  }
}
