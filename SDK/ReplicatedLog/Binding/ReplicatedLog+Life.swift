internal import NodeKit

// How it comes to what the store has, and what becomes of it when the disk fails.
extension ReplicatedLog {
  func readStore() throws {
    phase = .reading
    try store.read { [unowned self] result in
      guard phase == .reading else { return }
      do {
        try begin(with: result.get())
      } catch {
        phase = .ended
        failOpen("the log could not be read")
        let why = RoleError(error)
        guard let whenReady else { return context.fail(why.status, "the replicated log: \(why)") }
        self.whenReady = nil
        try whenReady(.failure(why))
      }
    }
  }

  private func begin(with content: LogStore.Content) throws {
    try become(content.snapshot?.bytes ?? empty, at: content.snapshot?.index ?? 0)
    raft.start(promise: content.promise, snapshot: content.snapshot, log: content.log, now: context.now.nanoseconds)
    (isWriting, refusedWrite, forward) = (false, nil, nil)
    foreignReads = []
    timer?.cancel()
    timerDue = .max
    phase = .running
    pump()
  }

  /// After a swap that was undone: what this build knows may be older than the store.
  func resume() {
    guard phase == .suspended else { return }
    do { try readStore() } catch {
      let why = RoleError(error)
      context.fail(why.status, "the replicated log cannot be read now: \(why.message)")
    }
  }

  /// Calls the closure of ``start(then:)`` when it is time.
  func tellReady() {
    guard let whenReady, raft.settings.members.count > 1 || raft.hasAppliedAll else { return }
    self.whenReady = nil
    tell(whenReady, .success(()))
  }

  // MARK: The state

  /// What a snapshot holds: which proposals were applied, and the role's state.
  func wrapped(_ snapshot: [UInt8]) -> [UInt8] {
    var writer = ByteWriter(reserving: snapshot.count + 256)
    sessions.write(to: &writer)
    writer.add(rest: snapshot)
    return writer.bytes
  }

  func become(_ snapshot: [UInt8], at index: UInt64) throws {
    var reader = ByteReader(snapshot)
    do {
      sessions = try Sessions(from: &reader)
    } catch {
      throw RoleError(.dataLoss, "the snapshot at \(index) is none of this version")
    }
    try state.restore(reader.rest(), at: index)
  }

  // MARK: The disk

  func write() {
    if let refused = refusedWrite {
      guard context.now.nanoseconds >= refused.at else { return }
      refusedWrite = nil
      return commit(refused.write)
    }
    guard !isWriting, let write = raft.takeWrite() else { return }
    commit(write)
  }

  private func commit(_ write: Write) {
    isWriting = true
    do {
      try store.commit(write) { [unowned self] result in
        guard phase == .running else { return }
        isWriting = false
        switch result {
        case .success:
          trouble = nil
          raft.written()
        case .failure(let error): failed(write, error)
        }
        pump()
      }
    } catch {
      isWriting = false
      failed(write, RoleError(error))
    }
  }

  private func failed(_ write: Write, _ error: RoleError) {
    switch error.status {
    case .aborted, .deadlineExceeded, .cancelled:
      // Another build has written, or may have.
      phase = .suspended
      failOpen("the role was swapped")
      resume()
    case .resourceExhausted:
      if trouble == nil { context.log.error("the replicated log waits for room in the store: \(error.message)") }
      trouble = "the store of member \(context.nodeID) has no room"
      refusedWrite = (write, context.now.advanced(by: .milliseconds(200)).nanoseconds)
      raft.transferLeadership(among: members.filter { $0 != context.nodeID && isUp($0) })
    default:
      phase = .ended
      failOpen("the store has failed")
      context.fail(error.status, "the replicated log's store: \(error.message)")
    }
  }
}
