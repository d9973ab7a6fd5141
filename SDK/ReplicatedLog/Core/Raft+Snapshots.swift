/// A part of a snapshot on its way.
struct SnapshotPiece: Equatable, Sendable {
  var index: UInt64
  var term: UInt64
  var offset: UInt64
  var total: UInt64
  var bytes: [UInt8]
}

/// A snapshot that has arrived in part.
struct IncomingSnapshot: Equatable, Sendable {
  var index: UInt64
  var term: UInt64
  var total: Int
  var bytes: [UInt8]
}

// How the log is cut, and what followers get that need what was cut off (section 7).
extension Raft {
  /// Whether enough has been applied since the last snapshot.
  package var wantsSnapshot: Bool {
    let start = snapshot?.index ?? 0
    guard restoring == nil, applied > start else { return false }
    return applied - start >= UInt64(settings.snapshotEntries) || log.size >= settings.snapshotBytes + keptSize
  }

  /// Takes over the state of the state machine, which has just applied all that it was given.
  package mutating func keep(snapshot bytes: [UInt8]) {
    guard applied > (snapshot?.index ?? 0), let term = log.term(at: applied) else { return }
    snapshot = Snapshot(index: applied, term: term, bytes: bytes)
    #if BROKEN_APPLIES_TWICE
      if let before = log.term(at: applied - 1) { snapshot = Snapshot(index: applied - 1, term: before, bytes: bytes) }
    #endif
    disk.isSnapshotNew = true
    let kept = UInt64(settings.keptEntries)
    log.cut(upTo: applied > kept ? applied - kept : 0)
    if log.size > settings.snapshotBytes / 2 { log.cut(upTo: applied) }
    keptSize = log.size
  }

  // MARK: A leader's

  mutating func copySnapshot(to place: Int) {
    guard let snapshot else { return }
    followers[place].mode = .copying(snapshot, offset: 0)
    followers[place].inFlight = []
    followers[place].isWaiting = false
    followers[place].movedAt = now
    sendPiece(to: place)
  }

  mutating func sendPiece(to place: Int) {
    guard case .copying(let snapshot, let offset) = followers[place].mode else { return }
    let end = min(offset + settings.pieceBytes, snapshot.bytes.count)
    followers[place].isWaiting = true
    send(
      .piece(
        index: snapshot.index, term: snapshot.term, offset: UInt64(offset), total: UInt64(snapshot.bytes.count),
        bytes: [UInt8](snapshot.bytes[offset..<end])), to: followers[place].member)
  }

  mutating func pieceTaken(_ place: Int, _ index: UInt64, _ offset: UInt64) {
    guard case .copying(let snapshot, _) = followers[place].mode, index == snapshot.index,
      let offset = Int(exactly: offset), offset <= snapshot.bytes.count
    else { return }
    followers[place].movedAt = now
    // The whole of it is answered as entries are, when it is on the disk.
    followers[place].isWaiting = offset == snapshot.bytes.count && offset > 0
    followers[place].mode = .copying(snapshot, offset: offset == snapshot.bytes.count ? 0 : offset)
  }

  // MARK: A follower's

  mutating func take(_ piece: SnapshotPiece) {
    guard let leader else { return }
    // What is final here already needs no snapshot.
    if piece.index <= committed {
      owed = max(owed ?? 0, min(piece.index, disk.durable))
      return acknowledge()
    }
    guard piece.index < .max / 2, piece.total <= UInt64(settings.snapshotLimit), piece.offset <= piece.total,
      UInt64(piece.bytes.count) <= piece.total - piece.offset
    else { return }
    if piece.offset == 0 {
      incoming = IncomingSnapshot(index: piece.index, term: piece.term, total: Int(piece.total), bytes: [])
    }
    guard incoming?.index == piece.index, incoming?.term == piece.term, incoming?.total == Int(piece.total) else {
      return send(.pieceTaken(index: piece.index, offset: 0), to: leader)
    }
    if incoming?.bytes.count == Int(piece.offset) { incoming?.bytes += piece.bytes }
    guard let incoming else { return }
    send(.pieceTaken(index: piece.index, offset: UInt64(incoming.bytes.count)), to: leader)
    if incoming.bytes.count == incoming.total { install(incoming) }
  }

  private mutating func install(_ arrived: IncomingSnapshot) {
    incoming = nil
    let new = Snapshot(index: arrived.index, term: arrived.term, bytes: arrived.bytes)
    snapshot = new
    restoring = new
    if log.term(at: new.index) == new.term {
      log.cut(upTo: new.index)
    } else {
      disk.truncated(from: log.firstIndex)
      log = EntryList(baseIndex: new.index, baseTerm: new.term)
    }
    disk.skipped(to: new.index)
    committed = new.index
    keptSize = log.size
    owed = max(owed ?? 0, new.index)
  }

  /// A snapshot that the state machine is to become, before anything else is applied. It is on the disk then.
  package mutating func takeRestore() -> Snapshot? {
    guard let restoring, disk.durable >= restoring.index else { return nil }
    self.restoring = nil
    applied = restoring.index
    return restoring
  }
}
