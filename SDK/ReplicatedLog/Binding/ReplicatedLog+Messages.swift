internal import NodeKit

/// Proposals on their way to the leader. One message at a time: what comes meanwhile waits and goes together.
struct Forward {
  var number: UInt64
  var term: UInt64
  var sequences: [UInt64]
  var sentAt: Int64
}

/// A read of another member.
struct ForeignRead {
  /// Ours.
  var number: UInt64
  var member: Int
  /// Theirs.
  var asked: UInt64
}

extension ReplicatedLog {
  func isUp(_ member: Int) -> Bool { (try? context.peers.isUp(member)) ?? false }

  func send(_ envelope: Envelope) {
    let bytes = MessageCodec.encode(envelope, members: membersHash)
    // What is not taken is as good as lost, and what is lost is sent again when its time comes.
    try? context.peers.send(bytes, to: envelope.member, channel: settings.channel, priority: envelope.message.priority)
  }

  private func send(_ message: RaftMessage, to member: Int) {
    send(Envelope(member: member, term: raft.term, message: message))
  }

  func take(_ message: Message) throws {
    guard message.channel == settings.channel else { return try whenMessage?(message) ?? () }
    guard members.contains(message.node), message.role == context.roleName else { return }
    resume()
    guard phase == .running else { return }
    do {
      let envelope = try MessageCodec.decode(message.bytes, from: message.node, members: membersHash)
      raft.advance(to: context.now.nanoseconds)
      raft.receive(envelope)
      serve(envelope)
    } catch {
      complain(message.node, error)
    }
    pump()
  }

  private func complain(_ member: Int, _ refusal: MessageCodec.Refusal) {
    guard complained.insert(member).inserted else { return }
    switch refusal {
    case .malformed: context.log.warning("node \(member) sends what is no message of the replicated log")
    case .version(let version):
      context.log.error(
        "node \(member) speaks version \(version) of the replicated log, and this one \(MessageCodec.version); run the "
          + "same build on all members")
    case .members:
      context.log.error(
        "node \(member) has another list of members than this node, which has \(Self.list(members)); nothing that it "
          + "sends counts until both have the same")
    }
  }

  func linkChanged(_ change: LinkChange) throws {
    if change.isUp, members.contains(change.node) {
      complained.remove(change.node)
      if phase == .running {
        raft.advance(to: context.now.nanoseconds)
        raft.linkCameUp(change.node)
        if change.node == raft.leader { forgetSent() }
      }
      pump()
    }
    try whenLink?(change)
  }

  /// Whatever the leader was sent may be lost.
  private func forgetSent() {
    if let forward { proposals.handAgain(forward.sequences) }
    forward = nil
    reads.askAgain()
  }

  // MARK: Proposals

  func handProposals() {
    guard let leader = raft.leader else { return }
    let now = context.now.nanoseconds
    if let forward, forward.term != raft.term || now - forward.sentAt >= raft.settings.electionTimeout { forgetSent() }
    guard forward == nil, leader == context.nodeID || isUp(leader) else { return }
    // To another member they go in one message; here, to the disk in one commit.
    let room = leader == context.nodeID ? raft.settings.writeBytes : raft.settings.appendBytes
    let batch = proposals.hand(
      in: raft.term, room: room, count: raft.settings.batchEntries, as: context.nodeID,
      run: raft.promise.run)
    guard !batch.isEmpty else { return }
    guard leader != context.nodeID else {
      let refused = batch.drop { raft.propose($0) == nil }
      return proposals.handAgain(refused.map(\.origin.sequence))
    }
    lastForward += 1
    forward = Forward(number: lastForward, term: raft.term, sequences: batch.map(\.origin.sequence), sentAt: now)
    send(.propose(number: lastForward, proposals: batch), to: leader)
  }

  /// What members ask of a leader, and what it answers.
  private func serve(_ envelope: Envelope) {
    switch envelope.message {
    case .propose(let number, let proposals): serve(number, proposals, of: envelope.member)
    case .proposeAnswer(let number, let isTaken):
      guard let forward, forward.number == number else { return }
      // One that was not taken waits for the next heartbeat, or the next leader.
      if isTaken { self.forward = nil }
    case .read(let number):
      guard raft.role == .leader, foreignReads.count < settings.openLimit else { return }
      lastRead += 1
      foreignReads.append(ForeignRead(number: lastRead, member: envelope.member, asked: number))
      raft.read(lastRead)
    case .readAnswer(let number, let index):
      if envelope.term == raft.term { reads.answered(number, index) }
    default: break
    }
  }

  private func serve(_ number: UInt64, _ batch: [Proposal], of member: Int) {
    let isSound = batch.allSatisfy {
      $0.origin.member == member && $0.bytes.count <= ReplicatedLogSettings.entryLimit
    }
    guard isSound else { return complain(member, .malformed) }
    let isTaken = batch.allSatisfy { raft.propose($0) == nil }
    send(.proposeAnswer(number: number, isTaken: isTaken), to: member)
  }

  // MARK: Reads

  func askReads() {
    guard let leader = raft.leader else { return }
    let now = context.now.nanoseconds
    if leader != context.nodeID {
      for read in reads.takeLeaders() { tell(read.done, .failure(RoleError(.unavailable, isNotLeader))) }
      if now - askedAt >= raft.settings.electionTimeout { reads.askAgain() }
    }
    guard leader == context.nodeID || isUp(leader), let number = reads.ask() else { return }
    askedAt = now
    if leader == context.nodeID { raft.read(number) } else { send(.read(number: number), to: leader) }
  }

  func answerReads() {
    let (confirmed, failed) = raft.takeReads()
    for read in confirmed {
      if let place = foreignReads.firstIndex(where: { $0.number == read.number }) {
        let foreign = foreignReads.remove(at: place)
        send(.readAnswer(number: foreign.asked, index: read.index), to: foreign.member)
      } else {
        reads.answered(read.number, read.index)
      }
    }
    if !failed.isEmpty {
      foreignReads.removeAll { failed.contains($0.number) }
      reads.askAgain()
    }
    for read in reads.takeReady(applied: raft.applied) {
      tell(read.done, read.mustLead && !isLeader ? .failure(RoleError(.unavailable, isNotLeader)) : .success(()))
    }
  }
}

extension RaftMessage {
  fileprivate var priority: Peers.Priority {
    switch self {
    case .voteRequest, .voteAnswer, .heartbeat, .heartbeatAnswer, .takeOver: .urgent
    case .piece: .bulk
    default: .normal
    }
  }
}
