public import NodeKit

public struct ElectorSettings: RoleConfig {
  public enum Mode: String, CaseIterable, SettingValue { case quorum, classic }
  public enum Preset: String, CaseIterable, SettingValue { case lan, wan }

  @Setting(
    "quorum: only with a majority of the nodes; classic: the published algorithm, which splits with the network.")
  public var mode = Mode.quorum
  @Setting("The highest leads; of those with the same, the node with the highest id.", in: -1000...1000)
  public var priority = 0
  @Setting("The ids of the nodes that take part; none: all of cluster.peers, and this one.", count: 0...99)
  public var members: [Int] = []
  @Setting("Whether the nodes are in one building (lan) or in several cities (wan): sets all that follows.")
  public var timing = Preset.lan
  @Setting("Between two heartbeats of the leader; lan 50, wan 400.", in: 5...60_000)
  public var heartbeatMs: Int?
  @Setting("A leader that was silent for so long may be replaced; lan 400, wan 3000.", in: 15...600_000)
  public var leaseMs: Int?
  @Setting("Nodes of higher rank, and voters, have so long to answer; lan 100, wan 800.", in: 5...60_000)
  public var answerMs: Int?
  @Setting("A node of higher rank that has answered has so long to lead; lan 300, wan 2000.", in: 5...600_000)
  public var coordinatorMs: Int?
  @Setting("A node of higher rank is back for so long before it leads; lan 10000, wan 60000.", in: 0...86_400_000)
  public var holdDownMs: Int?
  @Setting("By how much the clocks of two nodes may differ in speed, in thousandths.", in: 0...500)
  public var skewPermille = 20

  public init() {}

  var times: Timing {
    var times = timing == .lan ? Timing.lan : Timing.wan
    func take(_ milliseconds: Int?, _ time: inout Int64) {
      if let milliseconds { time = Int64(milliseconds) * 1_000_000 }
    }
    take(heartbeatMs, &times.heartbeat)
    take(leaseMs, &times.lease)
    take(answerMs, &times.answer)
    take(coordinatorMs, &times.coordinator)
    take(holdDownMs, &times.holdDown)
    times.skewPermille = Int64(skewPermille)
    return times
  }
}
