internal import CNodeABI

/// A role's store in memory. Keep it and give it to the next host, and the role finds what it had stored, as after a
/// restart:
///
///     let next = try FakeHost(Counter.self)
///     next.store = host.store
///     try next.start()
public final class FakeStore {
  /// What the disk does with commits, from now on.
  public enum Fault: Sendable {
    /// There is no room: ``Status/resourceExhausted``, and nothing of the commit happens.
    case full
    /// It is broken: ``Status/dataLoss``, for reads as well.
    case damaged
  }

  public struct Entry: Sendable, Equatable {
    public var value: [UInt8]
    public var revision: UInt64

    /// The value, if it is text.
    public var text: String { String(decoding: value, as: UTF8.self) }
  }

  /// By key. A test may write here what a role is to find.
  public private(set) var entries: [[UInt8]: Entry] = [:]
  public private(set) var revision: UInt64 = 0
  public var fault: Fault?
  /// How long each commit and each read takes.
  public var takes = Duration.zero

  public init() {}

  public subscript(key: String) -> Entry? { entries[Array(key.utf8)] }

  /// Writes as another build of the role might have.
  public func put(_ key: some Payload, _ value: some Payload) {
    revision += 1
    entries[key.payload] = Entry(value: value.payload, revision: revision)
  }

  /// The key whose expectation was not met, or nil.
  func run(_ operations: [FakeStoreRequest.Operation]) -> [UInt8]? {
    for operation in operations where operation.kind == NH_STORE_EXPECT {
      if (entries[operation.key]?.revision ?? 0) != operation.revision { return operation.key }
    }
    guard operations.contains(where: { $0.kind != NH_STORE_EXPECT }) else { return nil }
    revision += 1
    for operation in operations {
      switch operation.kind {
      case NH_STORE_PUT: entries[operation.key] = Entry(value: operation.value, revision: revision)
      case NH_STORE_DELETE: entries[operation.key] = nil
      default: break
      }
    }
    return nil
  }

  func range(_ from: [UInt8], _ to: [UInt8], _ limit: UInt64) -> [(key: [UInt8], entry: Entry)] {
    let found = entries.filter { entry in
      !entry.key.lexicographicallyPrecedes(from) && (to.isEmpty || entry.key.lexicographicallyPrecedes(to))
    }
    let ordered = found.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    return ordered.prefix(limit == 0 ? .max : Int(clamping: limit)).map { ($0.key, $0.value) }
  }
}

struct FakeStoreRequest {
  struct Operation {
    var kind: UInt32
    var key: [UInt8]
    var value: [UInt8]
    var revision: UInt64
  }
  enum Kind {
    case commit([Operation])
    case get([UInt8])
    case scan(from: [UInt8], to: [UInt8], limit: UInt64)
    case wrong(String)
  }
  var token: UInt64
  var kind: Kind
  var isCancelled = false
}

extension FakeHost {
  private static let storeLimit = 4_096
  private static let keyLimit = 1_024
  private static let valueLimit = 16 << 20

  func storeCommit(_ list: nh_store_operation_list, _ token: UInt64) -> nh_handle {
    guard permits("nh_store_service.commit") else { return 0 }
    let items = UnsafeBufferPointer(start: list.items, count: Int(list.count))
    for item in items {
      let isKnown = [NH_STORE_PUT, NH_STORE_DELETE, NH_STORE_EXPECT].contains(item.kind)
      guard isKnown, item.key.len <= UInt64(Self.keyLimit), item.value.len <= UInt64(Self.valueLimit) else {
        return request(.wrong("an operation of no known kind, or with a key or value that is too long"), token)
      }
    }
    let operations = items.map {
      FakeStoreRequest.Operation(
        kind: $0.kind, key: [UInt8]($0.key), value: [UInt8]($0.value), revision: $0.revision)
    }
    return request(.commit(operations), token)
  }

  func storeGet(_ key: nh_bytes, _ token: UInt64) -> nh_handle {
    guard permits("nh_store_service.get") else { return 0 }
    return request(key.len <= UInt64(Self.keyLimit) ? .get([UInt8](key)) : .wrong("the key is too long"), token)
  }

  func storeScan(_ from: nh_bytes, _ to: nh_bytes, _ limit: UInt64, _ token: UInt64) -> nh_handle {
    guard permits("nh_store_service.scan") else { return 0 }
    return request(.scan(from: [UInt8](from), to: [UInt8](to), limit: limit), token)
  }

  func cancelStore(_ handle: nh_handle) -> nh_status {
    guard allows("nh_store_service.cancel") else { return NH_FAILED_PRECONDITION }
    guard let request = storeRequests[handle] else {
      expectGiven(handle, storeRequests, "nh_store_service.cancel")
      return NH_NOT_FOUND
    }
    guard case .scan = request.kind else { return NH_INVALID_ARGUMENT }
    storeRequests.update(handle) { $0.isCancelled = true }
    return NH_OK
  }

  private func request(_ kind: FakeStoreRequest.Kind, _ token: UInt64) -> nh_handle {
    guard storeRequests.count < Self.storeLimit else { return 0 }
    let handle = storeRequests.insert { _ in FakeStoreRequest(token: token, kind: kind) }
    _ = clock.schedule(after: store.takes) { [unowned self] in answer(handle) }
    return handle
  }

  private func answer(_ handle: nh_handle) {
    guard let request = storeRequests[handle] else { return }
    if store.fault == .damaged {
      return reply(handle, NH_DATA_LOSS, "the store is damaged; the test wants it so")
    }
    switch request.kind {
    case .wrong(let what): reply(handle, NH_INVALID_ARGUMENT, what)
    case .commit where store.fault == .full:
      reply(handle, NH_RESOURCE_EXHAUSTED, "the disk is full; the test wants it so")
    case .commit(let operations):
      if let key = store.run(operations) {
        reply(handle, NH_ABORTED, "an expectation was not met; read the key again and start over", key)
      } else {
        reply(handle, NH_OK, revision: store.revision)
      }
    case .get(let key):
      guard let entry = store.entries[key] else { return reply(handle, NH_NOT_FOUND, "there is no such key", key) }
      reply(handle, NH_OK, "", [], entry.value, revision: entry.revision)
    case .scan(let from, let to, let limit):
      let revision = store.revision
      for (key, entry) in store.range(from, to, limit) {
        guard storeRequests[handle]?.isCancelled == false else { break }
        reply(handle, NH_OK, "", key, entry.value, revision: entry.revision, isLast: false)
      }
      let isCancelled = storeRequests[handle]?.isCancelled == true
      reply(handle, isCancelled ? NH_CANCELLED : NH_OK, isCancelled ? "the role has ended it" : "", revision: revision)
    }
  }

  private func reply(
    _ handle: nh_handle, _ status: nh_status, _ message: String = "", _ key: [UInt8] = [], _ value: [UInt8]? = nil,
    revision: UInt64 = 0, isLast: Bool = true
  ) {
    guard let request = isLast ? storeRequests.remove(handle) : storeRequests[handle] else { return }
    guard let function = library.table.on_reply else {
      return breach("the store answered, and the role has no on_reply")
    }
    let content: Value = value.map { .bytes($0) } ?? .nothing
    content.lend(as: content.widestType) { borrowed in
      message.lend { message in
        key.lend { key in
          var reply = nh_reply(
            struct_size: UInt32(MemoryLayout<nh_reply>.size), revision: 1, request: handle, token: request.token,
            status: status, flags: isLast ? 0 : NH_REPLY_MORE, message: message, key: key, value: borrowed,
            revision_number: revision)
          function(role, &reply)
        }
      }
    }
  }
}
