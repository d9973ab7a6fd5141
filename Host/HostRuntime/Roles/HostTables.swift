import CNodeABI
import HostCore
import NodeValues

/// The C tables that one role instance is given. They live as long as the instance.
///
/// Each function finds its instance through `ctx`, asks whether it may be called here and now, and
/// hands on to the instance; what it does stands with the service (RoleInstance+Timers and so on).
package final class HostTables {
  let host: UnsafeMutablePointer<nh_host>
  let answer: UnsafeMutablePointer<nh_answer>
  private let timer: UnsafeMutablePointer<nh_timer_service>
  private let random: UnsafeMutablePointer<nh_random_service>
  private let bus: UnsafeMutablePointer<nh_bus_service>
  private let roles: UnsafeMutablePointer<nh_roles_service>
  private let metrics: UnsafeMutablePointer<nh_metrics_service>
  private let work: UnsafeMutablePointer<nh_work_service>
  private let store: UnsafeMutablePointer<nh_store_service>
  private let blob: UnsafeMutablePointer<nh_blob_service>
  private let http: UnsafeMutablePointer<nh_http_service>
  private let client: UnsafeMutablePointer<nh_client_service>
  private let fd: UnsafeMutablePointer<nh_fd_service>
  private let rpc: UnsafeMutablePointer<nh_rpc_service>
  private let peers: UnsafeMutablePointer<nh_peers_service>
  private let roleName: UnsafeMutableBufferPointer<CChar>
  private let nodeName: UnsafeMutableBufferPointer<CChar>

  init(role: RoleInstance) {
    let context = Unmanaged.passUnretained(role).toOpaque()
    roleName = Self.kept(role.name)
    nodeName = Self.kept(role.node.nodeName)
    answer = Self.place(Self.answerTable(context))
    timer = Self.place(Self.timerTable(context))
    random = Self.place(Self.randomTable(context))
    bus = Self.place(Self.busTable(context))
    roles = Self.place(Self.rolesTable(context))
    metrics = Self.place(Self.metricsTable(context))
    work = Self.place(Self.workTable(context))
    store = Self.place(Self.storeTable(context))
    blob = Self.place(Self.blobTable(context))
    http = Self.place(Self.httpTable(context))
    client = Self.place(Self.clientTable(context))
    fd = Self.place(Self.fdTable(context))
    rpc = Self.place(Self.rpcTable(context))
    peers = Self.place(Self.peersTable(context))
    host = Self.place(Self.hostTable(context, roleName, nodeName, role.node.nodeID))
  }

  deinit {
    host.deallocate()
    answer.deallocate()
    timer.deallocate()
    random.deallocate()
    bus.deallocate()
    roles.deallocate()
    metrics.deallocate()
    work.deallocate()
    store.deallocate()
    blob.deallocate()
    http.deallocate()
    client.deallocate()
    fd.deallocate()
    rpc.deallocate()
    peers.deallocate()
    roleName.deallocate()
    nodeName.deallocate()
  }

  /// The services of this host; what is not here is refused or answered with null.
  package static let offered: [String: UInt64] = [
    NH_TIMER_ID: NH_TIMER_LAYOUT, NH_RANDOM_ID: NH_RANDOM_LAYOUT, NH_BUS_ID: NH_BUS_LAYOUT,
    NH_ROLES_ID: NH_ROLES_LAYOUT, NH_METRICS_ID: NH_METRICS_LAYOUT, NH_WORK_ID: NH_WORK_LAYOUT,
    NH_STORE_ID: NH_STORE_LAYOUT, NH_BLOB_ID: NH_BLOB_LAYOUT, NH_HTTP_ID: NH_HTTP_LAYOUT, NH_RPC_ID: NH_RPC_LAYOUT,
    NH_PEERS_ID: NH_PEERS_LAYOUT, NH_CLIENT_ID: NH_CLIENT_LAYOUT, NH_FD_ID: NH_FD_LAYOUT,
  ]

  func table(of service: String) -> UnsafeRawPointer? {
    switch service {
    case NH_TIMER_ID: UnsafeRawPointer(timer)
    case NH_RANDOM_ID: UnsafeRawPointer(random)
    case NH_BUS_ID: UnsafeRawPointer(bus)
    case NH_ROLES_ID: UnsafeRawPointer(roles)
    case NH_METRICS_ID: UnsafeRawPointer(metrics)
    case NH_WORK_ID: UnsafeRawPointer(work)
    case NH_STORE_ID: UnsafeRawPointer(store)
    case NH_BLOB_ID: UnsafeRawPointer(blob)
    case NH_HTTP_ID: UnsafeRawPointer(http)
    case NH_CLIENT_ID: UnsafeRawPointer(client)
    case NH_FD_ID: UnsafeRawPointer(fd)
    case NH_RPC_ID: UnsafeRawPointer(rpc)
    case NH_PEERS_ID: UnsafeRawPointer(peers)
    default: nil
    }
  }

  private static func place<Table>(_ table: Table) -> UnsafeMutablePointer<Table> {
    let pointer = UnsafeMutablePointer<Table>.allocate(capacity: 1)
    pointer.initialize(to: table)
    return pointer
  }

  private static func kept(_ text: String) -> UnsafeMutableBufferPointer<CChar> {
    let room = UnsafeMutableBufferPointer<CChar>.allocate(capacity: max(1, text.utf8.count))
    _ = room.initialize(from: text.utf8.map { CChar(bitPattern: $0) })
    return UnsafeMutableBufferPointer(rebasing: room[..<text.utf8.count])
  }

  private static func size<Table>(_ table: Table.Type) -> UInt32 { UInt32(MemoryLayout<Table>.size) }

  private static func hostTable(
    _ context: UnsafeMutableRawPointer, _ role: UnsafeMutableBufferPointer<CChar>,
    _ node: UnsafeMutableBufferPointer<CChar>, _ id: UInt32
  ) -> nh_host {
    nh_host(
      struct_size: size(nh_host.self), revision: NH_ABI_REVISION, ctx: context,
      role_name: nh_str(ptr: role.baseAddress, len: UInt64(role.count)),
      node_name: nh_str(ptr: node.baseAddress, len: UInt64(node.count)), node_id: id, reserved: 0,
      get_service: { host, id, layout in RoleInstance.at(host.pointee.ctx).getService(String(id), layout) },
      log: { host, level, message, fields in RoleInstance.at(host.pointee.ctx).log(level, message, fields) },
      fail: { host, status, message in RoleInstance.at(host.pointee.ctx).fault(status, String(message)) },
      now: { _, clock in clock == NH_CLOCK_WALL ? Timestamp.now() : EventLoop.now() },
      check_thread: { host in RoleInstance.at(host.pointee.ctx).loop.isCurrent ? 1 : 0 })
  }

  private static func answerTable(_ context: UnsafeMutableRawPointer) -> nh_answer {
    nh_answer(
      struct_size: size(nh_answer.self), revision: NH_ABI_REVISION, ctx: context,
      reply: { context, call, value in RoleInstance.with(context) { $0.reply(call, value) } },
      fail: { context, call, status, message in RoleInstance.with(context) { $0.replyError(call, status, message) } })
  }

  private static func timerTable(_ context: UnsafeMutableRawPointer) -> nh_timer_service {
    nh_timer_service(
      struct_size: size(nh_timer_service.self), revision: NH_ABI_REVISION, ctx: context,
      once: { RoleInstance.at($0).setTimer($1, 0, $2) },
      every: { RoleInstance.at($0).setTimer($1, max($2, RoleInstance.leastPeriod), $3) },
      cancel: { RoleInstance.at($0).cancelTimer($1) },
      remaining: { RoleInstance.at($0).remaining(of: $1) })
  }

  private static func randomTable(_ context: UnsafeMutableRawPointer) -> nh_random_service {
    nh_random_service(
      struct_size: size(nh_random_service.self), revision: NH_ABI_REVISION, ctx: context,
      next: { RoleInstance.at($0).randomNumber() },
      below: { RoleInstance.at($0).randomNumber(below: $1) },
      fill: { RoleInstance.at($0).fill($1) })
  }

  private static func busTable(_ context: UnsafeMutableRawPointer) -> nh_bus_service {
    nh_bus_service(
      struct_size: size(nh_bus_service.self), revision: NH_ABI_REVISION, ctx: context,
      publish: { RoleInstance.at($0).publish($1, $2) },
      subscribe: { RoleInstance.at($0).subscribe($1, $2) },
      unsubscribe: { RoleInstance.at($0).unsubscribe($1) })
  }

  private static func rolesTable(_ context: UnsafeMutableRawPointer) -> nh_roles_service {
    nh_roles_service(
      struct_size: size(nh_roles_service.self), revision: NH_ABI_REVISION, ctx: context,
      call: { RoleInstance.at($0).callRole($1, $2, $3, $4, $5, $6) },
      cancel: { RoleInstance.at($0).cancelOutgoing($1) },
      list: { RoleInstance.at($0).listRoles($1) })
  }

  private static func workTable(_ context: UnsafeMutableRawPointer) -> nh_work_service {
    nh_work_service(
      struct_size: size(nh_work_service.self), revision: NH_ABI_REVISION, ctx: context,
      submit: { RoleInstance.at($0).submitWork($1, $2, $3) },
      cancel: { RoleInstance.at($0).cancelWork($1) })
  }

  private static func storeTable(_ context: UnsafeMutableRawPointer) -> nh_store_service {
    nh_store_service(
      struct_size: size(nh_store_service.self), revision: NH_ABI_REVISION, ctx: context,
      commit: { RoleInstance.at($0).storeCommit($1, $2) },
      get: { RoleInstance.at($0).storeGet($1, $2) },
      scan: { RoleInstance.at($0).storeScan($1, $2, $3, $4) },
      cancel: { RoleInstance.at($0).cancelStore($1) })
  }

  private static func blobTable(_ context: UnsafeMutableRawPointer) -> nh_blob_service {
    nh_blob_service(
      struct_size: size(nh_blob_service.self), revision: NH_ABI_REVISION, ctx: context,
      begin: { RoleInstance.at($0).beginBlob($1, $2, $3) },
      write: { RoleInstance.at($0).writeBlob($1, $2, $3) },
      finish: { RoleInstance.at($0).finishBlob($1) },
      abandon: { RoleInstance.at($0).abandonBlob($1) },
      read: { RoleInstance.at($0).readBlob($1, $2, $3, $4) },
      credit: { RoleInstance.at($0).creditBlob($1, $2) },
      stat: { RoleInstance.at($0).statBlob($1, $2) },
      list: { RoleInstance.at($0).listBlobs($1, $2, $3) },
      remove: { RoleInstance.at($0).removeBlob($1, $2) },
      cancel: { RoleInstance.at($0).cancelBlob($1) })
  }

  private static func httpTable(_ context: UnsafeMutableRawPointer) -> nh_http_service {
    nh_http_service(
      struct_size: size(nh_http_service.self), revision: NH_ABI_REVISION, ctx: context,
      route: { RoleInstance.at($0).addRoute($1, $2, $3, $4) },
      unroute: { RoleInstance.at($0).removeRoute($1) },
      respond: { context, exchange, status, headers, body, ends in
        RoleInstance.with(context) { $0.respond(exchange, status, headers, body, ends) }
      },
      write: { context, exchange, body in RoleInstance.with(context) { $0.writeBody(exchange, body) } },
      finish: { RoleInstance.at($0).finishBody($1, $2) },
      abort: { RoleInstance.at($0).abortExchange($1) },
      credit: { RoleInstance.at($0).creditExchange($1, $2) },
      forward: { RoleInstance.at($0).forward($1, $2, $3, $4) })
  }

  private static func clientTable(_ context: UnsafeMutableRawPointer) -> nh_client_service {
    nh_client_service(
      struct_size: size(nh_client_service.self), revision: NH_ABI_REVISION, ctx: context,
      request: { RoleInstance.at($0).request($1.pointee, $2, $3) },
      write: { RoleInstance.at($0).writeRequest($1, $2) },
      finish: { RoleInstance.at($0).finishRequest($1) },
      cancel: { RoleInstance.at($0).cancelRequest($1) },
      credit: { RoleInstance.at($0).creditRequest($1, $2) })
  }

  private static func fdTable(_ context: UnsafeMutableRawPointer) -> nh_fd_service {
    nh_fd_service(
      struct_size: size(nh_fd_service.self), revision: NH_ABI_REVISION, ctx: context,
      watch: { RoleInstance.at($0).watchDescriptor($1, $2, $3) },
      change: { RoleInstance.at($0).changeWatch($1, $2) },
      unwatch: { RoleInstance.at($0).unwatchDescriptor($1) })
  }

  private static func rpcTable(_ context: UnsafeMutableRawPointer) -> nh_rpc_service {
    nh_rpc_service(
      struct_size: size(nh_rpc_service.self), revision: NH_ABI_REVISION, ctx: context,
      serve: { RoleInstance.at($0).serve($1, $2, $3) },
      unserve: { RoleInstance.at($0).unserve($1) },
      describe: { RoleInstance.at($0).describe($1) },
      call: { RoleInstance.at($0).callRpc($1.pointee, $2, $3) },
      metadata: { context, call, metadata in RoleInstance.with(context) { $0.sendMetadata(call, metadata) } },
      send: { context, call, payload in RoleInstance.with(context) { $0.sendMessage(call, payload) } },
      finish: { context, call, status, message, metadata, details in
        RoleInstance.with(context) { $0.finishCall(call, status, message, metadata, details) }
      },
      cancel: { RoleInstance.at($0).cancelCall($1) },
      credit: { context, call, messages in RoleInstance.with(context) { $0.creditCall(call, messages) } })
  }

  private static func peersTable(_ context: UnsafeMutableRawPointer) -> nh_peers_service {
    nh_peers_service(
      struct_size: size(nh_peers_service.self), revision: NH_ABI_REVISION, ctx: context,
      send: { context, node, role, channel, priority, payload in
        RoleInstance.with(context) { $0.sendMessage(node, role, channel, priority, payload) }
      },
      nodes: { RoleInstance.at($0).listPeers($1) },
      is_up: { RoleInstance.at($0).isPeerUp($1) })
  }

  private static func metricsTable(_ context: UnsafeMutableRawPointer) -> nh_metrics_service {
    nh_metrics_service(
      struct_size: size(nh_metrics_service.self), revision: NH_ABI_REVISION, ctx: context,
      counter: { RoleInstance.at($0).metric(.counter, $1, $2, $3, nh_value_list(items: nil, count: 0)) },
      gauge: { RoleInstance.at($0).metric(.gauge, $1, $2, $3, nh_value_list(items: nil, count: 0)) },
      histogram: { RoleInstance.at($0).metric(.histogram, $1, $2, $3, $4) },
      add: { RoleInstance.at($0).metric($1, "metrics.add")?.add($2) },
      set: { RoleInstance.at($0).metric($1, "metrics.set")?.set($2) },
      observe: { RoleInstance.at($0).metric($1, "metrics.observe")?.observe($2) })
  }
}
