extension HTTPRequest {
  /// Of the body, what may be on its way to the disk.
  fileprivate static let saveWindow = 256 << 10

  /// Writes the body into an object while it comes, no faster than the disk takes it. `done` gets the object when it is
  /// on the disk, and answers the request; its error if the client goes away, the disk is full, or the bytes are not
  /// those of `sha256`.
  ///
  ///     try context.http.route("PUT", "/images/{name}") { [self] request in
  ///       try request.saveBody(in: context.blobs, as: request["name"]!) { result in
  ///         try request.answer(201, json: ["sha256": .string(result.get().sha256)])
  ///       }
  ///     }
  ///
  /// What came before a client went away stays for a while: another request with the rest of the body, and with what it
  /// begins at as `offset`, goes on with it. One with a wrong offset fails with ``Status/outOfRange``.
  public func saveBody(
    in blobs: Blobs, as name: String, from offset: Int = 0, sha256: String? = nil, mediaType: String? = nil,
    then done: @escaping (Result<StoredBlob, RoleError>) throws -> Void
  ) throws {
    try BodySaver(self, blobs, name, offset, sha256, mediaType, done).start()
  }
}

/// A body on its way into an object.
private final class BodySaver {
  private let request: HTTPRequest
  private let blobs: Blobs
  private let name: String
  private let offset: Int
  private let sha256: String?
  private let mediaType: String?
  private var done: ((Result<StoredBlob, RoleError>) throws -> Void)?
  private var upload: BlobUpload?
  private var isReady = false
  private var mayBeginAnew = true
  /// Came and not yet taken.
  private var pieces: [[UInt8]] = []
  private var isWhole = false

  init(
    _ request: HTTPRequest, _ blobs: Blobs, _ name: String, _ offset: Int, _ sha256: String?, _ mediaType: String?,
    _ done: @escaping (Result<StoredBlob, RoleError>) throws -> Void
  ) {
    (self.request, self.blobs, self.name, self.offset) = (request, blobs, name, offset)
    (self.sha256, self.mediaType, self.done) = (sha256, mediaType, done)
  }

  func start() throws {
    try begin()
    request.whenFailed { [self] error in
      upload?.cancel()
      end(.failure(error))
    }
    request.wantMore(HTTPRequest.saveWindow - 64 << 10)
    request.readBody(byCredit: true) { [self] piece in
      guard done != nil else { return }
      pieces.append(piece)
      pump()
    } then: { [self] _ in
      isWhole = true
      pump()
    }
  }

  private func begin() throws {
    upload = try blobs.upload(name, sha256: sha256, mediaType: mediaType) { [self] upload, event in
      guard done != nil else { return }
      switch event {
      case .ready: try uploadIsReady(upload)
      case .finished(let stored): end(.success(stored))
      case .failed(let error): end(.failure(error))
      }
    }
  }

  private func uploadIsReady(_ upload: BlobUpload) throws {
    if !isReady, upload.offset != offset {
      guard offset == 0, mayBeginAnew else {
        throw RoleError(.outOfRange, "the body begins at \(offset), and \(upload.offset) bytes are there")
      }
      // The unfinished one of somebody who sends all of it again.
      mayBeginAnew = false
      upload.abandon()
      return try begin()
    }
    isReady = true
    pump()
  }

  /// As much as the disk takes now.
  private func pump() {
    guard isReady, let upload, done != nil else { return }
    do {
      var taken = 0
      while taken < pieces.count, try upload.write(pieces[taken]) {
        request.wantMore(pieces[taken].count)
        taken += 1
      }
      pieces.removeFirst(taken)
      if isWhole, pieces.isEmpty { try upload.finish() }
    } catch {
      upload.cancel()
      end(.failure(RoleError(error)))
    }
  }

  private func end(_ result: Result<StoredBlob, RoleError>) {
    let done = done
    self.done = nil
    upload = nil
    pieces = []
    do { try done?(result) } catch { request.refuse(error, from: "the closure for the body of \(name)") }
  }
}
