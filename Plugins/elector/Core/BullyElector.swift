/// The bully algorithm as it was published: H. Garcia-Molina, "Elections in a Distributed Computing System", 1982.
///
/// Whoever misses the coordinator asks all of higher rank; if none answers in time, it becomes the coordinator and says
/// so to all. It takes silence for death, so where the network is divided, each part has a coordinator of its own. The
/// term is this node's own count of coordinators, and fences nothing.
public struct BullyElector: Elector {
  public private(set) var standing = Standing()
  private let me: Int
  private let rank: Rank
  private let timing: Timing
  private var members: [Int: Member] = [:]
  private var effects: [Effect] = []
  /// When the present state has lasted too long.
  private var due: Int64
  private var restsUntil = Int64.min

  public init(me: Int, priority: Int32 = 0, others: [Int], timing: Timing, now: Int64) {
    (self.me, self.timing) = (me, timing)
    rank = Rank(priority: priority, id: me)
    for id in others where id != me { members[id] = Member(rank: Rank(id: id)) }
    // Time to be linked with who is there.
    due = now + (members.isEmpty ? 0 : timing.answer)
  }

  public var nextTick: Int64 { due }

  public mutating func takeEffects() -> [Effect] {
    defer { effects = [] }
    return effects
  }

  public mutating func tick(_ now: Int64) {
    guard now >= due else { return }
    switch standing.state {
    case .leading: beat(now)
    case .asking: lead(now)
    default: elect(now)
    }
  }

  public mutating func stored(_ ballot: Ballot, _ now: Int64) {}

  // MARK: Electing

  private mutating func elect(_ now: Int64) {
    guard now >= restsUntil else {
      due = restsUntil
      return
    }
    if let leader = standing.leader, leader != me { log("coordinator \(leader) is not heard any more") }
    become(.asking, leader: nil)
    let higher = linked.filter { members[$0]!.rank > rank }
    for id in higher { say(.election, to: id) }
    due = now + timing.answer
    if higher.isEmpty { lead(now) }
  }

  private mutating func lead(_ now: Int64) {
    standing.term += 1
    become(.leading, leader: me)
    log("no higher node answers, becoming coordinator, term \(standing.term)")
    beat(now)
  }

  private mutating func beat(_ now: Int64) {
    due = now + timing.heartbeat
    for id in linked { say(.coordinator, to: id) }
  }

  private mutating func follow(_ node: Int, _ term: UInt64, _ now: Int64) {
    if standing.leader != node { log("coordinator announced: \(node), term \(term)") }
    if standing.term != term, standing.leader == node { effects.append(.changed) }
    standing.term = term
    become(.following, leader: node)
    due = now + timing.lease
  }

  // MARK: What others say

  public mutating func received(_ message: ElectorMessage, from node: Int, _ now: Int64) {
    guard members[node] != nil else { return }
    members[node]!.rank.priority = message.priority
    switch message.kind {
    case .election: electionAsked(by: node, now)
    case .ok where standing.state == .asking:
      become(.waiting, leader: nil)
      due = now + timing.coordinator
    case .coordinator: coordinatorCame(message, from: node, now)
    case .released where standing.leader == node:
      become(.following, leader: nil)
      // The highest that is left goes first.
      due = now + (message.node == me ? 0 : timing.answer)
      tick(now)
    default: break
    }
  }

  private mutating func electionAsked(by node: Int, _ now: Int64) {
    guard rank > members[node]!.rank, now >= restsUntil else { return }
    say(.ok, to: node)
    if standing.state == .leading { say(.coordinator, to: node) } else if standing.state == .following { elect(now) }
  }

  private mutating func coordinatorCame(_ message: ElectorMessage, from node: Int, _ now: Int64) {
    #if BROKEN_MEEK
      let isLower = false
    #else
      let isLower = members[node]!.rank < rank && now >= restsUntil
    #endif
    guard isLower else { return follow(node, message.term, now) }
    // One of lower rank leads: it is bullied out of it.
    if standing.state == .leading {
      if message.term >= standing.term {
        standing.term = message.term + 1
        effects.append(.changed)
      }
      return say(.coordinator, to: node)
    }
    if standing.state == .following { elect(now) }
  }

  public mutating func linkChanged(_ node: Int, isUp: Bool, _ now: Int64) {
    guard members[node] != nil else { return }
    members[node]!.upSince = isUp ? now : nil
    if isUp {
      say(standing.state == .leading ? .coordinator : .hello, to: node)
    } else if standing.leader == node {
      elect(now)
    }
  }

  public mutating func linksAre(_ up: Set<Int>, _ now: Int64) {
    for id in members.keys.sorted() where (members[id]!.upSince != nil) != up.contains(id) {
      linkChanged(id, isUp: up.contains(id), now)
    }
  }

  public mutating func stepDown(_ why: String, to successor: Int?, rests: Int64, _ now: Int64) -> Bool {
    restsUntil = now + rests
    guard standing.state == .leading else { return false }
    log("stepping down, term \(standing.term): \(why)")
    let heir = successor ?? linked.max { members[$0]!.rank < members[$1]!.rank }
    become(.following, leader: nil)
    due = max(restsUntil, now + timing.answer + timing.coordinator)
    for id in linked { say(.released, to: id, node: heir) }
    return true
  }

  // MARK: Doing

  private var linked: [Int] { members.filter { $0.value.upSince != nil }.keys.sorted() }

  private mutating func say(_ kind: ElectorMessage.Kind, to node: Int, node about: Int? = nil) {
    let message = ElectorMessage(
      kind, priority: rank.priority, term: standing.term, node: about, reach: UInt16(clamping: 1 + linked.count))
    effects.append(.send(message, to: node))
  }

  private mutating func log(_ words: String) { effects.append(.log("node \(me): \(words)")) }

  private mutating func become(_ state: Standing.State, leader: Int?) {
    let before = standing
    (standing.state, standing.leader) = (state, leader)
    if before.leader != leader || (before.state == .leading) != (state == .leading) { effects.append(.changed) }
  }
}
