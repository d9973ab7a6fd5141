internal import NodeKit

/// Smaller versions of images: made when they are asked for, and kept as objects as long as there is room.
struct ThumbnailCache {
  static let widths = 16...2048

  struct Name: Hashable {
    var image: ImageID
    var width: Int
    var key: String { "thumb/\(image)/\(width)" }
  }

  private struct Kept {
    var object: String
    var bytes: Int
    var used: UInt64
  }

  private var kept: [Name: Kept] = [:]
  /// How many names an object has: two sizes of a small image are the same bytes.
  private var names: [String: Int] = [:]
  private var uses: UInt64 = 0
  private(set) var bytes = 0
  /// Those who wait for one that is being made.
  var waiting: [Name: [(Result<String, IntakeProblem>) -> Void]] = [:]

  func uses(_ object: String) -> Bool { names[object] != nil }

  mutating func find(_ name: Name) -> String? {
    guard kept[name] != nil else { return nil }
    uses += 1
    kept[name]!.used = uses
    return kept[name]!.object
  }

  mutating func add(_ name: Name, _ object: String, _ size: Int) {
    uses += 1
    guard kept.updateValue(Kept(object: object, bytes: size, used: uses), forKey: name) == nil else { return }
    names[object, default: 0] += 1
    bytes += size
  }

  /// Its object, if nothing else is kept in it.
  mutating func remove(_ name: Name) -> String? {
    guard let gone = kept.removeValue(forKey: name) else { return nil }
    bytes -= gone.bytes
    names[gone.object]! -= 1
    guard names[gone.object] == 0 else { return nil }
    names[gone.object] = nil
    return gone.object
  }

  func names(of image: ImageID) -> [Name] { kept.keys.filter { $0.image == image }.sorted { $0.width < $1.width } }
  var oldest: Name? { kept.min { $0.value.used < $1.value.used }?.key }

  /// What earlier runs have kept.
  func load(_ node: ImagesNode, then done: @escaping () throws -> Void) throws {
    try node.context.store.scan(prefix: "thumb/") { (stored: Stored<JSON>) in
      let parts = stored.name.split(separator: "/")
      guard parts.count == 3, let image = ImageID(parts[1]), let width = Int(parts[2]),
        let object = stored.value["object"]?.string, let bytes = stored.value["bytes"]?.int
      else { return }
      node.thumbnails.add(Name(image: image, width: width), object, Int(bytes))
    } then: { _ in
      try done()
    }
  }

  func forget(_ image: ImageID, _ node: ImagesNode) {
    for name in names(of: image) { node.removeThumbnail(name) }
  }
}

extension ImagesNode {
  /// The object of an image's thumbnail.
  func thumbnail(of entry: ImageEntry, width: Int, then done: @escaping (Result<String, IntakeProblem>) -> Void) {
    let name = ThumbnailCache.Name(image: entry.id, width: width)
    if let object = thumbnails.find(name) { return done(.success(object)) }
    guard entry.bytes <= settings.decodeLimit else {
      return done(.failure(IntakeProblem(422, "the image is too large to be made smaller here; `decode_limit_mb`")))
    }
    if thumbnails.waiting[name] != nil {
      thumbnails.waiting[name]!.append(done)
      return
    }
    thumbnails.waiting[name] = [done]
    inTurn { [self] over in
      make(name, entry) { [self] result in
        over()
        for waiting in thumbnails.waiting.removeValue(forKey: name) ?? [] { waiting(result) }
      }
    }
  }

  private func make(
    _ name: ThumbnailCache.Name, _ entry: ImageEntry, _ done: @escaping (Result<String, IntakeProblem>) -> Void
  ) {
    collect(entry.id) { [self] result in
      guard case .success(let bytes) = result else {
        return done(.failure(IntakeProblem(503, "the image cannot be read now", retryAfter: 2)))
      }
      do {
        try context.work.run { _ in
          try ImageCodec.thumbnail(bytes, entry.format, width: name.width)
        } then: { [self] result in
          switch result {
          case .success(let small): keep(name, entry, small, done)
          case .failure(let error): done(.failure(IntakeProblem(422, "no thumbnail: \(error.message)")))
          }
        }
      } catch { done(.failure(IntakeProblem(RoleError(error)))) }
    }
  }

  private func keep(
    _ name: ThumbnailCache.Name, _ entry: ImageEntry, _ bytes: [UInt8],
    _ done: @escaping (Result<String, IntakeProblem>) -> Void
  ) {
    let type = entry.format == .gif ? ImageFormat.png.mediaType : entry.format.mediaType
    attempt("keeping a thumbnail") {
      try context.blobs.put(bytes, as: "thumb-\(name.image)-\(name.width)", mediaType: type) { [self] result in
        guard case .success(let stored) = result else {
          return done(.failure(IntakeProblem(507, "the disk is full", retryAfter: 60)))
        }
        thumbnails.add(name, stored.sha256, stored.size)
        let note: JSON = ["object": .string(stored.sha256), "bytes": JSON(stored.size)]
        try context.store.commit {
          $0.put(name.key, note)
        } then: { _ in
        }
        done(.success(stored.sha256))
        makeRoom(besides: name)
      }
    }
  }

  private func makeRoom(besides new: ThumbnailCache.Name) {
    while thumbnails.bytes > settings.thumbnailsMb << 20, let oldest = thumbnails.oldest, oldest != new {
      removeThumbnail(oldest)
    }
  }

  func removeThumbnail(_ name: ThumbnailCache.Name) {
    let object = thumbnails.remove(name)
    attempt("forgetting a thumbnail") {
      try context.store.commit {
        $0.delete(name.key)
      } then: { _ in
      }
    }
    guard let object, let id = ImageID(object) else { return }
    // It may be an image as well, or become one just now.
    dropObject(id)
  }
}
