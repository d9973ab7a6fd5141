internal import CNodeABI

extension FakeHost {
  /// Starts the role. If it throws, the role can only be destroyed.
  public func start() throws {
    try expect([.created], "start")
    phase = .starting
    do {
      try library.start(role)
    } catch {
      phase = .stopped
      endWhatItOwns()
      throw error
    }
    phase = .running
    clock.settle()
  }

  /// Tells the role that no new work comes; new calls are refused from here on.
  public func drain() {
    guard phase == .running else { return }
    phase = .draining
    library.table.drain?(role)
    clock.settle()
  }

  /// Ends the role. Calls that are still open are answered for it.
  public func stop() {
    guard phase == .running || phase == .draining else { return }
    phase = .stopping
    library.table.stop?(role)
    for call in incoming.all { finish(call, .failure(RoleError(.unavailable, "the role \(roleName) has stopped"))) }
    endRequests()
    endOwnRequests()
    endRpcs()
    phase = .stopped
    endWhatItOwns()
  }

  /// Stops the role if it runs, and frees it.
  public func destroy() {
    stop()
    guard phase == .created || phase == .stopped else { return }
    phase = .stopped
    library.table.destroy(role)
    role = nil
    phase = .destroyed
  }

  /// Gives the role a new configuration.
  public func reconfigure(_ config: JSON) throws {
    try expect([.running], "reconfigure")
    try library.reconfigure(role, try library.check(config: config))
    clock.settle()
  }

  /// The role's own opinion, as a node would ask for it.
  public func health() throws -> Health {
    try expect([.running, .draining], "health")
    return library.health(role)
  }

  /// Whether the role has anything to say to these; a node does without what is missing.
  public var aspects: Set<Aspect> { library.aspects }

  public enum Aspect: String, Sendable { case drain, stop, state, health, reconfigure }

  func expect(_ phases: Set<Phase>, _ action: String) throws {
    guard phases.contains(phase) else {
      let allowed = phases.map(\.rawValue).sorted().joined(separator: " or ")
      throw RoleError(.failedPrecondition, "\(action): the role is \(phase.rawValue), and must be \(allowed)")
    }
  }

  private func endWhatItOwns() {
    clock.clear()
    timers.endAll()
    subscriptions.endAll()
    outgoingCalls.endAll()
    jobs.endAll()
    storeRequests.endAll()
    blobRequests.endAll()
    routes.endAll()
    forwards.endAll()
    rpcMethods.endAll()
    watches.endAll()
  }
}

// MARK: State and swap

/// What a role saved, with the version that it was saved as.
public struct SavedState: Sendable, Equatable {
  public var version: Int
  public var bytes: [UInt8]

  public init(version: Int, bytes: [UInt8]) {
    self.version = version
    self.bytes = bytes
  }
}

extension FakeHost {
  public func save() throws -> SavedState {
    try expect([.running, .draining], "save")
    return SavedState(version: Int(library.table.state_version), bytes: try library.save(role))
  }

  /// Only before start, as in a node.
  public func load(_ state: SavedState) throws {
    try expect([.created], "load")
    try library.load(role, state)
  }

  /// Exchanges the role for one of another type, as a node does: the new one is made, takes the old one's state
  /// and starts; the old one ends. If the new one refuses, the old one runs on and this throws.
  public func swap<R: Role>(to type: R.Type, config: JSON = [:]) throws -> FakeHost {
    try swap(to: PluginLibrary(type), config)
  }

  /// The same, with a library.
  public func swap(toLibrary path: String, config: JSON = [:]) throws -> FakeHost {
    try swap(to: PluginLibrary(loading: path), config)
  }

  private func swap(to library: PluginLibrary, _ config: JSON) throws -> FakeHost {
    try expect([.running], "swap")
    let next = try FakeHost(
      library, config, roleName, nodeName, nodeID, random.next(), Set(ServiceID.offered).subtracting(offered))
    endRequests(isSwap: true)
    endOwnRequests(isSwap: true)
    endRpcs(isSwap: true)
    if aspects.contains(.state), next.aspects.contains(.state) { try next.load(save()) }
    next.clock.set(clock.now)
    next.metrics = metrics
    next.stubs = stubs
    next.store = store
    next.listeners = listeners
    next.whenRequested = whenRequested
    next.sequences = sequences
    (next.rpcStubs, next.rpcIsReachable, next.rpcTakes) = (rpcStubs, rpcIsReachable, rpcTakes)
    (next.rpcCalls, next.described, next.whenRpcCalled) = (rpcCalls, described, whenRpcCalled)
    next.blobs = blobs
    (next.peers, next.upPeers, next.whenSent) = (peers, upPeers, whenSent)
    try next.start()
    destroy()
    return next
  }
}
