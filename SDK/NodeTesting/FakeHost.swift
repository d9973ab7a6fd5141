// A test handles JSON, Value, RoleError and Moment as well; one import is enough.
@_exported public import NodeKit

internal import CNodeABI
internal import Glibc

/// A host for one role, on which it is tested: time stands still until the test moves it, everything that the
/// role does outward is recorded, and whatever comes inward comes from the test.
///
///     let host = try FakeHost(Hello.self, config: ["greeting": "Hi"])
///     try host.start()
///     #expect(try host.call("greet", "Ada") as String == "Hi, Ada!")
///     host.clock.advance(by: .seconds(10))
///     #expect(host.published.last?.topic == "hello.tick")
///     #expect(host.misuse.isEmpty)
///
/// It implements the C tables of the ABI, so the role runs as it does in a node, and plugins in any language
/// can be tested: load a library with ``init(loading:config:name:node:id:seed:without:)``.
///
/// A fake host belongs to the thread that made it.
public final class FakeHost {
  /// Moves only when told to.
  public let clock = ManualClock()
  /// What the role logged, and what the host logged about it.
  public internal(set) var log: [LogLine] = []
  /// Every breach of the headers' contract, in words. A test of a role ends well if this is empty.
  public internal(set) var misuse: [String] = []
  /// What the role published.
  public internal(set) var published: [Event] = []
  /// What the role asked of other roles.
  public internal(set) var outgoing: [RecordedCall] = []
  /// The names of the ports that the manifest would give the role for its routes.
  public var listeners: Set<String> = ["data"]
  /// Other nodes of which the manifest says where they are, and to which there are no links.
  public var namedPeers: [Int: String] = [:]
  /// How long each job on the pool takes.
  public var workTakes = Duration.zero
  /// What jobs reported of their progress.
  public internal(set) var workProgress: [Double] = []
  /// The calls of gRPC that the role has made.
  public internal(set) var rpcCalls: [RecordedRpc] = []
  /// What the role has described for reflection.
  public internal(set) var described: [[UInt8]] = []
  /// Whether other servers are there for calls of gRPC.
  public var rpcIsReachable = true {
    didSet { for handle in openRpcs.handles where rpcIsReachable { moveLater(handle) } }
  }
  /// Plays the other servers where `playRpc` does not: told of each call when its first message is there. The test
  /// sends what it likes, and ends it.
  public var whenRpcCalled: ((RecordedRpc) -> Void)?
  /// How long other servers take for each message.
  public var rpcTakes = Duration.zero
  /// What the role has stored, and how its disk behaves.
  public var store = FakeStore()
  /// The role's objects.
  public var blobs = FakeBlobs()
  /// The messages that the role sent to other nodes and that were taken.
  public internal(set) var sent: [SentMessage] = []
  /// Plays the other servers: told of each request that the role sends.
  public var whenRequested: ((SentRequest) -> Void)?
  /// Set when the role said that it cannot go on.
  public internal(set) var failure: RoleError?
  /// The names of the host functions that the role called and that can fail, in order.
  public internal(set) var hostCalls: [String] = []
  /// Lets one of those calls fail: 1 is the next one. What fails once works again afterwards.
  public var failHostCall: Int?

  public internal(set) var phase = Phase.loading

  let library: PluginLibrary
  let offered: Set<String>
  let thread = pthread_self()
  let roleName: String
  let nodeName: String
  let nodeID: Int
  var contract = Contract()
  var role: UnsafeMutableRawPointer?
  var tables: HostTables!

  /// Calls that the role answered itself.
  var answered: Set<UInt64> = []
  var timers = HandleTable<FakeTimer>()
  var subscriptions = HandleTable<FakeSubscription>()
  var incoming = HandleTable<PendingCall>()
  var outgoingCalls = HandleTable<FakeOutgoing>()
  var jobs = HandleTable<FakeJob>()
  var storeRequests = HandleTable<FakeStoreRequest>()
  var blobRequests = HandleTable<FakeBlobRequest>()
  var routes = HandleTable<FakeRoute>()
  var forwards = HandleTable<FakeForward>()
  /// Without a whole answer.
  var requests = HandleTable<PendingRequest>()
  var ownRequests = HandleTable<SentRequest>()
  var watches = HandleTable<FakeWatch>()
  /// The methods of gRPC that the role serves.
  var rpcMethods = HandleTable<FakeRoute>()
  var openRpcs = HandleTable<FakeRpcCall>()
  var rpcStubs: [String: ([UInt8]) throws -> [[UInt8]]] = [:]
  /// The names of the other nodes by id, and which of them are linked.
  var peers: [Int: String] = [:]
  var upPeers: Set<Int> = []
  var whenSent: ((FakeHost, SentMessage) -> Void)?
  var metrics = MetricRegistry()
  var random: SeededNumbers
  var sequences: [String: UInt64] = [:]
  var stubs: [String: Stub] = [:]

  /// Makes a role of a Swift type.
  /// - Parameters:
  ///   - config: what the manifest would say; checked against the schema, defaults filled in.
  ///   - without: ids of services that this host does not offer.
  public convenience init<R: Role>(
    _ role: R.Type, config: JSON = [:], name: String? = nil, node: String = "node-a", id: Int = 1, seed: UInt64 = 1,
    without: Set<String> = []
  ) throws {
    try self.init(PluginLibrary(role), config, name, node, id, seed, without)
  }

  /// Loads a plugin's library and makes its role. The library stays loaded.
  public convenience init(
    loading path: String, config: JSON = [:], name: String? = nil, node: String = "node-a", id: Int = 1,
    seed: UInt64 = 1,
    without: Set<String> = []
  ) throws {
    try self.init(PluginLibrary(loading: path), config, name, node, id, seed, without)
  }

  init(
    _ library: PluginLibrary, _ config: JSON, _ name: String?, _ node: String, _ id: Int, _ seed: UInt64,
    _ without: Set<String>
  ) throws {
    self.library = library
    roleName = name ?? library.id
    nodeName = node
    nodeID = id
    random = SeededNumbers(seed: seed)
    offered = Set(ServiceID.offered).subtracting(without)
    tables = HostTables(self)
    clock.runaway = { [unowned self] in
      breach("the role keeps itself busy at one moment: \(ManualClock.deliveryLimit) callbacks without time moving on")
    }
    clock.moved = { [unowned self] in lookAtDescriptors() }
    try checkNeeds()
    let filled = try library.check(config: config)
    phase = .creating
    role = try library.create(tables.host, filled)
    phase = .created
  }

  deinit { destroy() }

  private func checkNeeds() throws {
    for need in library.needs where need.isRequired && !offered.contains(need.id) {
      throw RoleError(
        .failedPrecondition,
        "the plugin \(library.id) needs \(need.id), which this host does not offer; make it optional or offer it",
        at: need.id)
    }
  }

  /// The role itself, if it was made from this Swift type.
  public func role<R: Role>(as type: R.Type) -> R? {
    guard library.isNative, let role else { return nil }
    return roleObject(at: role, as: type)
  }
}

/// A line in the log.
public struct LogLine: Sendable, Equatable {
  public enum Level: Int, Sendable { case trace, debug, info, warning, error, misuse }
  public var level: Level
  public var message: String
  public var fields: JSON?

  public init(level: Level, message: String, fields: JSON? = nil) {
    self.level = level
    self.message = message
    self.fields = fields
  }
}

/// Where a role is in its life.
public enum Phase: String, Sendable {
  case loading, creating, created, starting, running, draining, stopping, stopped, destroyed

  /// The words of the headers' brackets that hold now.
  var words: Set<String> {
    switch self {
    case .draining: ["running", "draining"]
    // Between create and start the host may load a state, which the header counts as creating.
    case .created: ["creating"]
    default: [rawValue]
    }
  }
}
