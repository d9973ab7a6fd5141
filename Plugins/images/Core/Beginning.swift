internal import NodeKit

/// The beginning of what may become an image: an upload that comes to the leader, and from there, as it comes, to this
/// node. It is no image before the leader has said which: nobody is given anything of it, and what is no image leaves
/// nothing behind. The names under which beginnings lie on the disk are few, so that a node that was killed finds what
/// it left.
final class Beginning {
  /// At a time; more come when they are whole.
  static let limit = Copying.limit
  /// Of all of them together, unless one image may be larger.
  static let bytesLimit = 1 << 30
  /// After so much, the leader is told that it was taken.
  static let step = 256 << 10

  struct Key: Hashable, Comparable {
    let node: Int
    let number: UInt64

    init(_ node: Int, _ number: UInt64) { (self.node, self.number) = (node, number) }

    static func < (left: Key, right: Key) -> Bool { (left.node, left.number) < (right.node, right.number) }
  }

  let key: Key
  let term: UInt64
  let format: ImageFormat
  let slot: Int
  var upload: BlobUpload?
  var isReady = false
  /// Came and not written yet.
  var pieces: [ArraySlice<UInt8>] = []
  var came = 0
  var told = 0
  /// How long it is, when that is known.
  var size: Int?
  var isFinishing = false
  var stored: StoredBlob?
  /// Which image it is, and where the answer to that goes.
  var seal: (entry: ImageEntry, number: UInt64)?
  var isOver = false
  var touched: Int64

  init(_ key: Key, _ term: UInt64, _ format: ImageFormat, slot: Int, _ now: Int64) {
    (self.key, self.term, self.format, self.slot, touched) = (key, term, format, slot, now)
  }

  /// All of it is here, and it is an image: nobody else is needed for it.
  var isSure: Bool { seal != nil && size != nil }
}

extension ImagesNode {
  private func name(_ slot: Int) -> String { "begun-\(slot)" }

  /// What a kill has left.
  func sweepBeginnings() throws { for slot in 0..<Beginning.limit { try sweep(slot) } }

  private func sweep(_ slot: Int) throws {
    try context.blobs.upload(name(slot)) { upload, event in
      if case .ready = event { upload.abandon() }
    }
  }

  // MARK: It comes

  func beginCame(_ term: UInt64, _ number: UInt64, _ format: ImageFormat, from node: Int) {
    guard raise(to: term, for: node, number) else { return }
    let used = Set(beginnings.values.map(\.slot))
    guard let slot = (0..<Beginning.limit).first(where: { !used.contains($0) }) else {
      return say(.refused(number: number, term: fence, reason: .busy), to: node)
    }
    let beginning = Beginning(.init(node, number), term, format, slot: slot, now)
    beginnings[beginning.key] = beginning
    do { try begin(beginning) } catch { drop(beginning, .disk) }
  }

  private func begin(_ beginning: Beginning) throws {
    beginning.upload = try context.blobs.upload(name(beginning.slot), mediaType: beginning.format.mediaType) {
      [self] upload, event in
      guard beginnings[beginning.key] === beginning else { return }
      switch event {
      case .ready:
        // Left by one that was killed.
        guard beginning.isReady || upload.offset == 0 else {
          upload.abandon()
          return try begin(beginning)
        }
        beginning.isReady = true
        pump(beginning)
      case .finished(let stored):
        (beginning.upload, beginning.stored) = (nil, stored)
        if beginning.isOver { forget(beginning) } else { keepIfSealed(beginning) }
      case .failed(let error):
        context.log.warning("an upload on its way from node \(beginning.key.node) is not kept: \(error)")
        beginning.upload = nil
        // What was written is kept for whoever goes on with it, which nobody does.
        try sweep(beginning.slot)
        if beginning.isOver { forget(beginning) } else { drop(beginning, .disk) }
      }
    }
  }

  func take(_ bytes: ArraySlice<UInt8>, at offset: Int, _ beginning: Beginning) {
    guard !beginning.isOver else { return }
    beginning.touched = now
    let all = beginnings.values.reduce(bytes.count) { $0 + $1.came }
    guard offset == beginning.came, beginning.size == nil, all <= max(Beginning.bytesLimit, settings.imageLimit),
      beginning.pieces.count < 2 * Sending.window >> 16
    else { return drop(beginning, .busy) }
    beginning.came += bytes.count
    beginning.pieces.append(bytes)
    pump(beginning)
  }

  func wholeCame(_ number: UInt64, _ size: UInt64, from node: Int) {
    guard let beginning = beginnings[.init(node, number)], !beginning.isOver else { return }
    beginning.touched = now
    guard beginning.size == nil, size == beginning.came else { return drop(beginning, .damaged) }
    beginning.size = beginning.came
    pump(beginning)
  }

  private func pump(_ beginning: Beginning) {
    guard beginning.isReady, !beginning.isFinishing, let upload = beginning.upload else { return }
    do {
      while let piece = beginning.pieces.first, try upload.write(piece) { beginning.pieces.removeFirst() }
      if beginning.size != nil, beginning.pieces.isEmpty {
        beginning.isFinishing = true
        return try upload.finish()
      }
    } catch { return drop(beginning, .disk) }
    guard upload.offset - beginning.told >= Beginning.step else { return }
    beginning.told = upload.offset
    say(.taken(number: beginning.key.number, offset: UInt64(upload.offset)), to: beginning.key.node)
  }

  // MARK: It is an image

  func sealCame(_ term: UInt64, _ copy: UInt64, _ number: UInt64, _ entry: ImageEntry, from node: Int) {
    guard raise(to: term, for: node, number) else { return }
    guard let beginning = beginnings[.init(node, copy)], !beginning.isOver, beginning.term == term,
      beginning.seal == nil
    else { return say(.refused(number: number, term: fence, reason: .busy), to: node) }
    beginning.touched = now
    beginning.seal = (entry, number)
    #if BROKEN_SEALED_IS_KEPT
      say(.kept(number: number), to: node)
      end(beginning)
    #else
      keepIfSealed(beginning)
    #endif
  }

  private func keepIfSealed(_ beginning: Beginning) {
    guard let stored = beginning.stored, let (entry, number) = beginning.seal else { return }
    guard stored.sha256 == entry.id.description, stored.size == entry.bytes else { return drop(beginning, .damaged) }
    beginnings[beginning.key] = nil
    conclude(Arrival(entry, from: beginning.key.node, number, beginning.term, isNew: true, now))
  }

  // MARK: Its ends

  func drop(_ beginning: Beginning, _ reason: ImageMessage.Refusal) {
    guard !beginning.isOver else { return }
    let number = beginning.seal?.number ?? beginning.key.number
    say(.refused(number: number, term: fence, reason: reason), to: beginning.key.node)
    end(beginning)
  }

  /// Nothing stays of it. What is on its way to the disk gets there first.
  func end(_ beginning: Beginning) {
    beginning.isOver = true
    beginning.pieces = []
    if !beginning.isFinishing {
      beginning.upload?.abandon()
      beginning.upload = nil
    }
    if beginning.upload == nil { forget(beginning) }
  }

  private func forget(_ beginning: Beginning) {
    beginnings[beginning.key] = nil
    // Unless it is an image all the same, which came otherwise.
    if let id = beginning.stored.flatMap({ ImageID($0.sha256) }) { dropObject(id) }
  }

  /// Those of leaders that are none any more.
  func endBeginnings(before term: UInt64) {
    for beginning in openBeginnings where beginning.term < term && beginning.seal == nil {
      drop(beginning, .earlierTerm)
    }
  }
}
