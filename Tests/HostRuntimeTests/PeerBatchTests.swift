import HostCore
@testable import HostRuntime
import Testing

/// Messages one behind the other in one piece of memory.
@Suite struct PeerBatchTests {
  private struct Seen: Equatable {
    var kind: PeerInbox.Kind
    var node: UInt32
    var channel: UInt32
    var from: String
    var payload: [UInt8]

    init(_ kind: PeerInbox.Kind, node: UInt32, channel: UInt32 = 0, from: String = "", payload: [UInt8] = []) {
      (self.kind, self.node, self.channel, self.from, self.payload) = (kind, node, channel, from, payload)
    }
  }

  private func add(_ seen: Seen, to batch: inout PeerBatch) {
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    var from = Array(seen.from.utf8), payload = seen.payload
    // Only what is borrowed during the call may be looked at.
    from.withUnsafeMutableBytes { from in
      payload.withUnsafeMutableBytes { payload in
        let message = PeerMessage(
          seen.channel, from: UnsafeRawBufferPointer(from), to: none, UnsafeRawBufferPointer(payload))
        batch.add(seen.kind, node: seen.node, message)
        for index in from.indices { from[index] = 0x78 }
        for index in payload.indices { payload[index] = 0x78 }
      }
    }
  }

  private func contents(of batch: borrowing PeerBatch) -> [Seen] {
    var all: [Seen] = []
    batch.forEach { (kind, node, message) in
      let from = String(decoding: message.from, as: UTF8.self)
      all.append(Seen(kind, node: node, channel: message.channel, from: from, payload: Array(message.payload)))
    }
    return all
  }

  private let some = [
    Seen(.linkUp, node: 7),
    Seen(.message, node: 7, channel: 1, from: "mail", payload: [1, 2, 3]),
    Seen(.message, node: .max, channel: .max, from: String(repeating: "n", count: 255), payload: []),
    Seen(.message, node: 0, from: "", payload: [0]),
    Seen(.linkDown, node: 7),
  ]

  @Test func whatWasPutInComesOutInItsOrder() {
    var batch = PeerBatch()
    #expect(batch.isEmpty && batch.messages == 0 && batch.bytes == 0)
    for one in some { add(one, to: &batch) }
    #expect(batch.messages == some.count && !batch.isEmpty)
    #expect(contents(of: batch) == some)
    // To look is not to take.
    #expect(contents(of: batch) == some)
  }

  @Test func everySizeIsKept() {
    var batch = PeerBatch(), all: [Seen] = []
    for size in [0, 1, 7, 8, 100, 4_079, 4_080, 4_081, 65_536, 1 << 20] {
      let payload = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ size) }
      all.append(Seen(.message, node: UInt32(size), from: "role-\(size)", payload: payload))
      add(all.last!, to: &batch)
      #expect(batch.messages == all.count)
    }
    #expect(contents(of: batch) == all)
    #expect(batch.bytes > all.reduce(0) { $0 + $1.payload.count + $1.from.utf8.count })
  }

  @Test func whatIsTakenStandsBehindWhatWasThere() {
    var first = PeerBatch(), second = PeerBatch()
    add(some[1], to: &first)
    for one in some { add(one, to: &second) }
    first.take(&second)
    #expect(contents(of: first) == [some[1]] + some && first.messages == some.count + 1)
    #expect(second.isEmpty && second.bytes == 0 && contents(of: second).isEmpty)
    // The emptied one is as good as new.
    add(some[2], to: &second)
    #expect(contents(of: second) == [some[2]] && contents(of: first) == [some[1]] + some)
  }

  @Test func anEmptyOneTakesAllAndLeavesAnEmptyOne() {
    var first = PeerBatch(), second = PeerBatch()
    for one in some { add(one, to: &second) }
    let bytes = second.bytes
    first.take(&second)
    #expect(contents(of: first) == some && first.bytes == bytes)
    #expect(second.isEmpty && second.messages == 0 && second.bytes == 0)
    // Nothing comes of nothing.
    first.take(&second)
    #expect(contents(of: first) == some && first.messages == some.count)
  }

  @Test func anEmptiedOneCanBeUsedAgain() {
    var batch = PeerBatch()
    for round in 0..<3 {
      add(Seen(.message, node: 1, from: "big", payload: [UInt8](repeating: UInt8(round), count: 2 << 20)), to: &batch)
      add(some[round], to: &batch)
      #expect(batch.messages == 2 && contents(of: batch).last == some[round])
      batch.removeAll()
      #expect(batch.isEmpty && batch.bytes == 0 && contents(of: batch).isEmpty)
    }
  }
}
