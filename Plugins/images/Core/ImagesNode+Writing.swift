internal import NodeKit

/// Something that was said to another node and wants an answer.
struct Awaited {
  /// The other node, or the role there, may have been started anew.
  static let patience: Int64 = 5_000_000_000

  var node: Int
  var since: Int64
  var done: (Result<Void, RoleError>) -> Void
}

/// A write on its way to the others.
final class Proposal {
  let entry: ImageEntry
  let term: UInt64
  /// Those of a new image, if they are in memory.
  private(set) var bytes: BytesAtHand?
  /// Those who got them while they came.
  private(set) var copying: Copying?
  /// Who has it.
  var keepers: Set<Int> = []
  /// To whom it is under way.
  var asked: Set<Int> = []
  private var done: ((Result<Int, RoleError>) -> Void)?
  private var outcome: Result<Int, RoleError>?
  /// It is on this node's disk, or it is known that it is not.
  private var isWritten = false
  var timer: Timer?

  init(
    _ entry: ImageEntry, _ term: UInt64, _ bytes: BytesAtHand?, _ copying: Copying?,
    _ done: @escaping (Result<Int, RoleError>) -> Void
  ) {
    (self.entry, self.term, self.bytes, self.copying, self.done) = (entry, term, bytes, copying, done)
  }

  var isOpen: Bool { outcome == nil }

  func written(_ result: Result<Void, RoleError>) {
    isWritten = true
    if case .failure(let error) = result { outcome = .failure(error) }
    tell()
  }

  func end(_ result: Result<Int, RoleError>) {
    guard isOpen else { return }
    outcome = result
    tell()
  }

  /// Not before the own disk has said its word: what comes next about the image must know it.
  private func tell() {
    if outcome != nil {
      timer?.cancel()
      (bytes, copying) = (nil, nil)
    }
    guard isWritten, let outcome, let done else { return }
    self.done = nil
    done(outcome)
  }
}

extension ImagesNode {
  // MARK: To the own disk

  /// Writes entries, as far as they are news, and the term; they count when they are on the disk.
  func write(_ entries: [ImageEntry], _ term: UInt64, then done: @escaping (Result<Void, RoleError>) -> Void) {
    let news = entries.filter { entry in
      catalogue.isNews(entry) && queued[entry.id].map { $0 < entry.version } ?? true
    }
    if news.isEmpty, term <= durableFence, queued.isEmpty { return done(.success(())) }
    for entry in news { queued[entry.id] = entry.version }
    do {
      try context.store.commit { commit in
        for entry in news { commit.put("entry/\(entry.id)", entry.storedBytes) }
        commit.put("fence", JSON(max(term, durableFence)))
      } then: { [self] result in
        for entry in news where queued[entry.id] == entry.version { queued[entry.id] = nil }
        switch result {
        case .success:
          durableFence = max(durableFence, term)
          for entry in news { apply(entry) }
          done(.success(()))
        case .failure(let error):
          // After a sync that failed, nobody knows what is on the disk; whoever starts anew reads it.
          if error.status == .dataLoss { context.fail(.dataLoss, "entries cannot be written: \(error.message)") }
          context.log.error("entries of images cannot be written: \(error)")
          done(.failure(error))
        }
      }
    } catch { done(.failure(RoleError(error))) }
  }

  private func apply(_ entry: ImageEntry) {
    catalogue.apply(entry)
    guard entry.isRemoved else { return }
    dropObject(entry.id)
  }

  /// The bytes of an image that is not there any more.
  func dropObject(_ id: ImageID) {
    alone(with: id) { [self] turn in
      guard catalogue.live(id) == nil, !thumbnails.uses(id.description) else { return turn.over() }
      attempt("removing the bytes of \(id.short)") {
        try context.blobs.remove(id.description) { [self] result in
          if case .failure(let error) = result, error.status != .notFound {
            context.log.error("the bytes of \(id.short) are not removed: \(error)")
          }
          catalogue.lose(id)
          turn.over()
        }
      }
    }
    thumbnails.forget(id, self)
  }

  // MARK: To the others

  func ask(_ node: Int, _ done: @escaping (Result<Void, RoleError>) -> Void) -> UInt64 {
    let number = number()
    awaited[number] = Awaited(node: node, since: now, done: done)
    return number
  }

  func answerCame(_ number: UInt64, from node: Int, _ result: Result<Void, RoleError>) {
    if let sending = lines[node]?.first(where: { $0.number == number }) { forget(sending) }
    guard awaited[number]?.node == node else { return }
    awaited.removeValue(forKey: number)?.done(result)
  }

  func refusalCame(_ number: UInt64, _ term: UInt64, _ reason: ImageMessage.Refusal, from node: Int) {
    if reason == .earlierTerm {
      fence = max(fence, term)
      if leadership.leads, term > leadership.term {
        context.log.warning("node \(node) knows of term \(term); this node's writes are refused")
        follow(nil, nil)
      }
    }
    copyings[number]?.over(node)
    answerCame(number, from: node, .failure(RoleError(.unavailable, "node \(node) did not take it: \(reason)")))
  }

  /// Writes an entry here and with the others; done with how many have it, this node among them.
  func propose(
    _ entry: ImageEntry, _ bytes: BytesAtHand? = nil, _ copying: Copying? = nil,
    then done: @escaping (Result<Int, RoleError>) -> Void
  ) {
    let term = leadership.term
    guard leadership.isReady else { return done(.failure(RoleError(.unavailable, "this node does not lead"))) }
    unsettled.insert(entry.id)
    let proposal = Proposal(entry, term, bytes, copying, done)
    proposals[entry.id] = proposal
    attempt("a timer") {
      proposal.timer = try context.timer.once(after: .milliseconds(settings.writeTimeoutMs)) { [self] in
        let words = "only \(proposal.keepers.count) of \(replicas) other nodes have it so far; send it again later"
        end(proposal, .failure(RoleError(.unavailable, words)))
      }
    }
    // While the own disk writes, the others do.
    #if !BROKEN_EARLY_ANSWER
      // Else the next comparison brings it to them.
      for node in linked { deliver(proposal, to: node) }
    #endif
    write([entry], term) { [self] result in
      if case .failure = result { forget(proposal) }
      proposal.written(result)
    }
    lookWhetherKept(proposal)
  }

  private func forget(_ proposal: Proposal) {
    if proposals[proposal.entry.id] === proposal { proposals[proposal.entry.id] = nil }
  }

  private func end(_ proposal: Proposal, _ result: Result<Int, RoleError>) {
    forget(proposal)
    proposal.end(result)
  }

  func deliver(_ proposal: Proposal, to node: Int) {
    guard proposal.isOpen, others.contains(node), proposal.asked.insert(node).inserted else { return }
    let copying = proposal.copying
    let number = ask(node) { [self] result in
      copying?.over(node)
      proposal.asked.remove(node)
      switch result {
      case .success:
        proposal.keepers.insert(node)
        lookWhetherKept(proposal)
      case .failure:
        // As long as somebody waits for it, it is tried again.
        attempt("a timer") {
          try context.timer.once(after: .milliseconds(200)) { [self] in
            if nodes[node]?.isUp == true { deliver(proposal, to: node) }
          }
        }
      }
    }
    if copying?.seal(proposal.entry, number, by: node) == true { return }
    if proposal.entry.isRemoved || !catalogue.holds(proposal.entry.id) {
      say(.keep(term: proposal.term, number: number, entries: [proposal.entry]), to: node)
    } else {
      send(object: proposal.entry, to: node, number, isNew: true, term: proposal.term, proposal.bytes)
    }
  }

  private func lookWhetherKept(_ proposal: Proposal) {
    guard proposal.isOpen, proposal.keepers.count >= replicas else { return }
    // Fewer than a majority was asked for: then nobody knows more.
    unsettled.remove(proposal.entry.id)
    end(proposal, .success(1 + proposal.keepers.count))
  }

  // MARK: What is not known to be with a majority

  /// Goes on when the image's entry is with a majority; false if it does not get there.
  func settle(_ id: ImageID, then done: @escaping (Bool) -> Void) {
    guard unsettled.contains(id), let entry = catalogue[id] else { return done(true) }
    propose(entry) { result in
      if case .success = result { done(true) } else { done(false) }
    }
  }

  private static let settledAtATime = 16

  func settleSome() {
    for id in unsettled.sorted().prefix(Self.settledAtATime) {
      alone(with: id) { [self] turn in
        guard leadership.isReady, proposals[id] == nil else { return turn.over() }
        settle(id) { _ in turn.over() }
      }
    }
  }
}
