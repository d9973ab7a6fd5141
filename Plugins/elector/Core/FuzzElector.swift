/// What the fuzzer tries: messages of two other electors, each behind a byte with flags (bit 0: which of the two; bit
/// 1: time passes first; bit 2: the disk takes its time; bit 3: the link breaks and comes back). Stops the process on
/// what should never be.
package func fuzzElector(_ bytes: [UInt8]) {
  var now: Int64 = 1_000_000_000
  var elector = QuorumElector(me: 2, others: [1, 3], timing: .lan, ballot: Ballot(), seed: 1, now: now)
  for id in [1, 3] { elector.linkChanged(id, isUp: true, now) }
  var rest = bytes[...], term: UInt64 = 0
  while let flags = rest.popFirst() {
    if flags & 2 != 0 {
      now = max(now, elector.nextTick == .max ? now : elector.nextTick)
      elector.tick(now)
    }
    let node = flags & 1 == 0 ? 1 : 3
    if flags & 8 != 0 { for isUp in [false, true] { elector.linkChanged(node, isUp: isUp, now) } }
    if let message = ElectorMessage(Array(rest.prefix(ElectorMessage.size))) {
      precondition(ElectorMessage(message.bytes) == message, "it is written as it was read")
      elector.received(message, from: node, now)
      rest = rest.dropFirst(ElectorMessage.size)
    }
    settle(&elector, writes: flags & 4 == 0, now)
    precondition(elector.standing.term >= term, "terms grow")
    term = elector.standing.term
  }
}

private func settle(_ elector: inout QuorumElector, writes: Bool, _ now: Int64) {
  while true {
    let effects = elector.takeEffects()
    if effects.isEmpty { return }
    for effect in effects {
      switch effect {
      case .store(let ballot) where writes: elector.stored(ballot, now)
      case .send(_, let node): precondition(node != 2, "nobody writes to itself")
      default: break
      }
    }
  }
}
