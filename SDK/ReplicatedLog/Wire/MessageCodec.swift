internal import NodeKit

/// A message as bytes:
///
///     1 version, 1 kind, 8 the members' hash, 8 term, and what the kind has
///
/// Numbers are little-endian. What comes from another node is checked in full: a reader of any bytes ends with a
/// message or with nothing, and takes no more memory than a few times what it was given.
package enum MessageCodec {
  package static let version: UInt8 = 1

  /// Why bytes are no message for this member.
  package enum Refusal: Error, Equatable {
    case malformed
    case version(UInt8)
    /// The sender has another list of members.
    case members
  }

  package static func encode(_ envelope: Envelope, members: UInt64) -> [UInt8] {
    var writer = ByteWriter(reserving: size(envelope.message))
    writer.add(version)
    writer.add(Kind(envelope.message).rawValue)
    writer.add(members)
    writer.add(envelope.term)
    write(envelope.message, to: &writer)
    return writer.bytes
  }

  /// - Parameter member: where it comes from.
  package static func decode(_ bytes: [UInt8], from member: Int, members: UInt64) throws(Refusal) -> Envelope {
    var reader = ByteReader(bytes)
    do {
      let found = try reader.number(UInt8.self)
      if found != version { throw Refusal.version(found) }
      guard let kind = Kind(rawValue: try reader.number(UInt8.self)) else { throw MalformedBytes() }
      if try reader.number(UInt64.self) != members { throw Refusal.members }
      let term = try reader.number(UInt64.self)
      // Terms count up one by one; this one would leave no next.
      guard term < .max / 2 else { throw MalformedBytes() }
      let message = try read(kind, &reader)
      try reader.end()
      return Envelope(member: member, term: term, message: message)
    } catch let refusal as Refusal { throw refusal } catch { throw .malformed }
  }

  /// The same for all members that have the same list (FNV-1a).
  package static func hash(members: [Int]) -> UInt64 {
    members.sorted().reduce(0xCBF2_9CE4_8422_2325) { hash, member in
      (0..<4).reduce(hash) { ($0 ^ UInt64(member >> (8 * $1) & 0xFF)) &* 0x100_0000_01B3 }
    }
  }

  private enum Kind: UInt8 {
    case voteRequest = 1, voteAnswer, append, appended, mismatch, committed, heartbeat, heartbeatAnswer
    case piece, pieceTaken, takeOver, propose, proposeAnswer, read, readAnswer

    init(_ message: RaftMessage) {
      self =
        switch message {
        case .voteRequest: .voteRequest
        case .voteAnswer: .voteAnswer
        case .append: .append
        case .appended: .appended
        case .mismatch: .mismatch
        case .committed: .committed
        case .heartbeat: .heartbeat
        case .heartbeatAnswer: .heartbeatAnswer
        case .piece: .piece
        case .pieceTaken: .pieceTaken
        case .takeOver: .takeOver
        case .propose: .propose
        case .proposeAnswer: .proposeAnswer
        case .read: .read
        case .readAnswer: .readAnswer
        }
    }
  }

  private static func size(_ message: RaftMessage) -> Int {
    switch message {
    case .append(_, _, _, let entries): entries.reduce(64) { $0 + $1.size }
    case .piece(_, _, _, _, let bytes): bytes.count + 64
    case .propose(_, let proposals): proposals.reduce(64) { $0 + $1.bytes.count + 48 }
    default: 64
    }
  }

  private static func write(_ message: RaftMessage, to writer: inout ByteWriter) {
    switch message {
    case .voteRequest(let lastIndex, let lastTerm, let isTrial, let isWanted):
      writer.add(lastIndex)
      writer.add(lastTerm)
      writer.add(isTrial)
      writer.add(isWanted)
    case .voteAnswer(let isGranted, let isTrial):
      writer.add(isGranted)
      writer.add(isTrial)
    case .append(let index, let term, let committed, let entries):
      writer.add(index)
      writer.add(term)
      writer.add(committed)
      writer.add(UInt32(entries.count))
      for entry in entries {
        entry.write(to: &writer)
        writer.add(counted: entry.bytes)
      }
    case .appended(let index), .committed(let index): writer.add(index)
    case .mismatch(let index, let hint): writer.add(index, hint)
    case .heartbeat(let round, let committed): writer.add(round, committed)
    case .heartbeatAnswer(let round): writer.add(round)
    case .piece(let index, let term, let offset, let total, let bytes):
      writer.add(index, term)
      writer.add(offset, total)
      writer.add(counted: bytes)
    case .pieceTaken(let index, let offset): writer.add(index, offset)
    case .takeOver: break
    case .propose(let number, let proposals):
      writer.add(number)
      writer.add(UInt32(proposals.count))
      for proposal in proposals {
        writer.add(proposal.origin)
        writer.add(counted: proposal.bytes)
      }
    case .proposeAnswer(let number, let isTaken):
      writer.add(number)
      writer.add(isTaken)
    case .read(let number): writer.add(number)
    case .readAnswer(let number, let index): writer.add(number, index)
    }
  }

  private static func read(_ kind: Kind, _ reader: inout ByteReader) throws(MalformedBytes) -> RaftMessage {
    switch kind {
    case .voteRequest:
      .voteRequest(
        lastIndex: try reader.number(), lastTerm: try reader.number(), isTrial: try reader.truth(),
        isWanted: try reader.truth())
    case .voteAnswer: .voteAnswer(isGranted: try reader.truth(), isTrial: try reader.truth())
    case .append:
      .append(
        index: try reader.number(), term: try reader.number(), committed: try reader.number(),
        entries: try entries(&reader))
    case .appended: .appended(index: try reader.number())
    case .mismatch: .mismatch(index: try reader.number(), hint: try reader.number())
    case .committed: .committed(index: try reader.number())
    case .heartbeat: .heartbeat(round: try reader.number(), committed: try reader.number())
    case .heartbeatAnswer: .heartbeatAnswer(round: try reader.number())
    case .piece:
      .piece(
        index: try reader.number(), term: try reader.number(), offset: try reader.number(),
        total: try reader.number(), bytes: try reader.counted())
    case .pieceTaken: .pieceTaken(index: try reader.number(), offset: try reader.number())
    case .takeOver: .takeOver
    case .propose: .propose(number: try reader.number(), proposals: try proposals(&reader))
    case .proposeAnswer: .proposeAnswer(number: try reader.number(), isTaken: try reader.truth())
    case .read: .read(number: try reader.number())
    case .readAnswer: .readAnswer(number: try reader.number(), index: try reader.number())
    }
  }

  // Lists grow as their elements are found: a count alone reserves nothing.

  private static func entries(_ reader: inout ByteReader) throws(MalformedBytes) -> [Entry] {
    var entries: [Entry] = []
    for _ in 0..<(try reader.number(UInt32.self)) {
      var entry = try Entry(headFrom: &reader)
      entry.bytes = try reader.counted()
      entries.append(entry)
    }
    return entries
  }

  private static func proposals(_ reader: inout ByteReader) throws(MalformedBytes) -> [Proposal] {
    var proposals: [Proposal] = []
    for _ in 0..<(try reader.number(UInt32.self)) {
      proposals.append(Proposal(origin: try Origin(from: &reader), bytes: try reader.counted()))
    }
    return proposals
  }
}

extension ByteWriter {
  fileprivate mutating func add(_ one: UInt64, _ other: UInt64) {
    add(one)
    add(other)
  }

  mutating func add(_ origin: Origin) {
    add(UInt32(origin.member))
    add(origin.run)
    add(origin.sequence)
    add(origin.floor)
  }
}
