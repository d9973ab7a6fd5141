internal import NodeKit

/// What the fuzzer tries: messages from two other members, each behind a byte with flags (bit 0: which of the two; bit
/// 1: time passes first; bit 2: the disk takes its time) and two with its length. What is no message is tried as a
/// record of the store. Stops the process on what should never be.
package func fuzzReplicatedLog(_ bytes: [UInt8]) {
  let members = [1, 2, 3], hash = MessageCodec.hash(members: members)
  var raft = Raft(RaftSettings(me: 2, members: members), seed: 1)
  raft.start(promise: Promise(), snapshot: nil, log: EntryList(), now: 0)
  var reader = ByteReader(bytes)
  while let (flags, body) = nextMessage(&reader) {
    if flags & 2 != 0 { raft.advance(to: raft.wakeAt) }
    guard let envelope = try? MessageCodec.decode(body, from: flags & 1 == 0 ? 1 : 3, members: hash) else {
      tryRecords(body)
      continue
    }
    precondition(MessageCodec.encode(envelope, members: hash) == body, "it is written as it was read")
    raft.receive(envelope)
    settle(&raft, writes: flags & 4 == 0)
  }
}

private func nextMessage(_ reader: inout ByteReader) -> (flags: UInt8, body: [UInt8])? {
  guard let flags = try? reader.number(UInt8.self), let size = try? reader.number(UInt16.self),
    let body = try? reader.bytes(Int(size))
  else { return nil }
  return (flags, body)
}

private func settle(_ raft: inout Raft, writes: Bool) {
  if let write = raft.takeWrite() {
    precondition(write.entries.isEmpty || write.first + UInt64(write.entries.count) - 1 <= raft.log.lastIndex)
  }
  if writes { raft.written() }
  _ = raft.takeRestore()
  while raft.takeCommitted(limit: 100) != nil {}
  for envelope in raft.takeMessages() { precondition(envelope.member != 2, "nobody writes to himself") }
  precondition(raft.applied <= raft.committed && raft.committed <= raft.log.lastIndex, "what is final is there")
}

private func tryRecords(_ bytes: [UInt8]) {
  if let entry = try? Entry(record: bytes) { precondition(entry.record == bytes) }
  if let promise = try? Promise(record: bytes), promise.vote != nil { precondition(promise.record == bytes) }
  _ = try? SnapshotHead(record: bytes)
  var reader = ByteReader(bytes)
  _ = try? Sessions(from: &reader)
}
