internal import NodeKit

/// Which proposals have been applied, so that one that was proposed twice is applied once. Part of what a snapshot
/// holds; the same on all members at the same index.
struct Sessions: Equatable {
  fileprivate struct Session: Equatable {
    var member: Int
    var run: UInt64
    /// All below it are done with.
    var floor: UInt64
    /// At or above the floor, in order. No more than a member may have open at a time.
    var applied: [UInt64]
  }
  private var sessions: [Session] = []

  init() {}

  /// Whether the proposal is to be applied: it never was.
  mutating func admit(_ origin: Origin) -> Bool {
    let place = sessions.firstIndex { $0.member >= origin.member } ?? sessions.endIndex
    if place == sessions.endIndex || sessions[place].member != origin.member {
      sessions.insert(Session(member: origin.member, run: origin.run, floor: 1, applied: []), at: place)
    }
    // What a member proposed before it started again, nobody waits for, and what was applied of it is forgotten.
    guard origin.run >= sessions[place].run else { return false }
    if origin.run > sessions[place].run {
      sessions[place] = Session(member: origin.member, run: origin.run, floor: 1, applied: [])
    }
    return sessions[place].admit(origin)
  }
}

extension Sessions.Session {
  fileprivate mutating func admit(_ origin: Origin) -> Bool {
    guard origin.sequence >= floor else { return false }
    let place = applied.lastIndex { $0 <= origin.sequence }
    if let place, applied[place] == origin.sequence { return false }
    applied.insert(origin.sequence, at: place.map { $0 + 1 } ?? 0)
    if origin.floor > floor {
      floor = origin.floor
      applied.removeFirst(applied.firstIndex { $0 >= floor } ?? applied.count)
    }
    return true
  }
}

extension Sessions {
  func write(to writer: inout ByteWriter) {
    writer.add(UInt32(sessions.count))
    for session in sessions {
      writer.add(UInt32(session.member))
      writer.add(session.run)
      writer.add(session.floor)
      writer.add(UInt32(session.applied.count))
      for sequence in session.applied { writer.add(sequence) }
    }
  }

  init(from reader: inout ByteReader) throws(MalformedBytes) {
    for _ in 0..<(try reader.number(UInt32.self)) {
      var session = Session(
        member: Int(try reader.number(UInt32.self)), run: try reader.number(), floor: try reader.number(), applied: [])
      for _ in 0..<(try reader.number(UInt32.self)) { session.applied.append(try reader.number()) }
      sessions.append(session)
    }
  }
}
