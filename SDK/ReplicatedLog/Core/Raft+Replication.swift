// How entries come to the members (section 5.3), and when they are final (5.4.2).

// MARK: A leader's

extension Raft {
  mutating func lead() {
    role = .leader
    leader = settings.me
    followers = settings.others.map { Follower(member: $0, next: log.lastIndex + 1, movedAt: now) }
    rounds = Rounds(now: now)
    hasLetGo = false
    // Entries of earlier terms become final only with one of this term.
    termStart = log.lastIndex + 1
    log.append(Entry(term: term))
    beat()
  }

  mutating func endLeading() {
    followers = []
    transfer = nil
    termStart = 0
    reads.fail()
  }

  package enum Refusal: Sendable { case notLeader, busy }

  /// Puts a proposal at the end of the log. Nil: it is there, and may or may not become final.
  package mutating func propose(_ proposal: Proposal) -> Refusal? {
    guard role == .leader, transfer == nil else { return .notLeader }
    guard log.lastIndex - committed < UInt64(settings.uncommittedLimit), log.size < settings.logBytes
    else { return .busy }
    log.append(Entry(term: term, origin: proposal.origin, bytes: proposal.bytes))
    return nil
  }

  /// A round of heartbeats. Also the time to send again what may be lost, and to see whether anybody listens.
  mutating func beat() {
    heartbeatDue = now + settings.heartbeat
    guard !isAlone else { return }
    if now - rounds.confirmedAt > settings.electionTimeout + settings.electionSpread { return follow(nil, term: term) }
    if let transfer, now >= transfer.deadline { self.transfer = nil }
    let round = rounds.begin(now)
    for place in followers.indices {
      if now - followers[place].movedAt > settings.electionTimeout { retry(place) }
      send(
        .heartbeat(round: round, committed: min(followers[place].match, committed)), to: followers[place].member)
    }
  }

  /// Nothing was heard of what was sent.
  private mutating func retry(_ place: Int) {
    if case .copying = followers[place].mode {
      followers[place].isWaiting = false
      followers[place].movedAt = now
    } else if followers[place].isWaiting || !followers[place].inFlight.isEmpty {
      followers[place].probe(now: now)
    }
  }

  /// The link to a member is up anew: what was on its way is lost.
  package mutating func linkCameUp(_ member: Int) {
    guard role == .leader, let place = followers.firstIndex(where: { $0.member == member }) else { return }
    if case .copying = followers[place].mode {
      followers[place].isWaiting = false
    } else {
      followers[place].probe(now: now)
    }
  }

  /// Entries that this member's disk was given, and news of what is final.
  mutating func sendEntries() {
    for place in followers.indices {
      switch followers[place].mode {
      case .streaming:
        while followers[place].next <= disk.given, followers[place].inFlight.count < settings.inFlightLimit {
          guard sendEntries(to: place) else { break }
        }
      case .probing: if !followers[place].isWaiting { sendEntries(to: place) }
      case .copying: if !followers[place].isWaiting { sendPiece(to: place) }
      }
      tellCommitted(place)
    }
  }

  @discardableResult
  private mutating func sendEntries(to place: Int) -> Bool {
    let before = followers[place].next - 1
    guard let beforeTerm = log.term(at: before) else {
      copySnapshot(to: place)
      return false
    }
    let entries = log.slice(
      from: before + 1, through: disk.given, room: settings.appendBytes, count: settings.batchEntries)
    followers[place].told = committed
    if followers[place].mode == .probing {
      followers[place].isWaiting = true
    } else {
      followers[place].next += UInt64(entries.count)
      followers[place].inFlight.append(followers[place].next - 1)
    }
    if followers[place].inFlight.count <= 1 { followers[place].movedAt = now }
    send(
      .append(index: before, term: beforeTerm, committed: committed, entries: entries), to: followers[place].member)
    return true
  }

  private mutating func tellCommitted(_ place: Int) {
    let index = min(committed, followers[place].match)
    guard followers[place].mode == .streaming, index > followers[place].told else { return }
    followers[place].told = index
    send(.committed(index: index), to: followers[place].member)
  }

  /// What a follower answers.
  mutating func heard(_ member: Int, _ message: RaftMessage) {
    guard role == .leader, let place = followers.firstIndex(where: { $0.member == member }) else { return }
    switch message {
    case .appended(let index):
      guard index <= log.lastIndex else {
        complaint = "member \(member) has entries up to \(index), and its leader only up to \(log.lastIndex)"
        return
      }
      followers[place].matched(index, now: now)
      commitByMajority()
      continueTransfer()
    case .mismatch(let index, let hint): mismatched(place, index, hint)
    case .heartbeatAnswer(let round):
      followers[place].round = max(followers[place].round, min(round, rounds.last))
      confirmRounds()
    case .pieceTaken(let index, let offset): pieceTaken(place, index, offset)
    default: break
    }
  }

  private mutating func mismatched(_ place: Int, _ index: UInt64, _ hint: UInt64) {
    switch followers[place].mode {
    // A message before this one was lost.
    case .streaming where index > followers[place].match: followers[place].probe(now: now)
    case .probing where index > 0 && index == followers[place].next - 1:
      followers[place].isWaiting = false
      followers[place].next = min(hint, index - 1) + 1
      // Less than it once had: somebody has taken its disk away.
      followers[place].match = min(followers[place].match, followers[place].next - 1)
      followers[place].movedAt = now
    default: break
    }
  }

  /// All that a majority has on its disks is final, if the last of it is of this term: an entry of an earlier term
  /// may be on a majority's disks and still be replaced (figure 8).
  mutating func commitByMajority() {
    var matches = followers.map(\.match) + [disk.durable]
    matches.sort(by: >)
    #if BROKEN_EARLY_ANSWER
      let index = disk.durable
    #else
      let index = matches[settings.majority - 1]
    #endif
    #if BROKEN_OLD_TERM
      guard index > committed else { return }
    #else
      guard index > committed, log.term(at: index) == term else { return }
    #endif
    committed = index
    reads.termBegan = committed >= termStart
    confirmReads()
  }
}

// MARK: A follower's

extension Raft {
  /// Takes entries over that the leader has behind `index`.
  mutating func take(_ entries: [Entry], behind index: UInt64, _ indexTerm: UInt64, _ leaderCommitted: UInt64) {
    guard index < .max - UInt64(entries.count) else { return }
    if index >= log.baseIndex, log.term(at: index) != indexTerm { return refuse(index) }
    for (offset, entry) in entries.enumerated() {
      let place = index + 1 + UInt64(offset)
      // What the snapshot stands for is final, so the leader has the same.
      if place <= log.baseIndex { continue }
      if let known = log.term(at: place) {
        if known == entry.term { continue }
        guard place > committed else {
          return contradicted(place)
        }
        log.truncate(from: place)
        disk.truncated(from: place)
      }
      log.append(entry)
    }
    let last = index + UInt64(entries.count)
    owed = max(owed ?? 0, last)
    commit(leaderCommitted, known: last)
    #if BROKEN_UNSYNCED_ANSWER
      acknowledge()
    #endif
    if let owed, owed <= disk.durable { acknowledge() }
  }

  private mutating func contradicted(_ index: UInt64) {
    complaint = "the leader, member \(leader ?? 0), has another entry at \(index), which is final"
  }

  private mutating func refuse(_ index: UInt64) {
    guard let leader else { return }
    guard index > committed else { return contradicted(index) }
    // The whole term that differs is skipped.
    let hint = index > log.lastIndex ? log.lastIndex : log.start(ofTermAt: index) - 1
    send(.mismatch(index: index, hint: max(hint, committed)), to: leader)
  }

  /// Tells the leader how much of its log is on this disk.
  mutating func acknowledge() {
    guard let leader, let owed else { return }
    #if BROKEN_UNSYNCED_ANSWER
      send(.appended(index: min(owed, log.lastIndex)), to: leader)
    #else
      send(.appended(index: min(owed, disk.durable)), to: leader)
    #endif
    if owed <= disk.durable { self.owed = nil }
  }
}
