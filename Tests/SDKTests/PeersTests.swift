import NodeTesting
import Testing

/// Messages between nodes, as a Swift role sees them.
@Suite struct PeersTests {
  /// Tells its neighbours how high it has counted, and takes over what is higher.
  final class Gossip: Role {
    static let about = About("gossip", version: "1.0.0", "Spreads a number.")
    static let needs: [Need] = [.peers, .timer]
    static let methods = [Method("raise(number)", "Spreads a number.", raise), Method("best()", "The highest.", best)]

    private let context: RoleContext
    private(set) var number = 0
    private(set) var changes: [LinkChange] = []
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

    func start() throws {
      try context.peers.onMessage { [self] message in
        guard message.channel == 7, let heard = Int(message.text) else {
          throw RoleError(.invalidArgument, message.text)
        }
        if heard > number { try raise(heard) }
      }
      try context.peers.onLink { [self] change in
        changes.append(change)
        if change.isUp { try tell(change.node) }
      }
    }

    func raise(_ number: Int) throws {
      self.number = number
      for node in try context.peers.nodes() where node.isUp && !node.isSelf { try tell(node.id) }
    }

    private func tell(_ node: Int) throws {
      try context.peers.send("\(number)", to: node, channel: 7, priority: .urgent)
    }

    func best() -> Int { number }
  }

  @Test func oneRoleAloneIsTestedWithMadeUpPeers() throws {
    let host = try FakeHost(Gossip.self, id: 4)
    try host.start()
    host.linkUp(2, name: "two")
    #expect(host.sent == [SentMessage(node: 2, role: "gossip", channel: 7, priority: .urgent, bytes: Array("0".utf8))])
    host.receive("12", from: 2, channel: 7)
    #expect(try host.call("best") as Int == 12)
    #expect(host.sent.last?.text == "12")
    host.receive("twelve", from: 2, channel: 7)
    #expect(host.log.last?.message == "the closure for messages failed: twelve", "\(host.log)")
    host.linkDown(2)
    let role = try #require(host.role(as: Gossip.self))
    #expect(role.changes == [LinkChange(node: 2, isUp: true), LinkChange(node: 2, isUp: false)])
    #expect(host.misuse.isEmpty)
  }

  @Test func whatCannotBeSentSaysWhy() throws {
    final class Sender: Role {
      static let about = About("sender", version: "1.0.0", "Sends.")
      static let needs: [Need] = [.peers]
      static let methods = [Method("send(node)", "Sends.", send), Method("up(node)", "Asks.", up)]
      let context: RoleContext
      init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
      func send(_ node: Int) throws { try context.peers.send("x", to: node) }
      func up(_ node: Int) throws -> Bool { try context.peers.isUp(node) }
    }
    let host = try FakeHost(Sender.self, id: 1)
    try host.start()
    func failure(_ node: Int) -> String? {
      let outcome = Result { try host.call("send", node) as Nothing }
      if case .failure(let error) = outcome { return RoleError(error).message }
      return nil
    }
    #expect(failure(2) == "the cluster has no node 2")
    host.linkUp(2)
    #expect(failure(2) == nil)
    #expect(try host.call("up", 2) as Bool)
    host.linkDown(2)
    #expect(failure(2) == "the link to node 2 is down")
    #expect(failure(-1)?.hasPrefix("node -1, channel 0") == true)
    #expect(try host.call("up", 1) as Bool)
  }

  @Test func severalNodesAreJoinedByANetwork() throws {
    let network = FakeNetwork()
    let hosts = try (1...3).map { try FakeHost(Gossip.self, node: "node-\($0)", id: $0) }
    for host in hosts {
      try host.start()
      try network.join(host)
    }
    func best() throws -> [Int] { try hosts.map { try $0.call("best") as Int } }
    _ = try hosts[0].call("raise", 5) as Nothing
    #expect(try best() == [5, 0, 0], "messages take their time")
    network.advance(by: .milliseconds(5))
    #expect(try best() == [5, 5, 5])

    network.part([3], from: [1, 2])
    _ = try hosts[1].call("raise", 8) as Nothing
    network.advance(by: .milliseconds(5))
    #expect(try best() == [8, 8, 5])
    network.heal([3], with: [1, 2])
    network.advance(by: .milliseconds(5))
    #expect(try best() == [8, 8, 8])

    network.crash(hosts[0])
    #expect(hosts[2].role(as: Gossip.self)?.changes.last == LinkChange(node: 1, isUp: false))
    network.lossPerMille = 1000
    _ = try hosts[1].call("raise", 9) as Nothing
    network.advance(by: .milliseconds(5))
    #expect(try best() == [8, 9, 8] && network.lost > 0)
    #expect(hosts.flatMap(\.misuse) == [])
    #expect(throws: RoleError.self) { try network.join(try FakeHost(Gossip.self, id: 2)) }
  }
}
