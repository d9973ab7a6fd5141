import CNodeABI
import HostCore
import HostRuntime
import NodeValues

/// A store in memory. It belongs to the place, so that the next instance finds what the one before has stored.
struct ScriptedStore {
  struct Entry {
    var value: [UInt8]
    var revision: UInt64
  }

  struct Operation {
    var kind: UInt32
    var key: [UInt8]
    var value: [UInt8]
    var revision: UInt64
  }

  enum Question {
    case commit([Operation])
    case get([UInt8])
    case scan(from: [UInt8], to: [UInt8], limit: UInt64)
    /// Something that no store does, in words.
    case wrong(String)
  }

  private(set) var entries: [[UInt8]: Entry] = [:]
  private(set) var revision: UInt64 = 0

  /// The key whose expectation was not met.
  mutating func run(_ operations: [Operation]) -> [UInt8]? {
    for operation in operations where operation.kind == NH_STORE_EXPECT {
      if (entries[operation.key]?.revision ?? 0) != operation.revision { return operation.key }
    }
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
    let keys = entries.keys.filter { key in
      !key.lexicographicallyPrecedes(from) && (to.isEmpty || key.lexicographicallyPrecedes(to))
    }
    let ordered = keys.sorted { $0.lexicographicallyPrecedes($1) }.prefix(limit == 0 ? .max : Int(clamping: limit))
    return ordered.map { ($0, entries[$0]!) }
  }
}

/// The store service of the scripted host.
extension ScriptedRole {
  func storeCommit(_ list: nh_store_operation_list, _ token: UInt64) -> nh_handle {
    guard host.permits(.storeCommit, self) else { return 0 }
    guard let count = Int(exactly: list.count), count <= ScriptedHost.operationLimit else {
      return ask(.wrong("too many operations"), token)
    }
    let items = UnsafeBufferPointer(start: list.items, count: list.items == nil ? 0 : count)
    var operations: [ScriptedStore.Operation] = []
    for item in items {
      guard [NH_STORE_PUT, NH_STORE_DELETE, NH_STORE_EXPECT].contains(item.kind), Self.isKey(item.key),
        item.kind != NH_STORE_PUT || item.value.len <= UInt64(StoreCommit.valueLimit)
      else { return ask(.wrong("an operation of no known kind, or with a key or value that is too long"), token) }
      operations.append(
        .init(
          kind: item.kind, key: [UInt8](item.key), value: item.kind == NH_STORE_PUT ? [UInt8](item.value) : [],
          revision: item.revision))
    }
    return ask(.commit(operations), token)
  }

  func storeGet(_ key: nh_bytes, _ token: UInt64) -> nh_handle {
    guard host.permits(.storeGet, self) else { return 0 }
    return ask(Self.isKey(key) ? .get([UInt8](key)) : .wrong("the key is too long"), token)
  }

  func storeScan(_ from: nh_bytes, _ to: nh_bytes, _ limit: UInt64, _ token: UInt64) -> nh_handle {
    guard host.permits(.storeScan, self) else { return 0 }
    guard Self.isKey(from), Self.isKey(to) else { return ask(.wrong("a bound is too long"), token) }
    return ask(.scan(from: [UInt8](from), to: [UInt8](to), limit: limit), token)
  }

  func cancelStore(_ handle: nh_handle) -> nh_status {
    guard host.permits(.storeCancel, self), let question = host.outgoing[handle]?.stored else { return NH_NOT_FOUND }
    guard case .scan = question else { return NH_INVALID_ARGUMENT }
    host.outgoing[handle]?.isCancelled = true
    return NH_OK
  }

  private static func isKey(_ bytes: nh_bytes) -> Bool { bytes.len <= UInt64(StoreCommit.keyLimit) }

  private func ask(_ question: ScriptedStore.Question, _ token: UInt64) -> nh_handle {
    guard let handle = host.outgoing.insert(.init(owner: self, token: token, stored: question)) else { return 0 }
    host.record("ask the store: \(question)")
    host.unanswered.append(handle)
    return handle
  }
}

extension ScriptedHost {
  static let operationLimit = 16_384

  func answer(_ question: ScriptedStore.Question, _ handle: nh_handle, _ role: ScriptedRole) {
    func reply(
      _ status: nh_status, _ message: String, _ bytes: [UInt8]? = nil, key: [UInt8] = [], revision: UInt64 = 0,
      hasMore: Bool = false
    ) {
      // Until its last reply it may be cancelled.
      guard let request = hasMore ? outgoing[handle] : outgoing.remove(handle) else { return }
      role.deliverReply(
        handle, request.token, status, message, bytes.map { .bytes($0) } ?? .nothing, key: key, number: revision,
        more: hasMore)
    }
    switch question {
    case .wrong(let what): reply(NH_INVALID_ARGUMENT, what)
    case .commit(let operations):
      if let key = store.run(operations) {
        reply(NH_ABORTED, "an expectation was not met", key: key)
      } else {
        reply(NH_OK, "", revision: store.revision)
      }
    case .get(let key):
      guard let entry = store.entries[key] else { return reply(NH_NOT_FOUND, "there is no such key", key: key) }
      reply(NH_OK, "", entry.value, revision: entry.revision)
    case .scan(let from, let to, let limit):
      let revision = store.revision
      for (key, entry) in store.range(from, to, limit) where outgoing[handle]?.isCancelled == false {
        reply(NH_OK, "", entry.value, key: key, revision: entry.revision, hasMore: true)
      }
      let isCancelled = outgoing[handle]?.isCancelled == true
      reply(isCancelled ? NH_CANCELLED : NH_OK, isCancelled ? "the role has ended it" : "", revision: revision)
    }
  }
}
