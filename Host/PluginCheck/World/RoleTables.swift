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
    NH_STORE_ID: NH_STORE_LAYOUT, NH_BLOB_ID: NH_BLOB_LAYOUT, NH_HTTP_ID: NH_HTTP_LAYOUT,
    NH_PEERS_ID: NH_PEERS_LAYOUT, NH_CLIENT_ID: NH_CLIENT_LAYOUT, NH_RPC_ID: NH_RPC_LAYOUT,
    NH_FD_ID: NH_FD_LAYOUT,
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
    services[NH_STORE_ID] = UnsafeRawPointer(place(Self.storeTable(context)))
    services[NH_BLOB_ID] = UnsafeRawPointer(place(Self.blobTable(context)))
    services[NH_HTTP_ID] = UnsafeRawPointer(place(Self.httpTable(context)))
    services[NH_CLIENT_ID] = UnsafeRawPointer(place(Self.clientTable(context)))
    services[NH_PEERS_ID] = UnsafeRawPointer(place(Self.peersTable(context)))
    services[NH_FD_ID] = UnsafeRawPointer(place(Self.descriptorTable(context)))
    services[NH_RPC_ID] = UnsafeRawPointer(place(Self.rpcTable(context)))
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

  private static func storeTable(_ context: UnsafeMutableRawPointer) -> nh_store_service {
    nh_store_service(
      struct_size: 0, revision: 0, ctx: context, commit: { ScriptedRole.at($0).storeCommit($1, $2) },
      get: { ScriptedRole.at($0).storeGet($1, $2) }, scan: { ScriptedRole.at($0).storeScan($1, $2, $3, $4) },
      cancel: { ScriptedRole.at($0).cancelStore($1) })
  }

  private static func blobTable(_ context: UnsafeMutableRawPointer) -> nh_blob_service {
    nh_blob_service(
      struct_size: 0, revision: 0, ctx: context,
      begin: { ScriptedRole.at($0).beginBlob(String($1), String($2), $3) },
      write: { ScriptedRole.at($0).writeBlob($1, $2, [UInt8]($3)) },
      finish: { ScriptedRole.at($0).finishBlob($1) }, abandon: { ScriptedRole.at($0).abandonBlob($1) },
      read: { ScriptedRole.at($0).readBlob(String($1), $2, $3, $4) },
      credit: { ScriptedRole.at($0).creditBlob($1, $2) },
      stat: { ScriptedRole.at($0).statBlob(String($1), $2) },
      list: { ScriptedRole.at($0).listBlobs(String($1), $2, $3) },
      remove: { ScriptedRole.at($0).removeBlob(String($1), $2) }, cancel: { ScriptedRole.at($0).cancelBlob($1) })
  }

  private static func httpTable(_ context: UnsafeMutableRawPointer) -> nh_http_service {
    nh_http_service(
      struct_size: 0, revision: 0, ctx: context, route: { ScriptedRole.at($0).addRoute($1, $2, $3, $4) },
      unroute: { ScriptedRole.at($0).removeRoute($1) }, respond: { ScriptedRole.at($0).respond($1, $2, $3, $4, $5) },
      write: { ScriptedRole.at($0).writeBody($1, $2) }, finish: { ScriptedRole.at($0).finishBody($1, $2) },
      abort: { ScriptedRole.at($0).abortExchange($1) }, credit: { ScriptedRole.at($0).creditBody($1, $2) },
      forward: { ScriptedRole.at($0).forward($1, String($2), $3, $4) })
  }

  private static func clientTable(_ context: UnsafeMutableRawPointer) -> nh_client_service {
    nh_client_service(
      struct_size: 0, revision: 0, ctx: context, request: { ScriptedRole.at($0).request($1.pointee, $2, $3) },
      write: { ScriptedRole.at($0).writeRequest($1, $2) }, finish: { ScriptedRole.at($0).finishRequest($1) },
      cancel: { ScriptedRole.at($0).cancelRequest($1) }, credit: { ScriptedRole.at($0).creditRequest($1, $2) })
  }

  private static func descriptorTable(_ context: UnsafeMutableRawPointer) -> nh_fd_service {
    nh_fd_service(
      struct_size: 0, revision: 0, ctx: context, watch: { ScriptedRole.at($0).watchDescriptor($1, $2, $3) },
      change: { ScriptedRole.at($0).changeWatch($1, $2) }, unwatch: { ScriptedRole.at($0).unwatch($1) })
  }

  private static func peersTable(_ context: UnsafeMutableRawPointer) -> nh_peers_service {
    nh_peers_service(
      struct_size: 0, revision: 0, ctx: context,
      send: { context, node, role, channel, priority, payload in
        ScriptedRole.at(context).sendMessage(node, String(role), channel, priority, [UInt8](payload))
      },
      nodes: { ScriptedRole.at($0).listNodes($1) }, is_up: { ScriptedRole.at($0).isPeerUp($1) })
  }

  private static func rpcTable(_ context: UnsafeMutableRawPointer) -> nh_rpc_service {
    nh_rpc_service(
      struct_size: 0, revision: 0, ctx: context, serve: { ScriptedRole.at($0).serve($1, $2, $3) },
      unserve: { ScriptedRole.at($0).unserve($1) }, describe: { ScriptedRole.at($0).describe([UInt8]($1)) },
      call: { ScriptedRole.at($0).callServer($1.pointee, $2, $3) },
      metadata: { ScriptedRole.at($0).sendMetadata($1, $2) },
      send: { ScriptedRole.at($0).sendMessage($1, [UInt8]($2)) },
      finish: { context, call, status, _, metadata, _ in
        ScriptedRole.at(context).finishTalk(call, status, metadata)
      }, cancel: { ScriptedRole.at($0).cancelTalk($1) },
      credit: { ScriptedRole.at($0).creditTalk($1, $2) })
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
