package import CNodeABI
import CSystem
import Glibc
package import HostCore
import NodeValues
import Synchronization

/// What all role instances of a node share.
package final class NodeServices: Sendable {
  package let nodeName: String
  package let nodeID: UInt32
  package let log: LogHub
  let bus = Bus()
  let directory = RoleDirectory()
  let metrics = MetricRegistry()
  let work: any JobRunner
  package let stores: any RoleStores
  package let blobs: BlobService
  let http = HTTPServer()
  let connections: any Connections
  let clients: ClientPools
  /// What reflection tells.
  let descriptors = DescriptorRegistry()
  let peers = PeerSwitchboard()
  /// What other machines call this node, and since when it is there.
  let address: String
  let startedWall = Timestamp.now()
  /// Told, on the role's loop or another thread, that a role gave up.
  let onFault = Mutex<(@Sendable (RoleInstance, nh_status, String) -> Void)?>(nil)

  package var metricsText: String { metrics.text() }

  /// Without a state folder there are neither stores nor objects.
  package init(
    nodeName: String, nodeID: UInt32, address: String = "", log: LogHub, state: String? = nil,
    blobs: BlobSettings = BlobSettings(), client: ClientSettings = ClientSettings(),
    machine: any Machine = RealMachine()
  ) {
    self.address = address
    self.nodeName = nodeName
    self.nodeID = nodeID
    self.log = log
    stores = machine.makeStores(state, node: nodeName, log, metrics)
    connections = machine.makeConnections()
    clients = ClientPools(client, connections)
    work = machine.makeWorkers()
    self.blobs = BlobService(state: state, blobs, log, pool: machine.makeDisks())
  }
}

/// A role that exists: one build of its plugin, with that build's state pointer and open calls, in the role's seat. All
/// of it is touched on the home loop only, but what is marked otherwise.
package final class RoleInstance: @unchecked Sendable {
  static let timerLimit = 1024
  static let subscriptionLimit = 256
  static let outgoingCallLimit = 4096
  static let metricLimit = 1024
  /// Contract breaches logged before the rest is only counted.
  static let misuseLogLimit = 100

  package struct Phase: OptionSet, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }
    static let creating = Phase(rawValue: 1)
    static let starting = Phase(rawValue: 2)
    static let running = Phase(rawValue: 4)
    static let stopping = Phase(rawValue: 8)
    static let stopped = Phase(rawValue: 16)
    /// Beside another phase: the role has given up, and only stop and destroy may come.
    static let faulted = Phase(rawValue: 32)
  }

  let seat: RoleSeat
  package let library: PluginLibrary
  // The seat's, kept here because every call looks at them.
  package let name: String
  package let loop: EventLoop
  let node: NodeServices
  let limits: LimitSettings
  package var description: PluginDescription { library.description }
  /// A pointer, so that reading one function does not copy the whole table.
  private let plugin: UnsafePointer<nh_plugin>
  var table: UnsafePointer<nh_plugin> { plugin }

  // Any thread.
  private let phaseBits = Atomic<UInt8>(Phase.creating.rawValue)
  let misuses = Atomic<Int>(0)

  // The home loop.
  package private(set) var role: UnsafeMutableRawPointer?
  private(set) var tables: HostTables!
  var isDraining = false
  let sender: PeerSender
  let nodeID: UInt32
  /// The seat's.
  let ownName: UnsafeRawBufferPointer
  var openCalls: SlotTable<OpenCall>
  var jobs = SlotTable<OpenJob>(limit: RoleInstance.jobLimit)
  var blobs = SlotTable<OpenBlob>(limit: RoleInstance.blobLimit)
  var exchanges: SlotTable<RoleExchange>
  var descriptorWatches = DescriptorWatches()
  var clientRequests = SlotTable<RoleClientRequest>(limit: RoleInstance.clientRequestLimit)
  var rpcCalls: SlotTable<RpcCall>
  /// By what the role calls them.
  var rpcChannels: [String: RpcChannel] = [:]
  /// Of the calls, the ones that came from outside.
  var servedCalls = 0
  /// Calls of its own that it has begun while it drains: what it says to others before it goes.
  var farewells = 0
  var outgoingCalls = SlotTable<OutgoingCall>(limit: RoleInstance.outgoingCallLimit)
  var storeUse = StoreUse()
  var metrics: [MetricSeries] = []
  var whenDrained: (() -> Void)?
  /// Told once, when nothing that it was asked or has asked is open.
  var whenQuiet: (() -> Void)?

  package init(_ seat: RoleSeat, library: PluginLibrary) {
    self.seat = seat
    self.library = library
    plugin = library.table
    name = seat.name
    loop = seat.loop
    node = seat.node
    limits = seat.limits
    (sender, nodeID) = (seat.sender, seat.node.nodeID)
    ownName = seat.ownName
    openCalls = SlotTable(limit: limits.calls)
    exchanges = SlotTable(limit: limits.calls)
    rpcCalls = SlotTable(limit: limits.calls + RoleInstance.clientCallLimit)
    tables = HostTables(role: self)
  }

  // MARK: Life

  package struct Failure: Error, Sendable {
    package var status: nh_status
    package var message: String
  }

  package func create(config: String) throws(Failure) {
    let outcome = ErrorRoom.collect { error in
      BorrowedText.withJSON(config) { plugin.pointee.create(tables.host, $0, &role, error) }
    }
    try Self.check(outcome, "create")
  }

  package func start() throws(Failure) {
    enter(.starting)
    if description.needs.contains(where: { $0.id == NH_PEERS_ID }) { seat.joinPeers() }
    let outcome = ErrorRoom.collect { plugin.pointee.start(role, $0) }
    if outcome.status == NH_OK { enter(.running) }
    try Self.check(outcome, "start")
  }

  /// Serves from now on: the first build in its seat.
  package func takeSeat() {
    seat.current = self
    announce()
    node.directory.put(self)
    resumeDescriptors()
  }

  private static func check(_ outcome: ErrorRoom.Outcome, _ step: String) throws(Failure) {
    guard outcome.status != NH_OK else { return }
    throw Failure(status: outcome.status, message: "\(step): \(outcome.words)")
  }

  /// New calls are refused from now on; `done` comes when the last open one is answered.
  package func drain(_ done: @escaping () -> Void) {
    isDraining = true
    node.directory.remove(self)
    if isLive { plugin.pointee.drain?(role) }
    whenDrained = done
    tellIfDrained()
  }

  func tellIfDrained() {
    guard isDraining, openCalls.count == 0, exchanges.count == 0, servedCalls == 0, farewells == 0,
      let done = whenDrained
    else { return }
    whenDrained = nil
    done()
  }

  var isQuiet: Bool {
    openCalls.count == 0 && exchanges.count == 0 && hasQuietRpc && outgoingCalls.count == 0 && jobs.count == 0
      && storeUse.isQuiet && blobs.count == 0 && clientRequests.count == 0
  }

  /// A stream that it reads may go on for ever: a swap ends what has lasted for longer than it waits.
  private var hasQuietRpc: Bool {
    if rpcCalls.count == 0 { return true }
    let limit = Int64(limits.swapMilliseconds) * 1_000_000
    return rpcCalls.elements.allSatisfy { $0.element.isStream(longerThan: limit) }
  }

  func tellIfQuiet() {
    guard let done = whenQuiet, isQuiet else { return }
    whenQuiet = nil
    done()
  }

  /// Ends the role for good. Safe in every phase, also after a create or start that failed.
  package func end() {
    node.directory.remove(self)
    let wasRunning = phase == .running
    enter(.stopping)
    if wasRunning { plugin.pointee.stop?(role) }
    releaseAll()
    let created = role != nil || wasRunning
    enter(.stopped)
    if created { plugin.pointee.destroy(role) }
    role = nil
    if seat.current === self || seat.current == nil { seat.vacate() }
  }

  /// Its process is gone: nothing that it did from here on would have had an effect, so only its memory is given back.
  func vanish() {
    node.directory.remove(self)
    enter(.stopped)
    if role != nil { plugin.pointee.destroy(role) }
    role = nil
    whenDrained = nil
    whenQuiet = nil
    // What is open holds on to those who asked, and they to the role.
    _ = (openCalls.removeAll(), jobs.removeAll(), blobs.removeAll(), exchanges.removeAll(), rpcCalls.removeAll())
    _ = (clientRequests.removeAll(), outgoingCalls.removeAll())
    (rpcChannels, storeUse, metrics) = ([:], StoreUse(), [])
    seat.vanish()
  }

  /// Everything that the role holds at the host.
  private func releaseAll() {
    whenDrained = nil
    whenQuiet = nil
    endExchanges("\(name) has stopped")
    endRpcCalls("\(name) has stopped")
    endClientRequests("\(name) has stopped")
    node.descriptors.remove(of: self)
    endDescriptors()
    endJobs()
    jobs = SlotTable(limit: RoleInstance.jobLimit)
    endStoreUse()
    endBlobs()
    seat.release(self)
    for (_, call) in openCalls.removeAll() { finish(call, .failure(NH_UNAVAILABLE, "\(name) has stopped")) }
    for (_, call) in outgoingCalls.removeAll() { call.request?.cancel() }
  }

  package func save() throws(Failure) -> [UInt8]? {
    guard let save = plugin.pointee.save else { return nil }
    var state: [UInt8] = []
    let outcome = ErrorRoom.collect { error in
      let (status, bytes) = SinkRoom.collect(limit: Int(Int32.max)) { save(role, $0, error) }
      state = bytes
      return status
    }
    try Self.check(outcome, "save")
    return state
  }

  /// What the role is to have when it starts anew; nil if it cannot save or has given up.
  func finalState() -> [UInt8]? { isLive ? (try? save()) ?? nil : nil }

  /// Takes over a state that was saved as `version`. Between create and start.
  package func load(_ state: [UInt8], version: UInt32) throws(Failure) {
    guard let load = plugin.pointee.load else { return }
    let outcome = state.withUnsafeBufferPointer { state in
      ErrorRoom.collect { load(role, version, nh_bytes(ptr: state.baseAddress, len: UInt64(state.count)), $0) }
    }
    try Self.check(outcome, "load")
  }

  /// The same at a start, with the state of an earlier run. A role that may begin anew does so if it refuses.
  func load(_ saved: SavedState, mayColdStart: Bool) throws(Failure) {
    do throws(Failure) {
      try load(saved.bytes, version: saved.version)
    } catch {
      guard mayColdStart else {
        throw Failure(
          status: error.status,
          message: "its state of version \(saved.version) is refused (\(error.message)); "
            + "write `cold_start: on` at the role to let it begin anew")
      }
      node.log.write(NH_LOG_WARNING, role: name, "begins anew: it refuses its state (\(error.message))")
    }
  }

  /// Nil if the role has to be restarted for it.
  package func reconfigure(config: String) throws(Failure) -> Bool {
    guard let reconfigure = plugin.pointee.reconfigure, isLive else { return false }
    let outcome = ErrorRoom.collect { error in BorrowedText.withJSON(config) { reconfigure(role, $0, error) } }
    try Self.check(outcome, "reconfigure")
    return true
  }

  func health() -> HealthReport.Entry {
    guard isLive, let health = plugin.pointee.health else { return .init(name: name, health: .ok) }
    let (level, reason) = SinkRoom.collect(limit: ErrorRoom.messageLimit) { health(role, $0) }
    let words = String(decoding: reason, as: UTF8.self)
    switch level {
    case NH_HEALTH_OK: return .init(name: name, health: .ok, reason: words)
    case NH_HEALTH_DEGRADED: return .init(name: name, health: .degraded, reason: words)
    default: return .init(name: name, health: .failed, reason: words)
    }
  }

  // MARK: Where and when

  /// Without the fault, which may come from any thread at any time.
  var phase: Phase { Phase(rawValue: phaseBits.load(ordering: .relaxed)).subtracting(.faulted) }

  private func enter(_ phase: Phase) {
    _ = phaseBits.bitwiseAnd(Phase.faulted.rawValue, ordering: .relaxed)
    _ = phaseBits.bitwiseOr(phase.rawValue, ordering: .relaxed)
  }

  /// Whether callbacks may come.
  var isLive: Bool { phaseBits.load(ordering: .relaxed) == Phase.running.rawValue }

  /// Whether a service function may be called here and now; a breach is logged.
  func permits(_ phases: Phase, _ function: StaticString) -> Bool {
    guard loop.isCurrent else {
      misuse(
        "\(function) was called off the role's loop",
        "call it from a callback; from other threads only log, fail and answers are allowed")
      return false
    }
    guard phases.contains(phase) else {
      misuse(
        "\(function) was called while the role was \(phase.name)", "see the bracket behind the function in the header")
      return false
    }
    return true
  }

  func misuse(_ what: String, _ remedy: String) {
    let count = misuses.add(1, ordering: .relaxed).newValue
    guard count <= Self.misuseLogLimit else { return }
    let tail = count == Self.misuseLogLimit ? " (further breaches are only counted)" : ""
    node.log.write(NH_LOG_MISUSE, role: name, "plugin \(description.id): \(what); \(remedy)\(tail)")
  }

  func fault(_ status: nh_status, _ message: String) {
    let before = phaseBits.bitwiseOr(Phase.faulted.rawValue, ordering: .relaxed).oldValue
    guard before & Phase.faulted.rawValue == 0 else { return }
    node.onFault.withLock { $0 }?(self, status, message)
  }

  // MARK: Callbacks

  func metricLabels(_ own: [(name: String, value: String)]) -> [(name: String, value: String)] {
    [("node", node.nodeName), ("role", name)] + own
  }

  func deliver(_ event: BusEvent, handle: UInt64, token: UInt64) {
    guard let callback = plugin.pointee.on_event else {
      return misuse("it subscribes to topics and has no on_event", "fill in on_event")
    }
    event.payload.withUnsafeBufferPointer { payload in
      BorrowedText.with(event.topic) { topic in
        BorrowedText.with(event.source) { source in
          var event = nh_event(
            struct_size: UInt32(MemoryLayout<nh_event>.size), revision: NH_ABI_REVISION, kind: NH_EVENT_TOPIC,
            number: 0, handle: handle, token: token, topic: topic, source: source, sequence: event.sequence,
            payload: nh_bytes(ptr: payload.baseAddress, len: UInt64(payload.count)))
          callback(role, &event)
        }
      }
    }
  }

  /// An event of the host's own, for a role that listens; one that does not has no use for it.
  private func deliver(
    _ kind: UInt32, number: UInt32 = 0, handle: UInt64 = 0, token: UInt64 = 0, payload: nh_bytes = nh_bytes()
  ) {
    guard isLive, let callback = plugin.pointee.on_event else { return }
    var event = nh_event()
    event.struct_size = UInt32(MemoryLayout<nh_event>.size)
    event.revision = NH_ABI_REVISION
    (event.kind, event.number, event.handle, event.token, event.payload) = (kind, number, handle, token, payload)
    callback(role, &event)
  }

  func deliverForwardStats(_ json: String, handle: UInt64, token: UInt64) {
    BorrowedText.with(json) { text in
      let start = UnsafeRawPointer(text.ptr)?.assumingMemoryBound(to: UInt8.self)
      deliver(NH_EVENT_FORWARD_STATS, handle: handle, token: token, payload: nh_bytes(ptr: start, len: text.len))
    }
  }

  func deliverCancelled(_ call: UInt64) { deliver(NH_EVENT_CANCELLED, handle: call) }

  func deliverReady(_ watch: UInt64, _ readiness: UInt32, token: UInt64) {
    deliver(NH_EVENT_FD, number: readiness, handle: watch, token: token)
  }

  func deliverLink(_ kind: UInt32, node: UInt32) { deliver(kind, number: node) }

  @inline(__always)
  func deliverMessage(
    from node: UInt32, _ name: UnsafeRawBufferPointer, channel: UInt32, _ payload: UnsafeRawBufferPointer
  ) {
    guard isLive, let callback = plugin.pointee.on_message else { return }
    var message = nh_message(
      struct_size: UInt32(MemoryLayout<nh_message>.size), revision: NH_ABI_REVISION, from_node: node, channel: channel,
      from_role: nh_str(ptr: name.baseAddress?.assumingMemoryBound(to: CChar.self), len: UInt64(name.count)),
      payload: nh_bytes(ptr: payload.baseAddress?.assumingMemoryBound(to: UInt8.self), len: UInt64(payload.count)))
    callback(role, &message)
  }

  package func deliverTimer(_ timer: UInt64, token: UInt64) {
    guard isLive else { return }
    guard let callback = plugin.pointee.on_timer else {
      return misuse("it sets timers and has no on_timer", "fill in on_timer")
    }
    callback(role, timer, token)
  }

  func deliverReply(_ reply: inout nh_reply) {
    guard isLive else { return }
    guard let callback = plugin.pointee.on_reply else {
      return misuse("it asks for replies and has no on_reply", "fill in on_reply")
    }
    callback(role, &reply)
  }
}

extension RoleInstance.Phase {
  var name: String {
    switch self {
    case .creating: "being created"
    case .starting: "starting"
    case .running: "running"
    case .stopping: "stopping"
    default: "stopped"
    }
  }
}
