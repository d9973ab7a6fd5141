internal import CNodeABI

/// Large objects on the node's disk: written as streams, named by the SHA-256 of their bytes, there whole or not at
/// all. They belong to the role's name, and outlive swaps, restarts and kills.
///
///     try context.blobs.put(picture, as: "upload-7", mediaType: "image/png") { result in
///       let stored = try result.get()  // on the disk, synced
///       …
///     }
///
/// A role may have 1,024 requests open, of which 256 uploads.
public struct Blobs {
  let link: HostLink

  /// What an upload tells.
  public enum UploadEvent: Sendable, Equatable {
    /// Write on: at first from ``BlobUpload/offset`` on, later because there is room again. So many bytes would be
    /// there after a loss of power.
    case ready(durable: Int)
    case finished(StoredBlob)
    /// The upload is over. Unless it was not what was promised, beginning it again goes on with it.
    case failed(RoleError)
  }

  /// Begins an upload, or goes on with the unfinished one of the same name. Write from the first `ready` on until
  /// ``BlobUpload/write(_:)`` says that there is no room, and then from the next. If `body` throws at `ready`, the
  /// upload is let go of, and `body` gets that as `failed`.
  ///
  /// - Parameters:
  ///   - size, sha256: what the bytes must turn out to be for the upload to succeed.
  @discardableResult
  public func upload(
    _ name: String, size: Int? = nil, sha256: String? = nil, mediaType: String? = nil,
    _ body: @escaping (BlobUpload, UploadEvent) throws -> Void
  ) throws -> BlobUpload {
    let upload = BlobUpload(link: link, body: body)
    var options = JSONObject()
    options["size"] = size.map { .int(Int64($0)) }
    options["sha256"] = sha256.map { .string($0) }
    options["media_type"] = mediaType.map { .string($0) }
    (upload.handle, upload.token) = try link.ask("the closure for the upload \(name)") {
      try upload.take($0)
    } of: {
      service, token in
      name.lend { name in
        JSON.object(options).lend { service.pointee.begin(service.pointee.ctx, name, $0, token) }
      }
    }
    return upload
  }

  /// Writes an object that is in memory already.
  public func put(
    _ bytes: [UInt8], as name: String, mediaType: String? = nil,
    then done: @escaping (Result<StoredBlob, RoleError>) throws -> Void
  ) throws {
    try upload(name, size: bytes.count, mediaType: mediaType) { upload, event in
      switch event {
      case .ready: try upload.writeOn(bytes)
      case .finished(let stored): try done(.success(stored))
      case .failed(let error): try done(.failure(error))
      }
    }
  }

  /// Reads an object, or a part of it. `onPiece` gets at most 64 KiB at a time; `done` comes last. What
  /// `onPiece` throws ends the read and comes there. If all of an object
  /// is read, it succeeds only if the SHA-256 of what came was right.
  ///
  /// - Parameter asksItself: give false to ask for each piece by ``BlobRead/ask(for:)``, so that no more comes than can
  ///   be handed on; the first 256 KiB come unasked.
  @discardableResult
  public func read(
    _ sha256: String, from offset: Int = 0, length: Int? = nil, asksItself: Bool = true,
    onPiece: @escaping (BlobPiece) throws -> Void, then done: @escaping (Result<Void, RoleError>) throws -> Void
  ) throws -> BlobRead {
    try readInPlace(
      sha256, from: offset, length: length, asksItself: asksItself,
      onBytes: { try onPiece(BlobPiece(offset: $0, bytes: Array($1))) }, then: done)
  }

  /// The same for who puts each piece elsewhere at once: `onBytes` gets the piece's offset and its bytes, which are
  /// valid during the call only.
  @discardableResult
  public func readInPlace(
    _ sha256: String, from offset: Int = 0, length: Int? = nil, asksItself: Bool = true,
    onBytes: @escaping (Int, UnsafeRawBufferPointer) throws -> Void,
    then done: @escaping (Result<Void, RoleError>) throws -> Void
  ) throws -> BlobRead {
    guard offset >= 0, length ?? 1 > 0 else {
      throw RoleError(
        .invalidArgument, "a read of \(length ?? 0) bytes from \(offset); leave `length` out to read to the end")
    }
    let read = BlobRead(link: link)
    let take: (nh_reply) throws -> Void = { reply in
      guard reply.flags & NH_REPLY_MORE != 0 else { return try done(reply.outcome) }
      guard let bytes = reply.bytes else { return }
      if asksItself { read.ask(for: bytes.count) }
      do { try onBytes(Int(reply.revision_number), bytes) } catch {
        read.end()
        try done(.failure(RoleError(error)))
      }
    }
    (read.handle, read.token) = try link.ask("the closure for reading \(sha256)", take) { service, token in
      sha256.lend {
        service.pointee.read(service.pointee.ctx, $0, UInt64(offset), UInt64(length ?? 0), token)
      }
    }
    return read
  }

  /// What is known of an object; ``Status/notFound`` if there is none.
  public func stat(_ sha256: String, then done: @escaping (Result<BlobInfo, RoleError>) throws -> Void) throws {
    _ = try link.ask("the closure for the object \(sha256)") { reply in
      try done(reply.outcome.flatMap { Result { try BlobInfo(reply.json) }.mapError { RoleError($0) } })
    } of: { service, token in
      sha256.lend { service.pointee.stat(service.pointee.ctx, $0, token) }
    }
  }

  /// The objects after a name, in order of their names.
  public func list(
    after last: String = "", limit: Int? = nil, then done: @escaping (Result<[BlobInfo], RoleError>) throws -> Void
  ) throws {
    guard limit ?? 1 > 0 else {
      throw RoleError(.invalidArgument, "a list of \(limit ?? 0) objects; leave `limit` out to list all")
    }
    var found: [BlobInfo] = []
    _ = try link.ask("the closure for the list of objects") { reply in
      if reply.flags & NH_REPLY_MORE != 0 { return found.append(try BlobInfo(reply.json)) }
      try done(reply.outcome.map { found })
    } of: { service, token in
      last.lend { service.pointee.list(service.pointee.ctx, $0, UInt64(limit ?? 0), token) }
    }
  }

  /// Removes an object for good; ``Status/notFound`` if there is none.
  public func remove(_ sha256: String, then done: @escaping (Result<Void, RoleError>) throws -> Void) throws {
    _ = try link.ask("the closure for removing \(sha256)") {
      try done($0.outcome)
    } of: { service, token in
      sha256.lend { service.pointee.remove(service.pointee.ctx, $0, token) }
    }
  }
}

extension HostLink {
  /// Asks something of the blob service whose replies come one by one.
  fileprivate func ask(
    _ what: String, _ each: @escaping (nh_reply) throws -> Void,
    of body: (UnsafePointer<nh_blob_service>, UInt64) -> nh_handle
  ) throws -> (handle: nh_handle, token: UInt64) {
    let service = try blobService
    let token = calls.insert(CallEntry(what: what, reply: each))
    let handle = body(service, token)
    guard handle != 0 else {
      calls.remove(token)
      throw RoleError(.resourceExhausted, "the role has too many requests about objects open; wait for some to end")
    }
    calls[token]?.handle = handle
    return (handle, token)
  }
}

extension nh_reply {
  fileprivate var outcome: Result<Void, RoleError> {
    status == NH_OK ? .success(()) : .failure(RoleError(Status(rawValue: status), String(message)))
  }

  /// Where the host has them.
  fileprivate var bytes: UnsafeRawBufferPointer? {
    guard value.letter == UInt32(ValueType.bytes.rawValue) else { return nil }
    return UnsafeRawBufferPointer(
      start: UnsafeRawPointer(bitPattern: UInt(value.slot.lo)), count: Int(value.slot.hi))
  }

  fileprivate var json: JSON {
    get throws {
      guard case .json(let text)? = Value(value) else {
        throw RoleError(.internal, "the host answers with something else than JSON")
      }
      return try JSON(parsing: text)
    }
  }
}

/// An upload that was begun.
public final class BlobUpload {
  /// The longest piece that the host takes at once.
  public static let pieceLimit = 512 << 10

  private let link: HostLink
  /// Nil when the upload is over: most closures hold whoever holds the upload.
  private var body: ((BlobUpload, Blobs.UploadEvent) throws -> Void)?
  fileprivate(set) var handle: nh_handle = 0
  fileprivate(set) var token: UInt64 = 0
  /// Where the next piece goes; what is before it has been taken. Right from the first `ready` on.
  public private(set) var offset = 0
  private var isReady = false
  private var isFinished = false

  fileprivate init(link: HostLink, body: @escaping (BlobUpload, Blobs.UploadEvent) throws -> Void) {
    self.link = link
    self.body = body
  }

  /// False: nothing was taken, since as much as may wait for the disk waits; write it again at the next `ready`.
  public func write(_ bytes: some Collection<UInt8>) throws -> Bool {
    if let isTaken = try bytes.withContiguousStorageIfAvailable({ try writePiece($0) }) { return isTaken }
    return try Array(bytes).withUnsafeBufferPointer { try writePiece($0) }
  }

  private func writePiece(_ bytes: UnsafeBufferPointer<UInt8>) throws -> Bool {
    let service = try link.blobService
    let status = service.pointee.write(
      service.pointee.ctx, handle, UInt64(offset), nh_bytes(ptr: bytes.baseAddress, len: UInt64(bytes.count)))
    switch status {
    case NH_OK:
      offset += bytes.count
      return true
    case NH_RESOURCE_EXHAUSTED: return false
    case NH_INVALID_ARGUMENT:
      throw RoleError(.invalidArgument, "a piece of \(bytes.count) bytes; write at most \(Self.pieceLimit) at a time")
    case NH_OUT_OF_RANGE: throw RoleError(.outOfRange, "more bytes come than were promised")
    default: throw RoleError(Status(rawValue: status), "the upload is over")
    }
  }

  /// As much of the bytes as there is room for; finishes behind them.
  fileprivate func writeOn(_ bytes: [UInt8]) throws {
    while offset < bytes.count {
      guard try write(bytes[offset..<min(bytes.count, offset + Self.pieceLimit)]) else { return }
    }
    try finish()
  }

  /// Makes the object durable and visible: `finished` comes when it is.
  public func finish() throws {
    guard !isFinished else { return }
    let service = try link.blobService
    let status = service.pointee.finish(service.pointee.ctx, handle)
    guard status == NH_OK else { throw RoleError(Status(rawValue: status), "the upload is over, or has not begun") }
    isFinished = true
  }

  /// Gives it up and frees its room; no event comes any more.
  public func abandon() {
    body = nil
    guard link.calls.remove(token) != nil, let service = try? link.blobService else { return }
    _ = service.pointee.abandon(service.pointee.ctx, handle)
  }

  /// Lets go of it: what is on the disk stays for who begins it again. `failed` comes, with ``Status/cancelled``.
  public func cancel() {
    guard link.calls[token] != nil, let service = try? link.blobService else { return }
    _ = service.pointee.cancel(service.pointee.ctx, handle)
  }

  fileprivate func take(_ reply: nh_reply) throws {
    if reply.flags & NH_REPLY_MORE != 0 {
      if !isReady { offset = Int(reply.revision_number) }
      isReady = true
      do { return try body?(self, .ready(durable: Int(reply.revision_number))) ?? () } catch {
        link.calls.remove(token)
        if let service = try? link.blobService { _ = service.pointee.cancel(service.pointee.ctx, handle) }
        return try last(.failed(RoleError(error)))
      }
    }
    switch reply.outcome {
    case .success: try last(.finished(StoredBlob(reply.json)))
    case .failure(let error): try last(.failed(error))
    }
  }

  private func last(_ event: Blobs.UploadEvent) throws {
    let body = body
    self.body = nil
    try body?(self, event)
  }
}

/// A read that goes on.
public final class BlobRead {
  private let link: HostLink
  fileprivate(set) var handle: nh_handle = 0
  fileprivate(set) var token: UInt64 = 0

  fileprivate init(link: HostLink) { self.link = link }

  /// Lets so many bytes more come; for reads that do not ask themselves.
  public func ask(for bytes: Int) {
    guard bytes > 0, link.calls[token] != nil, let service = try? link.blobService else { return }
    _ = service.pointee.credit(service.pointee.ctx, handle, UInt64(bytes))
  }

  /// Ends it early, and nobody is told.
  func end() {
    cancel()
    link.calls.remove(token)
  }

  /// Ends it early; its last closure gets ``Status/cancelled``.
  public func cancel() {
    guard link.calls[token] != nil, let service = try? link.blobService else { return }
    _ = service.pointee.cancel(service.pointee.ctx, handle)
  }
}
