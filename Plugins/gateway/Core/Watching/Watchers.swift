import NodeKit

/// All streams of Watch. Nothing is queued for them: each has its place in the registry's history, and goes on from
/// there when its client reads.
final class Watchers {
  private let registry: Registry
  private let answers: Answers
  private let limit: Int
  private var list: [Watcher] = []
  /// What was there at a revision, for all that begin then.
  private var lately: (revision: UInt64, nodes: [Node])?
  private(set) var cutOff: UInt64 = 0

  init(_ registry: Registry, _ answers: Answers, limit: Int) {
    (self.registry, self.answers, self.limit) = (registry, answers, limit)
  }

  var count: Int { list.count }

  /// - Parameter isNewest: whether no gateway can know more than this one does.
  func begin(_ call: RpcServerCall, _ request: WatchRequest, isNewest: Bool) throws(RoleError) {
    guard list.count < limit else {
      throw RoleError(
        .resourceExhausted, "\(limit) watchers are there already; ask another gateway, or GetNodes from time to time")
    }
    let watcher = Watcher(call, request.filter, next: request.after + (isPlanted(.lateWatcher) ? 2 : 1))
    if !canGoOn(request, isNewest) { beginAnew(watcher) }
    watcher.place = list.count
    list.append(watcher)
    call.whenEnded { [unowned self, unowned watcher] _ in remove(watcher) }
    pump(watcher)
  }

  /// Whether all changes since are known here. A gateway that has less than the client catches up with it.
  private func canGoOn(_ request: WatchRequest, _ isNewest: Bool) -> Bool {
    guard request.after > 0, request.registry == 0 || request.registry == registry.seed else { return false }
    if request.after > registry.revision { return request.registry != 0 || !isNewest }
    return request.after == registry.revision || registry.changes[request.after + 1] != nil
  }

  private func beginAnew(_ watcher: Watcher) {
    let revision = registry.revision
    if lately?.revision != revision { lately = (revision, registry.inOrder) }
    let leader = registry.leader.map {
      Change(.leader, revision: revision, id: $0.id, node: registry.leaderNode, term: $0.term, time: 0)
    }
    watcher.present = Watcher.Presence(nodes: lately?.nodes ?? [], leader: leader, revision: revision)
    watcher.next = revision + 1
    watcher.isSynced = false
  }

  /// The registry was replaced as a whole: nobody knows what changed.
  func beginAllAnew() {
    for watcher in list {
      beginAnew(watcher)
      if !watcher.isBlocked { pump(watcher) }
    }
  }

  /// The registry has a new change.
  func changed() {
    lately = nil
    // One that ends takes the last one's place.
    for watcher in list.reversed() {
      if !watcher.isBlocked { pump(watcher) } else { endIfLost(watcher) }
    }
  }

  /// One that does not read holds nothing up, and is ended when its next change is forgotten.
  private func endIfLost(_ watcher: Watcher) {
    guard watcher.present == nil, watcher.next <= registry.revision, registry.changes[watcher.next] == nil else {
      return
    }
    end(watcher)
  }

  private func end(_ watcher: Watcher) {
    cutOff += 1
    remove(watcher)
    let error = RoleError(
      .resourceExhausted,
      "this watcher reads too slowly: change \(watcher.next) is not kept any more, and \(registry.revision) is the "
        + "latest; watch again, and read faster, or raise history_limit")
    try? watcher.call.fail(error)
  }

  private func remove(_ watcher: Watcher) {
    guard watcher.place < list.count, list[watcher.place] === watcher else { return }
    let last = list.removeLast()
    guard last !== watcher else { return }
    list[watcher.place] = last
    last.place = watcher.place
  }

  /// Sends as much as the client takes.
  private func pump(_ watcher: Watcher) {
    watcher.isBlocked = false
    do {
      while let (bytes, advance) = nextMessage(watcher) {
        guard let bytes else {
          advance(watcher)
          continue
        }
        guard try watcher.call.send(bytes) else {
          watcher.isBlocked = true
          return watcher.call.whenWritable { [unowned self, unowned watcher] in pump(watcher) }
        }
        advance(watcher)
      }
    } catch {
      // It has gone, and its end comes next.
      watcher.isBlocked = true
    }
  }

  private typealias Step = (Watcher) -> Void

  private func nextMessage(_ watcher: Watcher) -> (bytes: [UInt8]?, advance: Step)? {
    if let present = watcher.present { return nextPresent(watcher, present) }
    guard watcher.next <= registry.revision else {
      guard !watcher.isSynced, watcher.next == registry.revision + 1 else { return nil }
      return (answers.synced(registry.revision), { $0.isSynced = true })
    }
    guard let change = registry.changes[watcher.next] else {
      end(watcher)
      return nil
    }
    return (watcher.words(of: change), { $0.next += 1 })
  }

  private func nextPresent(_ watcher: Watcher, _ present: Watcher.Presence) -> (bytes: [UInt8]?, advance: Step) {
    if present.sent < 0 { return (answers.reset(present.revision), { $0.present?.sent = 0 }) }
    if present.sent < present.nodes.count {
      let node = present.nodes[present.sent]
      let isWanted = watcher.filter.takes(node.info)
      return (isWanted ? answers.present(node, at: present.revision) : nil, { $0.present?.sent += 1 })
    }
    if let leader = present.leader { return (leader.bytes, { $0.present?.leader = nil }) }
    return (
      answers.synced(present.revision),
      { watcher in
        watcher.present = nil
        watcher.isSynced = true
      }
    )
  }
}
