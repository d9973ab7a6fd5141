public import NodeKit

/// The role's configuration.
public struct GatewaySettings: RoleConfig {
  public init() {}

  @Setting("The listener of the manifest that clients reach; `data` if left out.", length: 0...64)
  public var listener = ""

  @Setting(
    "All gateways, by the ids of their nodes, with the address that clients reach each at: "
      + "{1: \"10.0.0.1:8090\", 2: …}, the same list on each. Left out, this is the only one.")
  public var gateways: [String: String] = [:]

  // MARK: Nodes

  @Setting(
    "How long a node may be silent before it is taken out. Longer forgives more, and lists the dead longer.",
    in: .milliseconds(100)...(.seconds(86_400)), unit: .seconds)
  public var nodeTimeout = Duration.seconds(300)

  @Setting(
    "How often nodes are told to send a heartbeat; one that has missed two of them is listed as silent.",
    in: .milliseconds(10)...(.seconds(3_600)), unit: .seconds)
  public var heartbeatInterval = Duration.seconds(30)

  @Setting(
    "No more than so many percent of all nodes expire within one node_timeout_seconds. When more are silent it is "
      + "rather the network's fault: they stay listed as silent until heard of, or until hard_timeout_factor is over.",
    in: 1...100)
  public var expiryPercent = 20

  @Setting("So many nodes may always expire within one node_timeout_seconds, for small clusters.", in: 0...100_000)
  public var expiryLeast = 10

  @Setting(
    "A node that was silent for so many times node_timeout_seconds is taken out, however many others are.", in: 1...100)
  public var hardTimeoutFactor = 3

  // MARK: Who may speak

  @Setting("Whoever sends this word as `authorization: Bearer WORD` may speak for every node.")
  public var token: Secret?

  @Setting("The word of each node by its id: who sends it may speak for that node only.")
  public var tokens: [String: Secret] = [:]

  // MARK: Limits

  @Setting(
    "The most nodes; more are refused with RESOURCE_EXHAUSTED, and so are those beyond 24 MiB of what all tell.",
    in: 1...1_000_000)
  public var nodeLimit: UInt32 = 150_000

  @Setting("The most capabilities of a node.", in: 0...1_000)
  public var capabilityLimit = 64

  @Setting("The most labels of a node.", in: 0...1_000)
  public var labelLimit = 64

  @Setting("The longest name, value, address or instance, in bytes.", in: 8...65_536)
  public var textLimit = 1_024

  @Setting("The most that a node may tell of itself, in bytes, all together.", in: 64...1_048_576)
  public var nodeBytes = 16_384

  @Setting("The most streams of Watch; each takes about 2 KB.", in: 0...1_000_000)
  public var watcherLimit = 10_000

  @Setting(
    "How many changes are kept for watchers. One that reads more slowly, or comes back later, begins anew; each takes "
      + "about 300 bytes.", in: 16...10_000_000)
  public var historyLimit = 10_000

  @Setting("The most changes that wait to be agreed on; more are refused with RESOURCE_EXHAUSTED.", in: 1...60_000)
  public var pendingLimit = 4_000

  @Setting(
    "What a refused client is told to wait, in the metadata `retry-after-ms`.",
    in: .milliseconds(1)...(.seconds(600)), unit: .milliseconds)
  public var retryAfter = Duration.milliseconds(500)

  /// What no single setting can say.
  func check(node: Int) throws {
    guard heartbeatInterval * 2 <= nodeTimeout else {
      throw RoleError(
        .invalidArgument, "is more than half of node_timeout_seconds, so that one lost heartbeat would cost a node",
        at: "/heartbeat_interval_seconds")
    }
    guard gateways.count < 2 || nodeTimeout >= .seconds(10) else {
      throw RoleError(
        .invalidArgument, "is less than 10 s, and gateways need up to 6 s to notice that they do not hear one another",
        at: "/node_timeout_seconds")
    }
    for (id, address) in gateways {
      guard let number = Int(id), (1...Int(UInt32.max)).contains(number) else {
        throw RoleError(.invalidArgument, "`\(id)` is no id of a node", at: "/gateways/\(id)")
      }
      guard address.utf8.contains(UInt8(ascii: ":")) else {
        throw RoleError(.invalidArgument, "`\(address)` is no host:port", at: "/gateways/\(id)")
      }
    }
    guard gateways.isEmpty || gateways["\(node)"] != nil else {
      throw RoleError(
        .invalidArgument, "this node's own id, \(node), is not among the gateways; the list is the same on all of them",
        at: "/gateways")
    }
    for id in tokens.keys where Int32(id) == nil {
      throw RoleError(.invalidArgument, "`\(id)` is no id of a node", at: "/tokens/\(id)")
    }
  }

  /// The ids of all gateways, this one among them.
  func members(node: Int) -> [Int] { gateways.isEmpty ? [node] : gateways.keys.compactMap { Int($0) }.sorted() }

  var heartbeatMilliseconds: UInt32 { UInt32(clamping: heartbeatInterval.nanoseconds / 1_000_000) }
  var timeoutMilliseconds: UInt32 { UInt32(clamping: nodeTimeout.nanoseconds / 1_000_000) }

  /// For clients: this one first.
  func addresses(node: Int) -> [String] {
    let others = members(node: node).filter { $0 != node }.compactMap { gateways["\($0)"] }
    return (gateways["\(node)"].map { [$0] } ?? []) + others
  }
}
