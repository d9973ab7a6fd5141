internal import NodeKit

/// An object on its way to another node, no faster than that writes it.
final class Sending {
  /// Sent and not taken yet.
  static let window = 1 << 20
  static let chunkLimit = 64 << 10
  /// To one node at a time; others wait. Together they leave most of a link's queue free.
  static let atATime = 8

  let entry: ImageEntry
  let node: Int
  let number: UInt64
  let isNew: Bool
  let term: UInt64
  /// Where its bytes come from: from memory, or from the disk.
  var cursor: BytesCursor?
  var read: BlobRead?
  var sent = 0
  var taken = 0
  var hasBegun = false
  var touched: Int64 = 0

  init(_ entry: ImageEntry, to node: Int, _ number: UInt64, isNew: Bool, term: UInt64, _ bytes: BytesAtHand?) {
    (self.entry, self.node, self.number, self.isNew, self.term) = (entry, node, number, isNew, term)
    cursor = bytes.map { BytesCursor($0) }
  }
}

/// An object on its way here.
final class Arrival {
  /// Objects at a time.
  static let limit = 48

  let entry: ImageEntry
  let node: Int
  let number: UInt64
  let term: UInt64
  let isNew: Bool
  var upload: BlobUpload?
  var isReady = false
  /// Came and not written yet.
  var pieces: [(offset: Int, bytes: ArraySlice<UInt8>)] = []
  var came = 0
  var isFinishing = false
  var touched: Int64

  init(_ entry: ImageEntry, from node: Int, _ number: UInt64, _ term: UInt64, isNew: Bool, _ now: Int64) {
    (self.entry, self.node, self.number, self.term, self.isNew) = (entry, node, number, term, isNew)
    touched = now
  }
}

extension ImagesNode {
  // MARK: Sending

  func send(
    object entry: ImageEntry, to node: Int, _ number: UInt64, isNew: Bool, term: UInt64, _ bytes: BytesAtHand? = nil
  ) {
    lines[node, default: []].append(Sending(entry, to: node, number, isNew: isNew, term: term, bytes))
    beginSending(to: node)
  }

  private func beginSending(to node: Int) {
    for sending in lines[node, default: []].prefix(Sending.atATime) where !sending.hasBegun {
      (sending.hasBegun, sending.touched) = (true, now)
      do { try begin(sending) } catch { end(sending, .failure(RoleError(error))) }
    }
  }

  private func begin(_ sending: Sending) throws {
    // In the lane of what follows: between lanes, the later message may come first.
    try send(
      .open(term: sending.term, number: sending.number, entry: sending.entry, isNew: sending.isNew), to: sending.node,
      .bulk)
    guard sending.cursor == nil else { return try sendOn(sending) }
    // The first 256 KiB come unasked.
    sending.read = try context.blobs.read(sending.entry.id.description, asksItself: false) { [self] piece in
      sending.sent = piece.offset + piece.bytes.count
      try send(
        .chunk(number: sending.number, offset: UInt64(piece.offset), bytes: piece.bytes[...]), to: sending.node, .bulk)
    } then: { [self] result in
      sending.read = nil
      guard case .failure(let error) = result else { return }
      if error.status == .dataLoss || error.status == .notFound { foundDamaged(sending.entry.id, error.message) }
      stop(sending)
      end(sending, .failure(error))
    }
    sending.read?.ask(for: Sending.window - 256 << 10)
  }

  /// From memory, as much as may be under way.
  private func sendOn(_ sending: Sending) throws {
    while sending.sent < sending.entry.bytes, sending.sent - sending.taken < Sending.window, sending.cursor != nil {
      let chunk = ImageMessage.chunk(sending.number, sending.sent, &sending.cursor!, upTo: Sending.chunkLimit)
      sending.sent += chunk.count - ImageMessage.chunkHead
      try context.peers.send(chunk, to: sending.node, priority: .bulk)
    }
  }

  func takenCame(_ number: UInt64, _ offset: Int, from node: Int) {
    if let copying = copyings[number] { return copying.taken(offset, by: node) }
    guard let sending = lines[node]?.first(where: { $0.number == number }), offset > sending.taken else { return }
    sending.read?.ask(for: offset - sending.taken)
    (sending.taken, sending.touched) = (offset, now)
    do { try sendOn(sending) } catch {
      stop(sending)
      end(sending, .failure(RoleError(error)))
    }
  }

  private func stop(_ sending: Sending) { try? send(.stop(number: sending.number), to: sending.node, .bulk) }

  /// However it ended, the next one begins.
  func end(_ sending: Sending, _ result: Result<Void, RoleError>) {
    forget(sending)
    answerCame(sending.number, from: sending.node, result)
  }

  func forget(_ sending: Sending) {
    sending.read?.cancel()
    lines[sending.node]?.removeAll { $0 === sending }
    beginSending(to: sending.node)
  }

  // MARK: Arriving

  func openCame(_ term: UInt64, _ number: UInt64, _ entry: ImageEntry, _ isNew: Bool, from node: Int) {
    if isNew, !raise(to: term, for: node, number) { return }
    guard isNew || catalogue.missing.contains(entry.id) else {
      return say(.refused(number: number, term: fence, reason: .busy), to: node)
    }
    let arrival = Arrival(entry, from: node, number, term, isNew: isNew, now)
    if catalogue.holds(entry.id) { return conclude(arrival) }
    if let other = arrivals[entry.id] {
      // A write goes before a repair, and a new one before one that is not heard of any more.
      guard isNew, !other.isFinishing, !other.isNew || other.node == node || other.term < term else {
        return say(.refused(number: number, term: fence, reason: .busy), to: node)
      }
      drop(other, .busy)
    }
    guard arrivals.count < Arrival.limit else {
      return say(.refused(number: number, term: fence, reason: .busy), to: node)
    }
    arrivals[entry.id] = arrival
    do { try begin(arrival) } catch { drop(arrival, .disk) }
  }

  private func begin(_ arrival: Arrival) throws {
    let entry = arrival.entry
    arrival.upload = try context.blobs.upload(
      "copy-\(entry.id)", size: entry.bytes, sha256: entry.id.description, mediaType: entry.format.mediaType
    ) { [self] _, event in
      guard arrivals[entry.id] === arrival else { return }
      switch event {
      case .ready:
        arrival.isReady = true
        try pump(arrival)
      case .finished:
        arrival.upload = nil
        arrivals[entry.id] = nil
        conclude(arrival)
      case .failed(let error):
        context.log.warning("a copy of \(entry.id.short) from node \(arrival.node) is not kept: \(error)")
        arrival.upload = nil
        drop(arrival, error.status == .invalidArgument ? .damaged : .disk)
      }
    }
  }

  func chunkCame(_ number: UInt64, _ offset: Int, _ bytes: ArraySlice<UInt8>, from node: Int) {
    if let beginning = beginnings[.init(node, number)] { return take(bytes, at: offset, beginning) }
    guard let arrival = arrivals.values.first(where: { $0.number == number && $0.node == node }) else { return }
    arrival.touched = now
    guard offset == arrival.came, offset + bytes.count <= arrival.entry.bytes,
      arrival.pieces.count < 2 * Sending.window >> 16
    else { return drop(arrival, .damaged) }
    arrival.came += bytes.count
    arrival.pieces.append((offset, bytes))
    do { try pump(arrival) } catch { drop(arrival, .disk) }
  }

  private func pump(_ arrival: Arrival) throws {
    guard arrival.isReady, let upload = arrival.upload else { return }
    var end = 0
    while let piece = arrival.pieces.first {
      // An earlier attempt may have left some of it.
      let isThere = max(0, min(upload.offset - piece.offset, piece.bytes.count))
      if isThere < piece.bytes.count, try !upload.write(piece.bytes.dropFirst(isThere)) { break }
      end = piece.offset + piece.bytes.count
      arrival.pieces.removeFirst()
    }
    if end > 0, end < arrival.entry.bytes { say(.taken(number: arrival.number, offset: UInt64(end)), to: arrival.node) }
    if arrival.pieces.isEmpty, arrival.came == arrival.entry.bytes, !arrival.isFinishing {
      arrival.isFinishing = true
      try upload.finish()
    }
  }

  /// The bytes are here; a new image's entry follows.
  func conclude(_ arrival: Arrival) {
    let entry = arrival.entry
    alone(with: entry.id) { [self] turn in
      lookFor(entry.id) { [self] isThere in
        guard isThere else {
          turn.over()
          return say(.refused(number: arrival.number, term: fence, reason: .busy), to: arrival.node)
        }
        guard arrival.isNew else {
          holdNow(entry.id)
          turn.over()
          if catalogue.live(entry.id) == nil { dropObject(entry.id) }
          return say(.kept(number: arrival.number), to: arrival.node)
        }
        guard arrival.term >= fence else {
          turn.over()
          if catalogue.live(entry.id) == nil { dropObject(entry.id) }
          return say(.refused(number: arrival.number, term: fence, reason: .earlierTerm), to: arrival.node)
        }
        write([entry], arrival.term) { [self] result in
          if case .success = result { holdNow(entry.id) }
          turn.over()
          if catalogue.live(entry.id) == nil { dropObject(entry.id) }
          guard case .success = result else {
            return say(.refused(number: arrival.number, term: fence, reason: .disk), to: arrival.node)
          }
          say(.kept(number: arrival.number), to: arrival.node)
        }
      }
    }
  }

  /// Whether the object is on the disk now; what was may have been removed meanwhile.
  func lookFor(_ id: ImageID, then done: @escaping (Bool) -> Void) {
    do {
      try context.blobs.stat(id.description) { result in
        if case .success = result { done(true) } else { done(false) }
      }
    } catch { done(false) }
  }

  func drop(_ arrival: Arrival, _ reason: ImageMessage.Refusal) {
    if arrivals[arrival.entry.id] === arrival { arrivals[arrival.entry.id] = nil }
    arrival.upload?.abandon()
    say(.refused(number: arrival.number, term: fence, reason: reason), to: arrival.node)
    fetches[arrival.entry.id]?.failed(from: arrival.node)
  }

  func stopCame(_ number: UInt64, from node: Int) {
    if let beginning = beginnings[.init(node, number)] { return end(beginning) }
    guard let arrival = arrivals.values.first(where: { $0.number == number && $0.node == node }) else { return }
    drop(arrival, .busy)
  }

  // MARK: Who is silent

  /// A message to a role that is being exchanged is lost while the link stays up.
  func forgetSilent() {
    let late = now - Awaited.patience
    for sending in lines.sorted(by: { $0.key < $1.key }).flatMap(\.value)
    where sending.hasBegun && sending.touched < late {
      stop(sending)
      end(sending, .failure(RoleError(.deadlineExceeded, "node \(sending.node) is silent")))
    }
    for copying in openCopyings { copying.dropSilent(since: late) }
    let sendings = Set(lines.values.joined().map(\.number)).union(openCopyings.flatMap(\.sealings))
    for (number, waiting) in awaited.sorted(by: { $0.key < $1.key })
    where waiting.since < late && !sendings.contains(number) {
      answerCame(
        number, from: waiting.node, .failure(RoleError(.deadlineExceeded, "node \(waiting.node) is silent")))
    }
    for arrival in openArrivals where !arrival.isFinishing && arrival.touched < late { drop(arrival, .busy) }
    for beginning in openBeginnings where beginning.seal == nil && beginning.touched < late { drop(beginning, .busy) }
  }

  // MARK: A link that went

  func stopTransfers(with node: Int) {
    for sending in lines[node] ?? [] { sending.read?.cancel() }
    lines[node] = nil
    for copying in openCopyings { copying.over(node) }
    for beginning in openBeginnings where beginning.key.node == node && !beginning.isSure { end(beginning) }
    for arrival in openArrivals where arrival.node == node && !arrival.isFinishing {
      arrivals[arrival.entry.id] = nil
      // What came stays for whoever sends the rest.
      arrival.upload?.cancel()
      fetches[arrival.entry.id]?.failed(from: node)
    }
    let lost = RoleError(.unavailable, "the link to node \(node) broke")
    for (number, waiting) in awaited.sorted(by: { $0.key < $1.key }) where waiting.node == node {
      awaited[number] = nil
      waiting.done(.failure(lost))
    }
  }
}
