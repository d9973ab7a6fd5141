internal import CNodeABI

/// The C tables that the role sees. They point back to their host, which owns them.
final class HostTables {
  private let memory = StableMemory()
  let host: UnsafePointer<nh_host>
  let answer: UnsafePointer<nh_answer>
  let services: [String: (layout: UInt64, table: UnsafeRawPointer)]

  init(_ fake: FakeHost) {
    let context = Unmanaged.passUnretained(fake).toOpaque()
    host = memory.keep(
      nh_host(
        struct_size: UInt32(MemoryLayout<nh_host>.size), revision: NH_ABI_REVISION, ctx: context,
        role_name: memory.text(fake.roleName), node_name: memory.text(fake.nodeName), node_id: UInt32(fake.nodeID),
        reserved: 0,
        get_service: { FakeHost.of($0).service(String($1), $2) },
        log: { FakeHost.of($0).logged($1, String($2), String($3)) },
        fail: { FakeHost.of($0).failed(RoleError(Status(rawValue: $1), String($2))) },
        now: { FakeHost.of($0).time($1) },
        check_thread: { FakeHost.of($0).isOnLoop ? 1 : 0 }))
    answer = memory.keep(
      nh_answer(
        struct_size: UInt32(MemoryLayout<nh_answer>.size), revision: 1, ctx: context,
        reply: { FakeHost.at($0).answer($1, value: $2) }, fail: { FakeHost.at($0).refuse($1, $2, $3) }))
    services = [
      NH_TIMER_ID: (NH_TIMER_LAYOUT, UnsafeRawPointer(memory.keep(timerTable(context)))),
      NH_BUS_ID: (NH_BUS_LAYOUT, UnsafeRawPointer(memory.keep(busTable(context)))),
      NH_ROLES_ID: (NH_ROLES_LAYOUT, UnsafeRawPointer(memory.keep(rolesTable(context)))),
      NH_METRICS_ID: (NH_METRICS_LAYOUT, UnsafeRawPointer(memory.keep(metricsTable(context)))),
      NH_RANDOM_ID: (NH_RANDOM_LAYOUT, UnsafeRawPointer(memory.keep(randomTable(context)))),
      NH_WORK_ID: (NH_WORK_LAYOUT, UnsafeRawPointer(memory.keep(workTable(context)))),
      NH_STORE_ID: (NH_STORE_LAYOUT, UnsafeRawPointer(memory.keep(storeTable(context)))),
      NH_BLOB_ID: (NH_BLOB_LAYOUT, UnsafeRawPointer(memory.keep(blobTable(context)))),
      NH_HTTP_ID: (NH_HTTP_LAYOUT, UnsafeRawPointer(memory.keep(httpTable(context)))),
      NH_CLIENT_ID: (NH_CLIENT_LAYOUT, UnsafeRawPointer(memory.keep(clientTable(context)))),
      NH_PEERS_ID: (NH_PEERS_LAYOUT, UnsafeRawPointer(memory.keep(peersTable(context)))),
      NH_FD_ID: (NH_FD_LAYOUT, UnsafeRawPointer(memory.keep(descriptorTable(context)))),
      NH_RPC_ID: (NH_RPC_LAYOUT, UnsafeRawPointer(memory.keep(rpcTable(context)))),
    ]
  }
}

/// The services that this host has.
enum ServiceID {
  static let offered = [
    NH_TIMER_ID, NH_BUS_ID, NH_ROLES_ID, NH_METRICS_ID, NH_RANDOM_ID, NH_WORK_ID, NH_STORE_ID, NH_BLOB_ID, NH_HTTP_ID,
    NH_CLIENT_ID, NH_PEERS_ID, NH_RPC_ID, NH_FD_ID,
  ]
}

extension FakeHost {
  static func at(_ context: UnsafeMutableRawPointer?) -> FakeHost {
    Unmanaged<FakeHost>.fromOpaque(context!).takeUnretainedValue()
  }

  static func of(_ host: UnsafePointer<nh_host>) -> FakeHost { at(host.pointee.ctx) }
}

private func timerTable(_ context: UnsafeMutableRawPointer) -> nh_timer_service {
  nh_timer_service(
    struct_size: UInt32(MemoryLayout<nh_timer_service>.size), revision: 1, ctx: context,
    once: { FakeHost.at($0).setTimer("once", $1, nil, $2) },
    every: { FakeHost.at($0).setTimer("every", $1, $2, $3) },
    cancel: { FakeHost.at($0).cancelTimer($1) },
    remaining: { FakeHost.at($0).remaining($1) })
}

private func busTable(_ context: UnsafeMutableRawPointer) -> nh_bus_service {
  nh_bus_service(
    struct_size: UInt32(MemoryLayout<nh_bus_service>.size), revision: 1, ctx: context,
    publish: { FakeHost.at($0).rolePublishes(String($1), [UInt8]($2)) },
    subscribe: { FakeHost.at($0).subscribe(String($1), $2) },
    unsubscribe: { FakeHost.at($0).unsubscribe($1) })
}

private func rolesTable(_ context: UnsafeMutableRawPointer) -> nh_roles_service {
  nh_roles_service(
    struct_size: UInt32(MemoryLayout<nh_roles_service>.size), revision: 1, ctx: context,
    call: { FakeHost.at($0).roleCalls(String($1), String($2), String($3), $4, $5, $6) },
    cancel: { FakeHost.at($0).cancelOutgoing($1) },
    list: { FakeHost.at($0).listRoles($1) })
}

private func metricsTable(_ context: UnsafeMutableRawPointer) -> nh_metrics_service {
  nh_metrics_service(
    struct_size: UInt32(MemoryLayout<nh_metrics_service>.size), revision: 1, ctx: context,
    counter: { FakeHost.at($0).metric(.counter, String($1), String($2), $3) },
    gauge: { FakeHost.at($0).metric(.gauge, String($1), String($2), $3) },
    histogram: { context, name, help, labels, _ in
      FakeHost.at(context).metric(.histogram, String(name), String(help), labels)
    },
    add: { FakeHost.at($0).count("add", $1, $2) },
    set: { FakeHost.at($0).count("set", $1, $2) },
    observe: { FakeHost.at($0).count("observe", $1, $2) })
}

private func randomTable(_ context: UnsafeMutableRawPointer) -> nh_random_service {
  nh_random_service(
    struct_size: UInt32(MemoryLayout<nh_random_service>.size), revision: 1, ctx: context,
    next: { FakeHost.at($0).randomNumber("next") { $0.next() } },
    below: { context, bound in
      FakeHost.at(context).randomNumber("below") { bound == 0 ? 0 : $0.next(upperBound: bound) }
    },
    fill: { FakeHost.at($0).fill($1) })
}

private func storeTable(_ context: UnsafeMutableRawPointer) -> nh_store_service {
  nh_store_service(
    struct_size: UInt32(MemoryLayout<nh_store_service>.size), revision: 1, ctx: context,
    commit: { FakeHost.at($0).storeCommit($1, $2) },
    get: { FakeHost.at($0).storeGet($1, $2) },
    scan: { FakeHost.at($0).storeScan($1, $2, $3, $4) },
    cancel: { FakeHost.at($0).cancelStore($1) })
}

private func workTable(_ context: UnsafeMutableRawPointer) -> nh_work_service {
  nh_work_service(
    struct_size: UInt32(MemoryLayout<nh_work_service>.size), revision: 1, ctx: context,
    submit: { FakeHost.at($0).submitWork($1, $2, $3) },
    cancel: { FakeHost.at($0).cancelWork($1) })
}

private func blobTable(_ context: UnsafeMutableRawPointer) -> nh_blob_service {
  nh_blob_service(
    struct_size: UInt32(MemoryLayout<nh_blob_service>.size), revision: 1, ctx: context,
    begin: { FakeHost.at($0).beginBlob(String($1), String($2), $3) },
    write: { FakeHost.at($0).writeBlob($1, $2, [UInt8]($3)) },
    finish: { FakeHost.at($0).finishBlob($1) },
    abandon: { FakeHost.at($0).abandonBlob($1) },
    read: { FakeHost.at($0).readBlob(String($1), $2, $3, $4) },
    credit: { FakeHost.at($0).creditBlob($1, $2) },
    stat: { FakeHost.at($0).statBlob(String($1), $2) },
    list: { FakeHost.at($0).listBlobs(String($1), $2, $3) },
    remove: { FakeHost.at($0).removeBlob(String($1), $2) },
    cancel: { FakeHost.at($0).cancelBlob($1) })
}

private func httpTable(_ context: UnsafeMutableRawPointer) -> nh_http_service {
  nh_http_service(
    struct_size: UInt32(MemoryLayout<nh_http_service>.size), revision: 1, ctx: context,
    route: { FakeHost.at($0).addRoute(String($1), String($2), String($3), $4) },
    unroute: { FakeHost.at($0).removeRoute($1) },
    respond: { FakeHost.at($0).respond($1, $2, $3, $4, $5) },
    write: { FakeHost.at($0).writeBody($1, $2) },
    finish: { FakeHost.at($0).finishBody($1, $2) },
    abort: { FakeHost.at($0).abortRequest($1) },
    credit: { FakeHost.at($0).grantBody($1, $2) },
    forward: { FakeHost.at($0).forward($1, String($2), $3, $4) })
}

private func clientTable(_ context: UnsafeMutableRawPointer) -> nh_client_service {
  nh_client_service(
    struct_size: UInt32(MemoryLayout<nh_client_service>.size), revision: 1, ctx: context,
    request: { FakeHost.at($0).request($1.pointee, $2, $3) },
    write: { FakeHost.at($0).writeRequest($1, $2) },
    finish: { FakeHost.at($0).finishRequest($1) },
    cancel: { FakeHost.at($0).cancelRequest($1) },
    credit: { FakeHost.at($0).creditRequest($1, $2) })
}

private func peersTable(_ context: UnsafeMutableRawPointer) -> nh_peers_service {
  nh_peers_service(
    struct_size: UInt32(MemoryLayout<nh_peers_service>.size), revision: 1, ctx: context,
    send: { FakeHost.at($0).sendMessage($1, String($2), $3, $4, $5) },
    nodes: { FakeHost.at($0).listNodes($1) },
    is_up: { FakeHost.at($0).isPeerUp($1) })
}

private func descriptorTable(_ context: UnsafeMutableRawPointer) -> nh_fd_service {
  nh_fd_service(
    struct_size: UInt32(MemoryLayout<nh_fd_service>.size), revision: 1, ctx: context,
    watch: { FakeHost.at($0).watch($1, $2, $3) },
    change: { FakeHost.at($0).changeWatch($1, $2) },
    unwatch: { FakeHost.at($0).unwatch($1) })
}

private func rpcTable(_ context: UnsafeMutableRawPointer) -> nh_rpc_service {
  nh_rpc_service(
    struct_size: UInt32(MemoryLayout<nh_rpc_service>.size), revision: 1, ctx: context,
    serve: { FakeHost.at($0).serveRpc(String($1), String($2), $3) },
    unserve: { FakeHost.at($0).unserveRpc($1) },
    describe: { FakeHost.at($0).describeRpc([UInt8]($1)) },
    call: { FakeHost.at($0).callRpc($1.pointee, $2, $3) },
    metadata: { FakeHost.at($0).sendRpcMetadata($1, $2) },
    send: { FakeHost.at($0).sendRpc($1, [UInt8]($2)) },
    finish: { FakeHost.at($0).finishRpc($1, $2, String($3), $4, [UInt8]($5)) },
    cancel: { FakeHost.at($0).cancelRpc($1) },
    credit: { FakeHost.at($0).creditRpc($1, $2) })
}
