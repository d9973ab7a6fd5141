internal import NodeKit

/// What the fuzzer tries: messages from another node, on a node that coordinates, and whatever is none as records of
/// the store and as a proposal. Stops the process on what should never be.
package func fuzzTransactions(_ bytes: [UInt8]) {
  if let messages = try? MessageCodec.decode(bytes) {
    precondition((try? MessageCodec.decode(MessageCodec.encode(messages))) == messages, "it is read as it was written")
    hear(messages)
  }
  if let record = try? PreparedRecord(bytes) { precondition((try? PreparedRecord(record.bytes)) == record) }
  if let record = try? PromiseRecord(bytes) { precondition(record.bytes == bytes) }
  if let (id, past) = try? PastTransaction.read(bytes) {
    precondition((try? PastTransaction.read(past.bytes(id)))?.past == past)
  }
  _ = try? Proposal(String(decoding: bytes, as: UTF8.self), nodes: [1, 2, 3])
}

private func hear(_ messages: [CommitMessage]) {
  let core = CommitProtocol(.init(me: 1, members: [1, 2, 3], deciders: [1, 2, 3]))
  core.happens(0, wall: 0) { core.start(fixed: nil) }
  settle(core)
  core.happens(0, wall: 0) { core.lead(term: 1) }
  for (time, message) in messages.enumerated() {
    core.happens(Int64(time) * 100_000_000, wall: 0) { core.receive(message, from: 2 + time % 2) }
    settle(core)
    core.happens(Int64(time) * 100_000_000, wall: 0) { core.tick() }
    settle(core)
  }
}

private func settle(_ core: CommitProtocol) {
  // What goes on for longer goes on for ever.
  for _ in 0..<100 {
    let calls = core.calls
    core.calls = []
    // Some commits are never answered, so that others follow them.
    for call in calls where call.verb != .commit || call.number % 4 != 0 {
      core.happens(core.now, wall: 0) { core.resourceAnswered(call.number, refusal: nil, overlaps: true) }
    }
    guard let write = core.takeWrite() else { break }
    core.happens(core.now, wall: 0) { core.written(write) }
  }
  for (node, _) in core.outbox { precondition(node != 1, "nobody writes to himself") }
  (core.outbox, core.answers, core.notices) = ([], [], [])
}
