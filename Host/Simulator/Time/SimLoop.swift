import HostRuntime

/// One loop of a node of the world, which has its turns when the world says so.
final class SimLoop: LoopDriver {
  unowned(unsafe) let world: World
  unowned(unsafe) let node: SimNode
  let index: Int
  private(set) var loop: EventLoop!
  /// When its next turn is; entries of the queue for any other time are out of date.
  var scheduled = Int64.max

  init(_ index: Int, _ name: String, of node: SimNode, in world: World) {
    (self.world, self.node, self.index) = (world, node, index)
    loop = EventLoop(index: index, name: name, driver: self, scratch: world.scratch)
  }

  func woken(_ loop: EventLoop) { world.schedule(self, at: world.now + node.slowness) }

  func takeTurn() {
    scheduled = .max
    node.showClocks()
    guard let next = loop.takeTurn() else { return }
    world.schedule(self, at: max(node.worldTime(of: next), world.now))
  }

  func abandon() {
    scheduled = .max
    loop.abandon()
  }
}
