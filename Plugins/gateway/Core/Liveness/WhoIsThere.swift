import NodeKit

/// What this gateway knows of who is alive, and the rule by which the one that leads lets nodes expire.
final class WhoIsThere {
  private let context: RoleContext
  private let interval: Int64
  private let timeout: Int64
  private let hardTimeout: Int64
  private var liveness: Liveness
  private var budget: ExpiryBudget
  /// Nodes past their timeout that are spared for now.
  private(set) var spared = 0

  init(_ context: RoleContext, _ settings: GatewaySettings) {
    self.context = context
    interval = settings.heartbeatInterval.nanoseconds
    timeout = settings.nodeTimeout.nanoseconds
    hardTimeout = timeout &* Int64(settings.hardTimeoutFactor)
    liveness = Liveness(timeout: timeout)
    budget = ExpiryBudget(least: settings.expiryLeast, percent: settings.expiryPercent, timeout: timeout)
  }

  var tick: Duration { .nanoseconds(liveness.tick) }

  /// Everybody has a full timeout anew.
  func begin(_ nodes: [Node], now: Int64) {
    liveness.begin(nodes, now: now)
    spared = 0
  }

  func add(_ node: Node) { liveness.add(node, now: context.now.nanoseconds) }

  func silence(of node: Node) -> Int64 { max(0, liveness.silence(of: node, now: context.now.nanoseconds)) }

  func isOver(_ node: Node) -> Bool { silence(of: node) >= timeout }

  func status(of node: Node) -> (status: String, seen: Double) {
    let silence = silence(of: node)
    let seen = Double(context.nanosecondsSince1970 - silence) / 1e9
    return (silence > 2 * interval ? NodeStatus.silent : NodeStatus.active, seen)
  }

  /// The nodes that expire now.
  func sweep(_ nodes: [Int32: Node]) -> [Node] {
    let now = context.now.nanoseconds
    var over: [Node] = []
    liveness.advance(to: now, { nodes[$0] }, { over.append($0) })
    guard !over.isEmpty else {
      spared = 0
      return []
    }
    var left = budget.left(of: nodes.count, now: now), gone: [Node] = [], sparedNow = 0
    for node in over {
      let isHard = liveness.silence(of: node, now: now) >= hardTimeout
      guard isHard || left > 0 else {
        liveness.watchAgain(node)
        sparedNow += 1
        continue
      }
      if !isHard { left -= 1 }
      gone.append(node)
    }
    spared = sparedNow
    budget.spend(gone.count, now: now)
    return gone
  }

  /// It could not be agreed on that a node has gone.
  func watchAgain(_ node: Node) { liveness.watchAgain(node) }
}
