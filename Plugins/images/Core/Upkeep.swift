public import NodeKit

/// Reads every object of this node once, to see whether all are as they were written.
final class Verification {
  var isRunning = true
  var left: [ImageID]
  var checked = 0
  var bytes = 0
  var damaged: [ImageID] = []
  /// Who wait for the end.
  var waiting: [Reply<JSON>] = []

  init(_ left: [ImageID]) { self.left = left }

  var json: JSON {
    [
      "running": .bool(isRunning), "objects": JSON(checked), "left": JSON(left.count), "bytes": JSON(bytes),
      "damaged": .array(damaged.map { .string($0.description) }),
    ]
  }
}

/// Writes every object of this node anew, so that it is sealed with the present key.
final class Rotation {
  let key: String
  var isRunning = true
  var left: [ImageID]
  var done = 0
  var failed = 0

  init(_ key: String, _ left: [ImageID]) { (self.key, self.left) = (key, left) }

  var json: JSON {
    [
      "key": .string(key), "running": .bool(isRunning), "done": JSON(done), "of": JSON(done + failed + left.count),
      "failed": JSON(failed),
    ]
  }
}

extension ImagesNode {
  private func allHeld() -> [ImageID] {
    catalogue.images(after: nil, limit: .max) { catalogue.holds($0.id) }.map(\.id).reversed()
  }

  // MARK: Verifying

  /// Reads all objects, unless that goes on already, and answers when it is done; `status` tells how far it is. What
  /// is damaged is fetched from others.
  public func verify(_ reply: Reply<JSON>) {
    if leadership.isReady { compareWithAll() }
    if let verification, verification.isRunning { return verification.waiting.append(reply) }
    let new = Verification(allHeld())
    new.waiting = [reply]
    verification = new
    verifyNext()
  }

  private static let shownLimit = 1000

  private func end(_ verification: Verification) {
    verification.isRunning = false
    context.log.info(
      "verified \(verification.checked) images, \(verification.damaged.count) damaged and fetched anew")
    guard case .object(var object) = verification.json else { return }
    let missing = catalogue.missing.subtracting(verification.damaged).sorted().prefix(Self.shownLimit)
    object["missing"] = .array(missing.map { .string($0.description) })
    for reply in verification.waiting { reply.send(.object(object)) }
    verification.waiting = []
  }

  private func verifyNext() {
    guard let verification, verification.isRunning else { return }
    guard let id = verification.left.popLast() else { return end(verification) }
    var size = 0
    attempt("verifying") {
      try context.blobs.read(id.description) {
        size += $0.bytes.count
      } then: { [self] result in
        verification.checked += 1
        verification.bytes += size
        if case .failure(let error) = result, catalogue.live(id) != nil,
          error.status == .dataLoss || error.status == .notFound
        {
          verification.damaged.append(id)
          foundDamaged(id, error.message)
        }
        verifyNext()
      }
    }
  }

  // MARK: Rotating keys

  /// Writes all objects anew in the background. The manifest's `blobs.key` says with which key, and `key` must be it.
  public func rotate(to key: String) throws -> JSON {
    if let rotation, rotation.isRunning {
      guard rotation.key == key else {
        throw RoleError(.failedPrecondition, "objects are being sealed with \(rotation.key); wait until that is done")
      }
      return rotation.json
    }
    if let rotation, rotation.key == key, rotation.failed == 0 {
      defer { self.rotation = nil }
      return rotation.json
    }
    let rotation = Rotation(key, allHeld())
    self.rotation = rotation
    context.log.info("sealing \(rotation.left.count) images anew, with the key \(key)")
    sealNext(rotation)
    return rotation.json
  }

  private func sealNext(_ rotation: Rotation) {
    guard let id = rotation.left.popLast() else {
      rotation.isRunning = false
      return context.log.info("sealed \(rotation.done) images with the key \(rotation.key), \(rotation.failed) failed")
    }
    alone(with: id) { [self] turn in
      guard let entry = catalogue.live(id), catalogue.holds(id) else {
        turn.over()
        return sealNext(rotation)
      }
      rewrite(entry) { [self] isDone in
        turn.over()
        guard isDone else {
          rotation.failed += 1
          return sealNext(rotation)
        }
        lookAtKey(id, rotation)
      }
    }
  }

  /// What new objects are sealed with, only the manifest says.
  private func lookAtKey(_ id: ImageID, _ rotation: Rotation) {
    attempt("looking at a key") {
      try context.blobs.stat(id.description) { [self] result in
        guard case .success(let object) = result, object.key != rotation.key else {
          rotation.done += 1
          return sealNext(rotation)
        }
        rotation.isRunning = false
        rotation.failed += 1
        context.log.error(
          "images are sealed with \(object.key.map { "the key \($0)" } ?? "no key"), not with \(rotation.key): set "
            + "`blobs.key` in the manifest, restart the node, and rotate again")
      }
    }
  }

  /// Reads an object and writes it again; the new one takes the old one's place at once, or not at all.
  private func rewrite(_ entry: ImageEntry, then done: @escaping (Bool) -> Void) {
    let copier = Copier(entry, context.blobs, done)
    do { try copier.start() } catch { done(false) }
  }
}

/// An object on its way to where it lies.
private final class Copier {
  private let entry: ImageEntry
  private let blobs: Blobs
  private var done: ((Bool) -> Void)?
  private var upload: BlobUpload?
  private var read: BlobRead?
  private var pieces: [[UInt8]] = []
  private var isRead = false

  init(_ entry: ImageEntry, _ blobs: Blobs, _ done: @escaping (Bool) -> Void) {
    (self.entry, self.blobs, self.done) = (entry, blobs, done)
  }

  func start() throws {
    let name = entry.id.description
    try blobs.upload("seal-\(name)", size: entry.bytes, sha256: name, mediaType: entry.format.mediaType) {
      [self] upload, event in
      switch event {
      case .ready:
        self.upload = upload
        if read == nil, !isRead { try begin(from: upload.offset) }
        try pump()
      case .finished: end(true)
      case .failed: end(false)
      }
    }
  }

  private func begin(from offset: Int) throws {
    guard offset < entry.bytes else {
      isRead = true
      return
    }
    read = try blobs.read(entry.id.description, from: offset, asksItself: false) { [self] piece in
      pieces.append(piece.bytes)
      try pump()
    } then: { [self] result in
      read = nil
      guard case .success = result else { return end(false) }
      isRead = true
      try pump()
    }
  }

  private func pump() throws {
    guard let upload else { return }
    while let piece = pieces.first, try upload.write(piece) {
      pieces.removeFirst()
      read?.ask(for: piece.count)
    }
    if isRead, pieces.isEmpty { try upload.finish() }
  }

  private func end(_ isDone: Bool) {
    if !isDone { upload?.abandon() }
    upload = nil
    let done = done
    self.done = nil
    done?(isDone)
  }
}
