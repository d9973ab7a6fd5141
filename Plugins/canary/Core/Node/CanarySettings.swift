public import NodeKit

public struct CanarySettings: RoleConfig {
  @Setting("The role that carries out transactions on all nodes.") public var coordinator = "coordinator"
  @Setting("The role whose leader runs rollouts; empty: the node `leads` does.") public var elector = "elector"
  @Setting("The node that runs rollouts where there is no elector.", in: 1...4_294_967_295) public var leads = 1
  @Setting("The listener that answers.") public var listener = "data"
  @Setting(
    "The state on which the nodes agree first: versions [{id, url, weight in per cent}], stable, sticky, match."
  )
  public var initial: JSON = .null
  @Setting("Beginnings of paths that go to the versions' upstreams.", count: 1...16) public var routes = ["/predict"]
  @Setting("The answer's header that names the version; empty: none.", length: 0...128) public var header = "X-Version"
  @Setting(
    "More members of the forward tables to the upstreams: timeout_ms, retries, health, ejection, limits, host.")
  public var forward: JSON = [:]
  @Setting("Between two messages that say which state a node has.", in: 50...60_000) public var heartbeatMs = 2_000
  @Setting("So long a change may take on all nodes.", in: 100...600_000) public var changeTimeoutMs = 10_000
  @Setting("Between two measurements of metrics from elsewhere.", in: 100...3_600_000) public var measureMs = 10_000
  @Setting("Decisions that are kept.", in: 10...100_000) public var history = 1_000
  @Setting(
    "No larger share is agreed to by a node whose slowest 5 % of a minute's answers took longer.", in: 1...600_000)
  public var gateP95Ms: Int?
  @Setting("No larger share is agreed to by a node that has failed more than this part of a minute's requests.")
  public var gateErrorRate: Double?

  public init() {}

  var first: JSON? { initial == .null ? nil : .some(initial) }
}
