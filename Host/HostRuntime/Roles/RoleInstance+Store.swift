import CNodeABI
import HostCore
import NodeValues

/// What a role has asked of its store and not been answered.
struct StoreUse {
  static let commitLimit = 4096
  static let readLimit = 4096
  /// Bytes of waiting commits.
  static let byteLimit = 64 << 20
  /// A role that waits for its commit, to commit again, is given its answer without sleeping if the last came so soon:
  /// on a fast disk, waking up takes a fifth of the sync. Longer serves slower disks, and takes CPU meanwhile.
  static let lingerNanoseconds: Int64 = 200_000

  enum Kind { case commit, get, scan }
  struct Open {
    var token: UInt64
    var kind: Kind
    var cost: Int
    /// A scan that the role has ended: only its last reply may come.
    var isEnding = false
  }

  var open = SlotTable<Open>(limit: StoreUse.commitLimit + StoreUse.readLimit)
  /// Asked in this turn of the loop; they go to the store together at its end.
  var outbox: [StoreRequest] = []
  /// The turns of the loop in which it last asked, and was last answered.
  var lastAsked: Int64 = 0
  var lastAnswered: Int64 = 0
  private var commits = 0
  private var bytes = 0

  var isQuiet: Bool { open.count == 0 }

  /// Nil at the limit of its kind.
  mutating func insert(_ kind: Kind, token: UInt64, cost: Int = 0) -> UInt64? {
    if kind == .commit {
      guard commits < Self.commitLimit, cost <= Self.byteLimit - bytes else { return nil }
    } else {
      guard open.count - commits < Self.readLimit else { return nil }
    }
    guard let handle = open.insert(Open(token: token, kind: kind, cost: cost)) else { return nil }
    if kind == .commit { (commits, bytes) = (commits + 1, bytes + cost) }
    return handle
  }

  mutating func remove(_ handle: UInt64) -> Open? {
    guard let removed = open.remove(handle) else { return nil }
    if removed.kind == .commit { (commits, bytes) = (commits - 1, bytes - removed.cost) }
    return removed
  }
}

/// The store service, as one build of a role sees it.
extension RoleInstance: StoreClient, TurnEndTarget {
  func storeCommit(_ operations: nh_store_operation_list, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "store.commit") else { return 0 }
    do throws(StoreFailure) {
      let commit = try StoreCommit(operations)
      guard let handle = storeUse.insert(.commit, token: token, cost: commit.cost) else { return 0 }
      return ask(.commit(commit), handle)
    } catch {
      return refuse(error, .commit, token)
    }
  }

  func storeGet(_ key: nh_bytes, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "store.get") else { return 0 }
    if let fault = StoreCommit.keyFault(key) { return refuse(.invalid(fault), .get, token) }
    guard let handle = storeUse.insert(.get, token: token) else { return 0 }
    return ask(.get([UInt8](key)), handle)
  }

  func storeScan(_ from: nh_bytes, _ to: nh_bytes, _ limit: UInt64, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "store.scan") else { return 0 }
    if let fault = StoreCommit.keyFault(from) ?? StoreCommit.keyFault(to) {
      return refuse(.invalid(fault), .scan, token)
    }
    guard let handle = storeUse.insert(.scan, token: token) else { return 0 }
    return ask(.scan(StoreRange(from: [UInt8](from), to: [UInt8](to), limit: limit)), handle)
  }

  func cancelStore(_ handle: nh_handle) -> nh_status {
    guard permits([.running], "store.cancel") else { return NH_FAILED_PRECONDITION }
    guard let open = storeUse.open[handle] else { return NH_NOT_FOUND }
    // A commit is on its way to the disk, and a get is as good as done.
    guard open.kind == .scan else { return NH_INVALID_ARGUMENT }
    // What has not been asked yet could not be ended.
    sendToStore()
    storeUse.open[handle]?.isEnding = true
    node.stores.store(of: name)?.endScan(handle, of: self)
    let words = StoreFailure(status: NH_CANCELLED, message: "the role has ended the scan")
    take([StoreAnswer(number: handle, content: .failure(words))])
    return NH_OK
  }

  /// All that is asked in one turn of the loop reaches the store at one time, so that it becomes one batch.
  private func ask(_ kind: StoreRequest.Kind, _ handle: UInt64) -> nh_handle {
    storeUse.outbox.append(StoreRequest(kind, number: handle, by: self))
    if storeUse.outbox.count == 1 { loop.atTurnEnd(self) }
    return handle
  }

  func turnEnded() { sendToStore() }

  private func sendToStore() {
    let requests = storeUse.outbox
    guard !requests.isEmpty else { return }
    storeUse.outbox = []
    lingerIfAnswersAreQuick()
    if let store = node.stores.store(of: name) { return store.send(requests) }
    let failure = StoreFailure(status: NH_UNAVAILABLE, message: "this host has no state folder, so it stores nothing")
    take(requests.map { StoreAnswer(number: $0.number, content: .failure(failure)) })
  }

  private func lingerIfAnswersAreQuick() {
    let now = loop.turnBegan, took = now - storeUse.lastAsked
    storeUse.lastAsked = now
    guard storeUse.lastAnswered == now, took < StoreUse.lingerNanoseconds else { return }
    loop.linger(nanoseconds: StoreUse.lingerNanoseconds)
  }

  /// Always asynchronous, also for what is wrong from the start.
  private func refuse(_ failure: StoreFailure, _ kind: StoreUse.Kind, _ token: UInt64) -> nh_handle {
    guard let handle = storeUse.insert(kind, token: token) else { return 0 }
    take([StoreAnswer(number: handle, content: .failure(failure))])
    return handle
  }

  // MARK: Answers

  /// Any thread.
  package func take(_ answers: [StoreAnswer]) {
    loop.post { [self] in
      storeUse.lastAnswered = loop.turnBegan
      seat.pass(.quieting) { [self] in
        for answer in answers { deliver(answer) }
        let held = answers.reduce(0) { $0 + $1.heldBytes }
        if held > 0 { node.stores.store(of: name)?.taken(held) }
        tellIfQuiet()
      }
    }
  }

  private func deliver(_ answer: StoreAnswer) {
    // Those that a swap has cut short have been answered.
    guard let open = storeUse.open[answer.number] else { return }
    var reply = nh_reply()
    reply.struct_size = UInt32(MemoryLayout<nh_reply>.size)
    reply.revision = NH_ABI_REVISION
    reply.request = answer.number
    reply.token = open.token
    reply.value.letter = UInt32(ValueType.nothing.rawValue)
    if case .entries(let entries) = answer.content { return deliver(entries, &reply) }
    _ = storeUse.remove(answer.number)
    switch answer.content {
    case .done(let revision), .end(let revision):
      reply.revision_number = revision
      deliverReply(&reply)
    case .value(let value, let revision): deliver(&reply, [], value, revision)
    case .failure(let failure):
      reply.status = failure.status
      BorrowedText.with(failure.message) { text in
        failure.key.withUnsafeBufferPointer { key in
          reply.message = text
          reply.key = nh_bytes(ptr: key.baseAddress, len: UInt64(key.count))
          deliverReply(&reply)
        }
      }
    case .entries: break
    }
  }

  private func deliver(_ entries: [StoreEntry], _ reply: inout nh_reply) {
    reply.flags = NH_REPLY_MORE
    for entry in entries {
      // The role may end it, or itself, at any entry.
      guard storeUse.open[reply.request]?.isEnding == false else { return }
      deliver(&reply, entry.key, entry.value, entry.revision)
    }
    guard storeUse.open[reply.request]?.isEnding == false else { return }
    node.stores.store(of: name)?.goOn(reply.request, of: self)
  }

  private func deliver(_ reply: inout nh_reply, _ key: [UInt8], _ value: [UInt8], _ revision: UInt64) {
    reply.revision_number = revision
    key.withUnsafeBufferPointer { key in
      value.withUnsafeBufferPointer { value in
        reply.key = nh_bytes(ptr: key.baseAddress, len: UInt64(key.count))
        reply.value.letter = UInt32(ValueType.bytes.rawValue)
        reply.value.slot = nh_slot(
          lo: value.baseAddress.map { UInt64(UInt(bitPattern: $0)) } ?? 0, hi: UInt64(value.count))
        deliverReply(&reply)
      }
    }
  }

  // MARK: Ends

  /// A swap waits no longer. Commits may still happen; what the next build reads comes after them, and tells.
  func cutStoreUseShort() {
    sendToStore()
    for (handle, open) in storeUse.open.elements {
      let failure =
        open.kind == .commit
        ? StoreFailure(
          status: NH_DEADLINE_EXCEEDED,
          message: "\(name) is being swapped, and the disk has not answered; the commit may still happen")
        : StoreFailure(status: NH_CANCELLED, message: "\(name) is being swapped")
      if open.kind == .scan { node.stores.store(of: name)?.endScan(handle, of: self) }
      deliver(StoreAnswer(number: handle, content: .failure(failure)))
    }
  }

  /// Commits that wait are still done: a role that is told to end may have asked for them as its last word.
  func endStoreUse() {
    sendToStore()
    for (handle, open) in storeUse.open.elements {
      if open.kind == .scan { node.stores.store(of: name)?.endScan(handle, of: self) }
      _ = storeUse.remove(handle)
    }
  }
}
