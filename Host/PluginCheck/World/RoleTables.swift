import CNodeABI
import HostRuntime

/// The C tables that one instance is given, each with the edge that the host's settings ask for.
final class RoleTables {
  let host: UnsafePointer<nh_host>
  let answer: UnsafePointer<nh_answer>
  private var services: [String: UnsafeRawPointer] = [:]
  private var memory: [EdgeMemory] = []

  /// The services that the scripted host plays, with their layouts.
  static let offered: [String: UInt64] = [
    NH_TIMER_ID: NH_TIMER_LAYOUT, NH_RANDOM_ID: NH_RANDOM_LAYOUT, NH_BUS_ID: NH_BUS_LAYOUT,
    NH_ROLES_ID: NH_ROLES_LAYOUT, NH_METRICS_ID: NH_METRICS_LAYOUT, NH_WORK_ID: NH_WORK_LAYOUT,
    NH_PEERS_ID: NH_PEERS_LAYOUT,
  ]

  init(_ role: ScriptedRole, _ settings: ScriptedHost.Settings) {
    let context = Unmanaged.passUnretained(role).toOpaque()
    var memory: [EdgeMemory] = []
    func place<Table: BitwiseCopyable>(_ table: Table) -> UnsafePointer<Table> {
      let edge = settings.hasLargerTables ? .poisoned : settings.tableEdge ?? settings.edge
      let room = EdgeMemory(size: MemoryLayout<Table>.size, edge: edge)
      memory.append(room)
      let pointer = room.start.bindMemory(to: Table.self, capacity: 1)
      pointer.initialize(to: table)
      // Every table begins so; see base.h.
      let more = settings.hasLargerTables ? UInt32(EdgeMemory.margin) : 0
      room.start.storeBytes(of: UInt32(MemoryLayout<Table>.size) + more, as: UInt32.self)
      room.start.storeBytes(of: settings.revision, toByteOffset: 4, as: UInt32.self)
      return UnsafePointer(pointer)
    }
    func text(_ text: String) -> nh_str {
      let room = EdgeMemory(text.utf8, edge: settings.edge)
      memory.append(room)
      return nh_str(ptr: room.start.assumingMemoryBound(to: CChar.self), len: UInt64(text.utf8.count))
    }
    answer = place(Self.answerTable(context))
    services[NH_TIMER_ID] = UnsafeRawPointer(place(Self.timerTable(context)))
    services[NH_RANDOM_ID] = UnsafeRawPointer(place(Self.randomTable(context)))
    services[NH_BUS_ID] = UnsafeRawPointer(place(Self.busTable(context)))
    services[NH_ROLES_ID] = UnsafeRawPointer(place(Self.rolesTable(context)))
    services[NH_METRICS_ID] = UnsafeRawPointer(place(Self.metricsTable(context)))
    services[NH_WORK_ID] = UnsafeRawPointer(place(Self.workTable(context)))
    services[NH_PEERS_ID] = UnsafeRawPointer(place(Self.peersTable(context)))
    host = place(Self.hostTable(context, text("checked"), text("checker")))
    self.memory = memory
  }

  func table(of service: String) -> UnsafeRawPointer? { services[service] }

  /// Whoever uses a table from here on crashes; only where tables have pages of their own.
  func forbid() { for room in memory { room.forbid() } }

  private static func hostTable(_ context: UnsafeMutableRawPointer, _ role: nh_str, _ node: nh_str) -> nh_host {
    nh_host(
      struct_size: 0, revision: 0, ctx: context, role_name: role, node_name: node, node_id: 1, reserved: 0,
      get_service: { host, id, layout in ScriptedRole.at(host.pointee.ctx).getService(String(id), layout) },
      log: { host, level, message, fields in ScriptedRole.at(host.pointee.ctx).log(level, message, fields) },
      fail: { host, status, message in ScriptedRole.at(host.pointee.ctx).fail(status, message) },
      now: { host, clock in ScriptedRole.at(host.pointee.ctx).now(clock) },
      check_thread: { host in ScriptedRole.at(host.pointee.ctx).checkThread() })
  }

  private static func answerTable(_ context: UnsafeMutableRawPointer) -> nh_answer {
    nh_answer(
      struct_size: 0, revision: 0, ctx: context, reply: { ScriptedRole.at($0).reply($1, $2) },
      fail: { ScriptedRole.at($0).replyError($1, $2, $3) })
  }

  private static func timerTable(_ context: UnsafeMutableRawPointer) -> nh_timer_service {
    nh_timer_service(
      struct_size: 0, revision: 0, ctx: context, once: { ScriptedRole.at($0).setTimer(.timerOnce, $1, 0, $2) },
      every: { ScriptedRole.at($0).setTimer(.timerEvery, $1, $2, $3) },
      cancel: { ScriptedRole.at($0).cancelTimer($1) }, remaining: { ScriptedRole.at($0).remaining(of: $1) })
  }

  private static func randomTable(_ context: UnsafeMutableRawPointer) -> nh_random_service {
    nh_random_service(
      struct_size: 0, revision: 0, ctx: context, next: { ScriptedRole.at($0).randomNumber() },
      below: { ScriptedRole.at($0).randomNumber(below: $1) }, fill: { ScriptedRole.at($0).fill($1) })
  }

  private static func busTable(_ context: UnsafeMutableRawPointer) -> nh_bus_service {
    nh_bus_service(
      struct_size: 0, revision: 0, ctx: context, publish: { ScriptedRole.at($0).publish($1, $2) },
      subscribe: { ScriptedRole.at($0).subscribe($1, $2) }, unsubscribe: { ScriptedRole.at($0).unsubscribe($1) })
  }

  private static func rolesTable(_ context: UnsafeMutableRawPointer) -> nh_roles_service {
    nh_roles_service(
      struct_size: 0, revision: 0, ctx: context,
      call: { context, target, _, method, _, _, token in
        ScriptedRole.at(context).callRole(String(target), String(method), token)
      },
      cancel: { ScriptedRole.at($0).cancelOutgoing($1) }, list: { ScriptedRole.at($0).listRoles($1) })
  }

  private static func workTable(_ context: UnsafeMutableRawPointer) -> nh_work_service {
    nh_work_service(
      struct_size: 0, revision: 0, ctx: context, submit: { ScriptedRole.at($0).submitWork($1, $2, $3) },
      cancel: { ScriptedRole.at($0).cancelWork($1) })
  }

  private static func peersTable(_ context: UnsafeMutableRawPointer) -> nh_peers_service {
    nh_peers_service(
      struct_size: 0, revision: 0, ctx: context,
      send: { context, node, role, channel, priority, payload in
        ScriptedRole.at(context).sendMessage(node, String(role), channel, priority, [UInt8](payload))
      },
      nodes: { ScriptedRole.at($0).listNodes($1) }, is_up: { ScriptedRole.at($0).isPeerUp($1) })
  }

  private static func metricsTable(_ context: UnsafeMutableRawPointer) -> nh_metrics_service {
    nh_metrics_service(
      struct_size: 0, revision: 0, ctx: context,
      counter: { context, name, _, _ in ScriptedRole.at(context).metric(.counter, String(name)) },
      gauge: { context, name, _, _ in ScriptedRole.at(context).metric(.gauge, String(name)) },
      histogram: { context, name, _, _, _ in ScriptedRole.at(context).metric(.histogram, String(name)) },
      add: { context, metric, _ in ScriptedRole.at(context).useMetric(.metricAdd, metric) },
      set: { context, metric, _ in ScriptedRole.at(context).useMetric(.metricSet, metric) },
      observe: { context, metric, _ in ScriptedRole.at(context).useMetric(.metricObserve, metric) })
  }
}
