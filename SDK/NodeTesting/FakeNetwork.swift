/// Several fake hosts, each a node of one cluster, and the links between them:
///
///     let network = FakeNetwork()
///     let one = try FakeHost(Elector.self, node: "one", id: 1), two = try FakeHost(Elector.self, node: "two", id: 2)
///     try network.join(one, two)
///     try one.start(); try two.start()
///     network.advance(by: .seconds(1))
///     network.part([1], from: [2])
///
/// Messages take ``delay``, and of every thousand ``lossPerMille`` are lost, which a link does not do while it is up: a
/// role that stands this stands more than it must. The same seed loses the same ones.
public final class FakeNetwork {
  public var delay = Duration.milliseconds(1)
  public var lossPerMille = 0
  /// Messages that were lost, or cut off.
  public private(set) var lost = 0

  private var hosts: [FakeHost] = []
  private var parted: Set<Pair> = []
  private var random: SeededNumbers

  private struct Pair: Hashable {
    var one: Int
    var other: Int
    init(_ a: Int, _ b: Int) { (one, other) = (min(a, b), max(a, b)) }
  }

  public init(seed: UInt64 = 1) { random = SeededNumbers(seed: seed) }

  /// Makes hosts nodes of the cluster, each linked with all others. Their ids must differ.
  public func join(_ new: FakeHost...) throws {
    for host in new {
      guard !hosts.contains(where: { $0.nodeID == host.nodeID }) else {
        throw RoleError(.alreadyExists, "two nodes have the id \(host.nodeID); give each FakeHost its `id`")
      }
      host.whenSent = { [unowned self] host, message in carry(message, from: host) }
      for other in hosts {
        host.linkUp(other.nodeID, name: other.nodeName)
        other.linkUp(host.nodeID, name: host.nodeName)
      }
      hosts.append(host)
    }
  }

  /// A node is gone at once, as when its machine loses power.
  public func crash(_ host: FakeHost) {
    hosts.removeAll { $0 === host }
    host.whenSent = nil
    for other in hosts { other.linkDown(host.nodeID) }
  }

  /// What ``FakeHost/swap(to:config:)`` gave takes the old one's place.
  public func replace(_ old: FakeHost, by new: FakeHost) {
    if let place = hosts.firstIndex(where: { $0 === old }) { hosts[place] = new }
  }

  /// Breaks all links between two groups of nodes.
  public func part(_ group: [Int], from others: [Int]) { each(group, others) { parted.insert($0) } }

  /// Lets them come up again.
  public func heal(_ group: [Int], with others: [Int]) { each(group, others) { parted.remove($0) } }

  private func each(_ group: [Int], _ others: [Int], _ change: (Pair) -> Void) {
    for one in group { for other in others where one != other { change(Pair(one, other)) } }
    for host in hosts {
      for other in hosts where other !== host {
        if parted.contains(Pair(host.nodeID, other.nodeID)) {
          host.linkDown(other.nodeID)
        } else {
          host.linkUp(other.nodeID, name: other.nodeName)
        }
      }
    }
  }

  /// Moves the clocks of all nodes on together, in steps, so that what one sends reaches the others in its time.
  public func advance(by duration: Duration, step: Duration = .milliseconds(1)) {
    var left = duration
    while left > .zero {
      let next = min(left, step)
      for host in hosts { host.clock.advance(by: next) }
      left -= next
    }
  }

  private func carry(_ message: SentMessage, from host: FakeHost) {
    guard message.node != host.nodeID else { return }
    let target = hosts.first { $0.nodeID == message.node && $0.roleName == message.role }
    guard let target, random.next(upperBound: UInt64(1_000)) >= UInt64(lossPerMille) else {
      lost += 1
      return
    }
    target.deliver(
      Message(node: host.nodeID, role: host.roleName, channel: message.channel, bytes: message.bytes), after: delay)
  }
}
