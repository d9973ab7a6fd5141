import NodeKit

extension Gateway {
  /// Only the gateway that leads lets nodes expire, and by its own clock alone.
  func sweep() {
    log.wakeUp()
    if log.isLeading, !isWatching { beginToWatch() }
    guard isReady, isWatching else { return }
    let wasSparing = whoIsThere.spared > 0, began = context.now
    let gone = whoIsThere.sweep(registry.nodes)
    whenSwept(began.duration(to: context.now))
    for node in gone { expire(node) }
    if whoIsThere.spared > 0, !wasSparing {
      context.log.warning(
        "very many nodes are silent at once, so it may be the network: \(whoIsThere.spared) are spared for now, "
          + "until they were silent for \(settings.hardTimeoutFactor) timeouts")
    }
  }

  func expire(_ node: Node, then done: @escaping () -> Void = {}) {
    let entry = Entry.leave(
      Entry.Leave(
        id: node.id, reason: .expired, revision: node.revision, epoch: epoch ?? 0, base: registry.index, time: time))
    do {
      try propose(entry) { [unowned self] result in
        switch result {
        case .success(let outcome): if outcome.kind == .removed { counts.expirations += 1 }
        case .failure: whoIsThere.watchAgain(node)
        }
        done()
      }
    } catch { whoIsThere.watchAgain(node) }
  }

  /// Somebody wants the id of a node that has been silent for too long: it need not be spared any more.
  func claim(_ id: Int32, _ revision: UInt64, then done: @escaping (Bool) -> Void = { _ in }) {
    guard isWatching, let node = registry.nodes[id], node.revision == revision, whoIsThere.isOver(node) else {
      return done(false)
    }
    expire(node) { done(true) }
  }
}
