import FuzzSupport
import ReplicatedLog
import Testing

/// Messages as bytes.
@Suite struct WireTests {
  private static let hash = MessageCodec.hash(members: [1, 2, 3])

  @Test func whatIsWrittenIsReadAgain() throws {
    let origin = Origin(member: 3, run: 4, sequence: 5, floor: 2)
    let entries = [Entry(term: 6), Entry(term: 7, origin: origin, bytes: [1, 2, 3])]
    let messages: [RaftMessage] = [
      .voteRequest(lastIndex: 1, lastTerm: 2, isTrial: true, isWanted: false),
      .voteAnswer(isGranted: true, isTrial: false), .append(index: 1, term: 2, committed: 3, entries: entries),
      .appended(index: 9), .mismatch(index: 4, hint: 3), .committed(index: 8), .heartbeat(round: 5, committed: 4),
      .heartbeatAnswer(round: 5), .piece(index: 9, term: 2, offset: 3, total: 7, bytes: [4, 5]),
      .pieceTaken(index: 9, offset: 5), .takeOver,
      .propose(number: 3, proposals: [Proposal(origin: origin, bytes: [7]), Proposal(origin: origin, bytes: [])]),
      .proposeAnswer(number: 3, isTaken: true), .read(number: 7), .readAnswer(number: 7, index: 8),
    ]
    for message in messages {
      let envelope = Envelope(member: 2, term: 11, message: message)
      let bytes = MessageCodec.encode(envelope, members: Self.hash)
      #expect(try MessageCodec.decode(bytes, from: 2, members: Self.hash) == envelope)
      // Nothing less is a message, and nothing more.
      for count in bytes.indices {
        #expect(throws: MessageCodec.Refusal.malformed) {
          try MessageCodec.decode(Array(bytes[..<count]), from: 2, members: Self.hash)
        }
      }
      #expect(throws: MessageCodec.Refusal.malformed) {
        try MessageCodec.decode(bytes + [0], from: 2, members: Self.hash)
      }
    }
  }

  @Test func othersAreToldApart() {
    let bytes = MessageCodec.encode(Envelope(member: 2, term: 1, message: .takeOver), members: Self.hash)
    #expect(throws: MessageCodec.Refusal.members) {
      try MessageCodec.decode(bytes, from: 2, members: MessageCodec.hash(members: [1, 2, 4]))
    }
    #expect(throws: MessageCodec.Refusal.version(2)) {
      try MessageCodec.decode([2] + bytes.dropFirst(), from: 2, members: Self.hash)
    }
    #expect(MessageCodec.hash(members: [3, 1, 2]) == Self.hash)
  }

  /// The seeds of Tests/Fuzz, and mutations of them.
  @Test func whateverComes() throws { try fuzz("log", fuzzReplicatedLog) }
}
