import NodeKit

extension Member: Stateful {
  package static let stateVersion = 1

  package func save() -> [UInt8] {
    // It has not begun yet.
    if let carried { return carried.bytes }
    var snapshot = snapshot()
    snapshot.nodes = list.inOrder
    snapshot.unwritten = archive.unwritten.sorted()
    return snapshot.bytes
  }

  /// `start` decides what of it is of use: it may come from a build that goes this moment, or from one long ago.
  package func load(_ state: [UInt8], version: Int) throws {
    guard version == 1 else {
      throw RoleError(.invalidArgument, "a state of version \(version) is not known; this build knows 1")
    }
    let snapshot = try Snapshot(state)
    guard !snapshot.instance.isEmpty else {
      throw RoleError(.invalidArgument, "a state without an instance is none of a member")
    }
    carried = snapshot
  }

  /// Longer than it takes from `save` in the old build to `start` in the new one, which is one turn of the loop.
  private static let swapLimit = Duration.seconds(1)

  /// Goes on where the build before is this moment: the registration under the same instance, so that the gateway sees
  /// no other node. False if what was carried is of an earlier start, which a host keeps as well: then the store knows
  /// better.
  func goOnWithCarried() -> Bool {
    guard let snapshot = carried else { return false }
    let age = Moment(nanoseconds: snapshot.savedNanoseconds).duration(to: context.now)
    guard !snapshot.isGone, (.zero...Self.swapLimit).contains(age) else { return false }
    carried = nil
    (instance, sequence) = (snapshot.instance, snapshot.sequence)
    presence = snapshot.isAway ? .away : snapshot.isJoined ? .joined : .joining
    take(snapshot, snapshot.nodes)
    hasHeard = snapshot.hasHeard
    report = snapshot.report
    highestReport = snapshot.highestReport
    #if !BROKEN_FORGETS_UNWRITTEN
      archive.changed = Set(snapshot.unwritten)
    #endif
    if snapshot.intervalMilliseconds > 0 { interval = .milliseconds(Int64(snapshot.intervalMilliseconds)) }
    goOn()
    return true
  }

  /// All but the nodes.
  func snapshot() -> Snapshot {
    var snapshot = Snapshot()
    (snapshot.instance, snapshot.sequence) = (instance, sequence)
    snapshot.gateway = gateways.current
    snapshot.learned = gateways.learned
    snapshot.isJoined = presence == .joined
    snapshot.isAway = presence == .away
    snapshot.isGone = isGone
    snapshot.savedNanoseconds = context.now.nanoseconds
    snapshot.isOldGateway = isOldGateway
    snapshot.bootstrap = bootstrap
    snapshot.intervalMilliseconds = UInt64(interval / .milliseconds(1))
    (snapshot.revision, snapshot.registry) = (list.revision, list.registry)
    snapshot.leadership = list.leadership
    (snapshot.report, snapshot.highestReport) = (report, highestReport)
    snapshot.hasHeard = hasHeard
    if let age {
      snapshot.newsMilliseconds = Int64((context.timeSince1970 - age) / .milliseconds(1))
    }
    return snapshot
  }

  func take(_ snapshot: Snapshot, _ nodes: [NodeRecord]) {
    gateways.learn(snapshot.learned)
    gateways.prefer(snapshot.gateway)
    isOldGateway = snapshot.isOldGateway
    bootstrap = snapshot.bootstrap
    list = NodeList(
      nodes, snapshot.leadership, revision: snapshot.revision, registry: snapshot.registry, limit: config.mostNodes)
    // When there was news before this build began.
    guard snapshot.newsMilliseconds > 0 else { return }
    let age = context.timeSince1970 - .milliseconds(snapshot.newsMilliseconds)
    lastNews = context.now.advanced(by: .zero - max(.zero, age))
  }
}
