import CNodeABI
import HostCore
package import HostRuntime

/// One process of a node, from its start to its end or death: the real node, on the machine that the world gives it.
package final class SimProcess {
  private unowned(unsafe) let owner: SimNode
  private let machine: SimMachine
  package let node: Node
  var connections: SimConnections { machine.connections }
  private let control: EventLoop

  init(_ owner: SimNode) {
    self.owner = owner
    machine = SimMachine(owner)
    control = machine.makeLoop(0, "control")
    let log = LogHub(least: owner.plan.manifest.log, writesToStandardError: false)
    node = Node(
      owner.plan, control: control, log: log, allowsOtherPlugins: true, executable: "", machine: machine)
    node.readPlan = { [unowned owner] in .success(owner.plan) }
    observe(log)
  }

  private func observe(_ log: LogHub) {
    let trace = owner.world.trace, number = owner.number, world = owner.world
    let last = Box(UInt64(0))
    log.follow { [unowned world] in
      for line in log.lines(after: last.value, limit: 1) {
        last.value = line.number
        trace.note(.log, world.now, number, Trace.number(of: line.message), Self.words(line))
        if line.level == NH_LOG_MISUSE {
          world.fail("no-misuse", "\(line.role) on \(world.nodes[number].name): \(line.message)")
        }
      }
    }
    node.observeEvents { [unowned world] role, topic, payload in
      let text = String(decoding: payload, as: UTF8.self)
      trace.note(.event, world.now, number, Trace.number(of: text), "\(role) publishes \(topic) \(text)")
      world.observe(Observation(time: world.now, node: number, role: role, topic: topic, text: text))
    }
  }

  private static func words(_ line: LogLine) -> String {
    "\(line.role.isEmpty ? "" : "\(line.role): ")\(line.message)\(line.fields.isEmpty ? "" : " \(line.fields)")"
  }

  func start() {
    do {
      try node.openListeners()
      try node.openPeers()
    } catch {
      return owner.world.fail("start", "\(owner.name) cannot start: \(error.words)")
    }
    control.post { [node] in node.start() }
  }

  func ask(_ request: ControlRequest, _ answer: @escaping (ControlReply) -> Void) {
    let carried = Carried(answer)
    control.post { [node] in node.answer(request) { reply in carried.value(reply) } }
  }

  func vanish(says: Bool) {
    machine.vanish(says: says)
    node.vanish()
  }
}

/// What goes through closures that may be sent, in a process that has one thread.
struct Carried<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}

final class Box<Value>: @unchecked Sendable {
  var value: Value
  init(_ value: Value) { self.value = value }
}
