internal import CNodeABI

/// One role's side of the edge: the host's table, the services fetched from it, and the closures that wait for
/// an answer of theirs.
///
/// Closures usually hold the role, and the role holds this; the circle is cut when the role is destroyed, after
/// which nothing here reaches the host any more, whoever still keeps a timer or a reply.
final class HostLink {
  let roleName: String
  let nodeName: String
  let nodeID: UInt32
  /// What the role says that it uses. A few, so no dictionary: to make one, the runtime would look through every
  /// library of the process; see ``Aspects``.
  private let needs: [Need]
  private var host: UnsafePointer<nh_host>?
  private var servesRole = true

  private var timerTable: UnsafePointer<nh_timer_service>?
  private var busTable: UnsafePointer<nh_bus_service>?
  private var rolesTable: UnsafePointer<nh_roles_service>?
  private var metricsTable: UnsafePointer<nh_metrics_service>?
  private var randomTable: UnsafePointer<nh_random_service>?
  private var workTable: UnsafePointer<nh_work_service>?
  private var storeTable: UnsafePointer<nh_store_service>?
  private var blobTable: UnsafePointer<nh_blob_service>?
  private var httpTable: UnsafePointer<nh_http_service>?
  private var clientTable: UnsafePointer<nh_client_service>?
  private var peersTable: UnsafePointer<nh_peers_service>?
  private var descriptorTable: UnsafePointer<nh_fd_service>?
  private var rpcTable: UnsafePointer<nh_rpc_service>?

  // The tables never call out while they are read or changed, so the run-time check of that is saved.
  @exclusivity(unchecked) var timers = CallbackTable<TimerEntry>()
  @exclusivity(unchecked) var subscriptions = CallbackTable<SubscriptionEntry>()
  @exclusivity(unchecked) var calls = CallbackTable<CallEntry>()
  @exclusivity(unchecked) var routes = CallbackTable<RouteEntry>()
  /// Who is told of what forward tables have counted.
  @exclusivity(unchecked) var forwards = CallbackTable<(JSON) throws -> Void>()
  /// Requests without a whole answer.
  @exclusivity(unchecked) var exchanges = HandleMap<OpenHTTPRequest>()
  @exclusivity(unchecked) var clientRequests = CallbackTable<ClientEntry>()
  @exclusivity(unchecked) var descriptors = CallbackTable<DescriptorEntry>()
  @exclusivity(unchecked) var rpcMethods = CallbackTable<RpcMethodEntry>()
  /// Calls of gRPC that are not over.
  @exclusivity(unchecked) var rpcCalls = HandleMap<Unmanaged<RpcCall>>()
  var openReplies: [nh_handle: Unowned] = [:]
  var whenMessage: ((Message) throws -> Void)?
  var whenLink: ((LinkChange) throws -> Void)?

  init(_ host: UnsafePointer<nh_host>, needs: [Need]) {
    self.host = host
    self.needs = needs
    roleName = String(host.pointee.role_name)
    nodeName = String(host.pointee.node_name)
    nodeID = host.pointee.node_id
  }

  /// The role is going: no service is used and no call answered from here on.
  func endServices() {
    servesRole = false
    let held = (timers, subscriptions, calls, routes, forwards, exchanges, clientRequests, whenMessage, whenLink)
    let heldOthers = (rpcMethods, descriptors)
    let requests = exchanges.elements.map(\.request), rpcs = rpcCalls.elements.map { $0.takeUnretainedValue() }
    descriptors = CallbackTable()
    clientRequests = CallbackTable()
    rpcMethods = CallbackTable()
    rpcCalls = HandleMap()
    forwards = CallbackTable()
    routes = CallbackTable()
    exchanges = HandleMap()
    whenMessage = nil
    whenLink = nil
    timers = CallbackTable()
    subscriptions = CallbackTable()
    calls = CallbackTable()
    // The host has ended all of these. What waits for news of them may hold the role too, and themselves.
    for open in openReplies.values.map(\.reply) { open.abandon() }
    for request in requests { request.abandon() }
    for call in rpcs { call.abandon() }
    // What the closures held may use this link as it goes, so it goes last.
    withExtendedLifetime((held, heldOthers)) {}
  }

  var isServing: Bool { servesRole }

  /// The role is gone, and with it the host's table.
  func detach() { host = nil }
}

// MARK: Services

extension HostLink {
  var timerService: UnsafePointer<nh_timer_service> {
    get throws { try service(.timer, &timerTable) }
  }
  var busService: UnsafePointer<nh_bus_service> {
    get throws { try service(.bus, &busTable) }
  }
  var rolesService: UnsafePointer<nh_roles_service> {
    get throws { try service(.roles, &rolesTable) }
  }
  var metricsService: UnsafePointer<nh_metrics_service> {
    get throws { try service(.metrics, &metricsTable) }
  }
  var randomService: UnsafePointer<nh_random_service> {
    get throws { try service(.random, &randomTable) }
  }
  var workService: UnsafePointer<nh_work_service> {
    get throws { try service(.work, &workTable) }
  }
  var storeService: UnsafePointer<nh_store_service> {
    get throws { try service(.store, &storeTable) }
  }
  var blobService: UnsafePointer<nh_blob_service> {
    get throws { try service(.blob, &blobTable) }
  }
  var httpService: UnsafePointer<nh_http_service> {
    get throws { try service(.http, &httpTable) }
  }
  var clientService: UnsafePointer<nh_client_service> {
    get throws { try service(.client, &clientTable) }
  }
  var peersService: UnsafePointer<nh_peers_service> {
    get throws { try service(.peers, &peersTable) }
  }
  var descriptorService: UnsafePointer<nh_fd_service> {
    get throws { try service(.fd, &descriptorTable) }
  }
  var rpcService: UnsafePointer<nh_rpc_service> {
    get throws { try service(.rpc, &rpcTable) }
  }

  /// Fetched at first use and kept, since a table stays as long as the role.
  @inline(__always)
  private func service<Table>(_ need: Need, _ kept: inout UnsafePointer<Table>?) throws -> UnsafePointer<Table> {
    if servesRole, let kept { return kept }
    let table = try fetch(need).assumingMemoryBound(to: Table.self)
    kept = table
    return table
  }

  private func fetch(_ need: Need) throws -> UnsafeRawPointer {
    guard servesRole, let host else {
      throw RoleError(.failedPrecondition, "\(need.id) is used after the role has ended")
    }
    guard needs.contains(where: { $0.id == need.id }) else {
      throw RoleError(.failedPrecondition, "the role uses \(need.id) without saying so; add it to `needs`")
    }
    guard let table = need.id.lend({ host.pointee.get_service(host, $0, need.layout) }) else {
      throw RoleError(
        .unavailable, "the host gives no \(need.id) now; services are there from `start` on, not in `init`")
    }
    return table
  }
}

// MARK: The host itself

extension HostLink {
  func log(_ level: UInt32, _ message: String, _ fields: JSON?) {
    guard let host else { return }
    message.lend { text in
      guard let fields else { return host.pointee.log(host, level, text, nh_json(ptr: nil, len: 0)) }
      fields.lend { host.pointee.log(host, level, text, $0) }
    }
  }

  func time(_ clock: UInt32) -> Int64 {
    guard let host else { return 0 }
    return host.pointee.now(host, clock)
  }

  func fail(_ error: RoleError) {
    guard servesRole, let host else { return }
    error.description.lend { host.pointee.fail(host, error.status.rawValue, $0) }
  }

  /// A closure that the role gave threw: nobody is there to take it but the log.
  func report(_ error: any Error, from what: String) {
    log(NH_LOG_ERROR, "\(what) failed: \(RoleError(error))", ["status": JSON(RoleError(error).status.rawValue)])
  }
}

// MARK: Answers

extension HostLink {
  func answer(_ call: nh_call, _ value: Value, as type: ValueType) {
    guard servesRole else { return }
    // A status other than OK says that the caller gave up meanwhile.
    _ = value.lend(as: type) { call.answer.pointee.reply(call.answer.pointee.ctx, call.handle, $0) }
  }

  func refuse(_ call: nh_call, _ error: RoleError) {
    guard servesRole else { return }
    _ = error.description.lend {
      call.answer.pointee.fail(call.answer.pointee.ctx, call.handle, error.status.rawValue, $0)
    }
  }
}
