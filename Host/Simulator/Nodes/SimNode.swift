import CNodeABI
package import HostCore
package import HostRuntime

/// A node of the world: what outlives its process (disk, clocks), and the process while it runs.
package final class SimNode {
  unowned(unsafe) let world: World
  package private(set) var plan: NodePlan
  package let number: Int
  let disk = SimDisk()
  package var clock: SimClock
  /// The present process; nil while the node is down.
  package private(set) var process: SimProcess?
  /// What every wake-up costs more than nothing, while the node is slow.
  package var slowness: Int64 = 0
  /// It lost its power, so that not even its system answers.
  private(set) var isDark = false
  /// Where it is for others: its address, or one made of its id if that is a name.
  let ip: String

  package var name: String { plan.manifest.node.name }
  package var id: UInt32 { plan.manifest.node.id }
  package var isUp: Bool { process != nil }

  init(_ plan: NodePlan, number: Int, in world: World) {
    (self.plan, self.number, self.world) = (plan, number, world)
    let isLiteral = SocketAddress(literal: plan.address, port: 1) != nil
    ip = isLiteral ? plan.address : Deployment.address(of: plan.manifest.node.id)
    clock = SimClock(bootedFor: Int64.random(in: 0...86_400_000_000_000, using: &world.chance))
  }

  /// Shows the host and its roles this node's clocks.
  func showClocks() {
    world.room.show(monotonic: clock.monotonic(world.now), wall: clock.wall(world.now))
  }

  func worldTime(of time: Int64) -> Int64 { clock.worldTime(of: time) }

  package func start() {
    guard process == nil else { return }
    world.trace.note(.boot, world.now, number, 0, "starts")
    showClocks()
    if isDark {
      isDark = false
      world.network.channels.cameBack(self)
    }
    let process = SimProcess(self)
    self.process = process
    process.start()
  }

  /// The process is gone from one moment to the next, with all that was not on the disk.
  /// `losesPower`: the machine with it, so that nobody answers in its place; nil leaves it to chance.
  package func crash(_ how: String = "crashes", losesPower: Bool? = nil) {
    guard process != nil else { return }
    world.trace.note(.crash, world.now, number, 0, how)
    vanish(losesPower: losesPower)
  }

  func vanish(losesPower: Bool? = nil) {
    guard let process else { return }
    self.process = nil
    isDark = losesPower ?? Bool.random(using: &world.chance)
    process.vanish(says: !isDark)
    disk.losePower()
  }

  /// What a role of the node has on the disk.
  package func stored(of role: String) -> StoreTable { disk.tables[role] ?? StoreTable() }
  /// How many commits have come to the disk.
  package var commits: Int { disk.commits }

  /// Asks the node as hostctl does; the answer comes at a later event, or never if the node goes down.
  package func ask(_ request: ControlRequest, _ answer: @escaping (ControlReply) -> Void) {
    guard let process else {
      return answer(.failure(.init(.unavailable, "the node is down", place: name)))
    }
    process.ask(request, answer)
  }
}
