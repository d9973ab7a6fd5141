import NodeKit

/// What the gateways agree on: the nodes, the leader, and who bootstraps. Pure: the same entries in the same order make
/// the same registry, on every gateway and after every restart.
///
/// Each change has a revision, one more than the last; an entry that changes nothing has none.
final class Registry {
  private(set) var nodes: [Int32: Node] = [:] { didSet { ordered = nil } }
  private(set) var revision: UInt64 = 0
  /// Drawn with the first entry; tells one registry from another that began anew.
  private(set) var seed: UInt64 = 0
  private(set) var leader: Leader?
  private(set) var bootstrap: Bootstrap?
  /// Who lets nodes expire.
  private(set) var epoch: UInt64 = 0
  /// What all nodes have told of themselves, in bytes.
  private(set) var size = 0
  private(set) var changes: Changes
  /// The index of the last entry that was done.
  private(set) var index: UInt64 = 0
  /// Those that left lately.
  private(set) var departures = Departures()

  /// The nodes may not take more, so that all of them fit into a snapshot.
  static let sizeLimit = 24 << 20
  /// What a node takes there beside what it has told.
  private static let sizeOfNode = 48
  /// Told of each change, when it is done.
  var whenChanged: (Change) -> Void = { _ in }

  /// Who leads, as somebody has said. It counts as long as the node is registered; its term is kept in any case.
  struct Leader: Equatable {
    var id: Int32
    var term: UInt64
  }

  /// Who was told to bootstrap the cluster.
  struct Bootstrap: Equatable {
    var id: Int32
    var instance: String
    var place: String
    /// Another node has registered since.
    var othersCame = false
  }

  /// Told of a node that has registered again and has nothing new to tell.
  var whenHeard: (Node) -> Void = { _ in }
  /// Told when it was replaced as a whole.
  var whenReplaced: () -> Void = {}

  init(history: Int) { changes = Changes(limit: history) }

  /// In the order of their ids: what is done to one after the other is done alike on every run.
  var inOrder: [Node] {
    if let ordered { return ordered }
    let made = nodes.values.sorted { $0.id < $1.id }
    ordered = made
    return made
  }
  private var ordered: [Node]?

  var leaderNode: Node? { leader.flatMap { nodes[$0.id] } }
  var term: UInt64 { leader?.term ?? 0 }

  /// `index` is the entry's place in the order of all.
  func apply(_ entry: Entry, at index: UInt64) -> Outcome {
    self.index = index
    return switch entry {
    case .join(let join): apply(join)
    case .leave(let leave): apply(leave)
    case .leader(let leader): apply(leader)
    case .resetBootstrap: resetBootstrap()
    case .watch(let epoch): watch(epoch)
    }
  }

  private func apply(_ join: Entry.Join) -> Outcome {
    let holder = nodes[join.id]
    if let holder, holder.tells(join.info) { return again(join, holder) }
    // A registration that was long on its way must not bring back who has left meanwhile.
    let info = Array(join.info), facts = NodeFacts(info)
    if holder == nil, departures.hasOvertaken(join, facts.instance) { return Outcome(.overtaken, revision: revision) }
    if let holder, join.sequence > 0, holder.instance == facts.instance, join.sequence < holder.sequence {
      return Outcome(.overtaken, revision: revision)
    }
    if let holder, holder.refusesOnce(facts.instance) { return Outcome(.overtaken, revision: revision) }
    if let holder, !facts.mayFollow(NodeFacts(holder.info)) {
      return Outcome(.taken, revision: holder.revision)
    }
    let grown = size + join.info.count + (holder.map { -$0.info.count } ?? Self.sizeOfNode)
    if holder == nil && nodes.count >= Int(join.limit) || grown > Self.sizeLimit {
      return Outcome(.full, revision: revision)
    }
    let isBootstrap = bootstraps(join.id, facts.instance, at: facts.place)
    revision += 1
    let departed = holder == nil ? departures[join.id] : nil
    let node = Node(
      id: join.id, instance: facts.instance, info: info, joined: holder?.joined ?? join.time, revision: revision,
      registeredAt: index,
      displaced: holder?.displaced(by: facts.instance)
        ?? departed.map { Node.displaced($0.displaced, $0.instance, by: facts.instance) } ?? [])
    node.sequence = join.sequence
    nodes[join.id] = node
    size = grown
    tell(
      Change(
        holder == nil ? .joined : .updated, revision: revision, id: join.id, node: node, previous: holder,
        time: join.time))
    return Outcome(holder == nil ? .registered : .updated, revision: revision, isBootstrap: isBootstrap)
  }

  /// The node is known and has nothing new to tell, as most that register: what it tells is not read anew.
  private func again(_ join: Entry.Join, _ holder: Node) -> Outcome {
    if join.sequence > 0, join.sequence < holder.sequence { return Outcome(.overtaken, revision: revision) }
    if holder.refusesOnce(holder.instance) { return Outcome(.overtaken, revision: revision) }
    let isBootstrap = bootstraps(join.id, holder.instance, at: NodeFacts(holder.info).place)
    holder.registeredAt = index
    holder.sequence = join.sequence
    whenHeard(holder)
    return Outcome(.updated, revision: holder.revision, isBootstrap: isBootstrap)
  }

  /// Whether this node is the one to bootstrap. It is told so again when it asks again. If it comes back as another
  /// instance at the same address it is still the same node, which nobody can have joined if nobody else came.
  private func bootstraps(_ id: Int32, _ instance: String, at place: @autoclosure () -> String) -> Bool {
    guard let known = bootstrap else {
      bootstrap = Bootstrap(id: id, instance: instance, place: place())
      return true
    }
    guard known.id == id else {
      if !known.othersCame { bootstrap?.othersCame = true }
      return false
    }
    let isSameStart =
      instance.isEmpty && known.instance.isEmpty ? place() == known.place : instance == known.instance
    guard isSameStart || !known.othersCame && place() == known.place else {
      bootstrap?.othersCame = true
      return false
    }
    if instance != known.instance { bootstrap?.instance = instance }
    return true
  }

  private func apply(_ leave: Entry.Leave) -> Outcome {
    guard let node = nodes[leave.id] else {
      // What it asked for before, and what is still on its way, must not bring it back either.
      if leave.reason == .left, let instance = leave.instance {
        let before = departures[leave.id], number = Node.number(of: instance)
        let isSame = before?.instance == number
        departures.add(
          Departures.Departure(
            id: leave.id, index: index, instance: number,
            sequence: max(leave.sequence, isSame ? before?.sequence ?? 0 : 0), displaced: before?.displaced ?? []))
      }
      return Outcome(.notFound, revision: revision)
    }
    // A gateway that led before may still say so by its own clock.
    if leave.reason == .expired, leave.epoch != epoch, !isPlanted(.everybodyExpires) {
      return Outcome(.notFound, revision: revision)
    }
    if let instance = leave.instance, instance != node.instance {
      return Outcome(.otherInstance, revision: node.revision)
    }
    if leave.revision != 0, leave.revision != node.revision { return Outcome(.notFound, revision: revision) }
    let isOlder = leave.sequence > 0 && leave.sequence < node.sequence
    if leave.reason != .evicted, leave.base < node.registeredAt || isOlder {
      return Outcome(.overtaken, revision: revision)
    }
    revision += 1
    nodes[leave.id] = nil
    departures.add(
      Departures.Departure(
        id: leave.id, index: index, instance: Node.number(of: node.instance),
        sequence: max(node.sequence, leave.sequence), displaced: node.displaced))
    size -= node.info.count + Self.sizeOfNode
    tell(
      Change(.left, revision: revision, id: leave.id, node: node, reason: leave.reason.word, time: leave.time))
    return Outcome(.removed, revision: revision)
  }

  private func apply(_ new: Entry.NewLeader) -> Outcome {
    let known = leader ?? Leader(id: -1, term: 0)
    let isOlder = new.term < known.term
    let isRival = new.term == known.term && new.term > 0 && leader != nil && new.id != known.id
    if isOlder || isRival, !isPlanted(.olderTerm) { return Outcome(.leaderRefused, revision: revision) }
    guard nodes[new.id] != nil else { return Outcome(.leaderUnknown, revision: revision) }
    let next = Leader(id: new.id, term: new.term)
    guard next != leader else { return Outcome(.leaderSet, revision: revision) }
    leader = next
    revision += 1
    tell(
      Change(.leader, revision: revision, id: new.id, node: nodes[new.id], term: new.term, time: new.time))
    return Outcome(.leaderSet, revision: revision)
  }

  private func resetBootstrap() -> Outcome {
    bootstrap = nil
    return Outcome(.done, revision: revision)
  }

  private func watch(_ epoch: UInt64) -> Outcome {
    if seed == 0 { seed = epoch }
    self.epoch = epoch
    return Outcome(.done, revision: revision)
  }

  private func tell(_ change: Change) {
    changes.add(change)
    whenChanged(change)
  }

  // MARK: Snapshots

  /// Puts another registry into the place of this one. What changed before it is not known any more.
  func replace(
    nodes: [Int32: Node], revision: UInt64, seed: UInt64, epoch: UInt64, leader: Leader?,
    bootstrap: Bootstrap?, index: UInt64, departures: Departures
  ) {
    (self.nodes, self.revision, self.seed, self.epoch) = (nodes, revision, seed, epoch)
    (self.leader, self.bootstrap, self.index, self.departures) = (leader, bootstrap, index, departures)
    size = nodes.values.reduce(0) { $0 + $1.info.count + Self.sizeOfNode }
    changes.removeAll()
    whenReplaced()
  }
}
