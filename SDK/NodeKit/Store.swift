internal import CNodeABI

/// The role's own durable key-value store. It stays through swaps, restarts and kills; no other role sees it.
///
///     try context.store.get("visits") { (found: Result<Stored<String>?, RoleError>) in … }
///     try context.store.commit { commit in
///       commit.expect("visits", revision: 7)
///       commit.put("visits", "8")
///     } then: { result in … }
///
/// A commit is on disk when its closure comes. What a role saves for a swap may be older than its store, since a kill
/// comes between: where both tell of the same thing, believe the store.
public struct Store {
  let link: HostLink

  /// Does all that `build` lists, or none of it. `done` gets the commit's revision once it is on disk, or
  /// ``Status/aborted`` with the key in `place` if an expectation was not met. At most 4,096 commits and 64 MiB of them
  /// wait at a time.
  public func commit(
    _ build: (inout StoreCommit) throws -> Void, then done: @escaping (Result<UInt64, RoleError>) throws -> Void
  ) throws {
    var commit = StoreCommit()
    try build(&commit)
    let entry = CallEntry(what: "the closure for a commit", reply: { reply in try done(reply.outcome) })
    try send(entry) { service, token in
      commit.lend { service.pointee.commit(service.pointee.ctx, $0, token) }
    }
  }

  /// What is stored under `key`, as the type that `done` asks for; nil if nothing is. Sees every commit that was asked
  /// for before.
  public func get<Content: Payload>(
    _ key: some Payload, then done: @escaping (Result<Stored<Content>?, RoleError>) throws -> Void
  ) throws {
    let entry = CallEntry(
      what: "the closure for what is stored",
      reply: { reply in
        if reply.status == NH_NOT_FOUND { return try done(.success(nil)) }
        try done(reply.outcome.flatMap { _ in Stored.read(reply) }.map { Optional($0) })
      })
    try send(entry) { service, token in
      key.payload.lend { service.pointee.get(service.pointee.ctx, $0, token) }
    }
  }

  /// Every entry with a key from `from` up to but not including `to`, in order of their bytes, all of one moment
  /// whatever is committed meanwhile. `each` gets them one after the other, and `done` the revision of that moment.
  /// What `each` throws, or an entry that is no `Content`, ends the scan and comes to `done`, with the key as place.
  ///
  /// - Parameters:
  ///   - to: empty is the end.
  ///   - limit: the most entries; nil is all.
  @discardableResult
  public func scan<Content: Payload>(
    from: some Payload = "", to: some Payload = "", limit: Int? = nil,
    each: @escaping (Stored<Content>) throws -> Void, then done: @escaping (Result<UInt64, RoleError>) throws -> Void
  ) throws -> StoreScan {
    if limit == 0 { throw RoleError(.invalidArgument, "a scan of no entries; leave the limit out for all") }
    var scan: StoreScan?, isOver = false
    let entry = CallEntry(
      what: "the closure for a scan",
      reply: { reply in
        guard !isOver else { return }
        guard reply.flags & NH_REPLY_MORE != 0 else { return try done(reply.outcome) }
        do { try each(try Stored.read(reply).get()) } catch {
          isOver = true
          scan?.end()
          let error = RoleError(error), key = String(decoding: [UInt8](reply.key), as: UTF8.self)
          try done(.failure(RoleError(error.status, error.message, at: error.place.isEmpty ? key : error.place)))
        }
      })
    let begun = try send(entry) { service, token in
      from.payload.lend { from in
        to.payload.lend { to in
          service.pointee.scan(service.pointee.ctx, from, to, UInt64(max(0, limit ?? 0)), token)
        }
      }
    }
    scan = begun
    return begun
  }

  /// The same for all keys that begin so.
  @discardableResult
  public func scan<Content: Payload>(
    prefix: some Payload, limit: Int? = nil, each: @escaping (Stored<Content>) throws -> Void,
    then done: @escaping (Result<UInt64, RoleError>) throws -> Void
  ) throws -> StoreScan {
    try scan(from: prefix.payload, to: StoreKey.end(ofPrefix: prefix.payload), limit: limit, each: each, then: done)
  }

  @discardableResult
  private func send(
    _ entry: CallEntry, _ body: (UnsafePointer<nh_store_service>, UInt64) -> nh_handle
  ) throws -> StoreScan {
    let service = try link.storeService
    let token = link.calls.insert(entry)
    let handle = body(service, token)
    guard handle != 0 else {
      link.calls.remove(token)
      throw RoleError(
        .resourceExhausted, "too much of the role waits for its store; wait for answers before asking more")
    }
    link.calls[token]?.handle = handle
    return StoreScan(link: link, handle: handle, token: token)
  }
}

/// A value from the store.
public struct Stored<Content: Payload> {
  public var key: [UInt8]
  public var value: Content
  /// Of the commit that wrote it; what ``StoreCommit/expect(_:revision:)`` compares with.
  public var revision: UInt64

  /// The key, if it is text.
  public var name: String { String(decoding: key, as: UTF8.self) }

  static func read(_ reply: nh_reply) -> Result<Stored, RoleError> {
    Result {
      guard case .bytes(let bytes)? = Value(reply.value) else {
        throw RoleError(.internal, "the store answered with something else than bytes")
      }
      return Stored(key: [UInt8](reply.key), value: try Content(payload: bytes), revision: reply.revision_number)
    }.mapError { RoleError($0) }
  }
}

/// What is to happen together. Keys are up to 1 KiB long, values up to 16 MiB.
public struct StoreCommit {
  private struct Operation {
    var kind: UInt32
    var keyCount: Int
    var valueCount: Int
    var revision: UInt64
  }
  private var operations: [Operation] = []
  /// Of all operations, one behind the other: key, then value.
  private var bytes: [UInt8] = []

  init() {}

  public mutating func put(_ key: some Payload, _ value: some Payload) {
    add(NH_STORE_PUT, key.payload, value.payload)
  }

  /// No harm if there is no such key.
  public mutating func delete(_ key: some Payload) { add(NH_STORE_DELETE, key.payload) }

  /// Lets the commit happen only if the key has this revision before it; 0 is a key that is not there.
  public mutating func expect(_ key: some Payload, revision: UInt64) {
    add(NH_STORE_EXPECT, key.payload, revision: revision)
  }

  private mutating func add(_ kind: UInt32, _ key: [UInt8], _ value: [UInt8] = [], revision: UInt64 = 0) {
    bytes.append(contentsOf: key)
    bytes.append(contentsOf: value)
    operations.append(Operation(kind: kind, keyCount: key.count, valueCount: value.count, revision: revision))
  }

  fileprivate func lend<R>(_ body: (nh_store_operation_list) -> R) -> R {
    bytes.withUnsafeBufferPointer { bytes in
      var start = 0
      func take(_ count: Int) -> nh_bytes {
        defer { start += count }
        return nh_bytes(ptr: count == 0 ? nil : bytes.baseAddress! + start, len: UInt64(count))
      }
      let items = operations.map {
        nh_store_operation(
          kind: $0.kind, reserved: 0, key: take($0.keyCount), value: take($0.valueCount), revision: $0.revision)
      }
      return items.withUnsafeBufferPointer {
        body(nh_store_operation_list(items: $0.baseAddress, count: UInt64($0.count)))
      }
    }
  }
}

/// A scan that was begun.
public struct StoreScan {
  let link: HostLink
  let handle: nh_handle
  let token: UInt64

  /// Ends it early; its last closure gets ``Status/cancelled`` unless it had ended.
  public func cancel() {
    guard link.calls[token] != nil, let service = try? link.storeService else { return }
    _ = service.pointee.cancel(service.pointee.ctx, handle)
  }

  /// Ends it early, and nobody is told.
  func end() {
    cancel()
    link.calls.remove(token)
  }
}

extension nh_reply {
  /// The revision, or the error with the key as its place.
  fileprivate var outcome: Result<UInt64, RoleError> {
    guard status != NH_OK else { return .success(revision_number) }
    let place = String(decoding: [UInt8](key), as: UTF8.self)
    return .failure(RoleError(Status(rawValue: status), String(message), at: place))
  }
}
