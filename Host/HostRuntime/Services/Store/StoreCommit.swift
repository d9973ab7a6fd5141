package import CNodeABI

/// A list of operations that happen all or none, copied from whoever asked, in two blocks of memory.
package struct StoreCommit: Sendable {
  struct Operation: Sendable {
    var kind: UInt32
    var revision: UInt64
    /// Where key and value stand in `bytes`.
    var keyStart: Int
    var valueStart: Int
    var end: Int
  }

  /// The longest key and value, the most operations, and how many bytes each counts beside its own.
  package static let keyLimit = 1 << 10
  package static let valueLimit = 16 << 20
  static let operationLimit = 16_384
  static let operationCost = 64

  private(set) var operations: [Operation] = []
  private(set) var bytes: [UInt8] = []

  /// What it counts for in the limit of waiting bytes.
  var cost: Int { bytes.count + operations.count * Self.operationCost }

  package init() {}

  package mutating func put(_ key: [UInt8], _ value: [UInt8]) { add(NH_STORE_PUT, key, value) }
  package mutating func delete(_ key: [UInt8]) { add(NH_STORE_DELETE, key) }
  package mutating func expect(_ key: [UInt8], revision: UInt64) { add(NH_STORE_EXPECT, key, revision: revision) }

  private mutating func add(_ kind: UInt32, _ key: [UInt8], _ value: [UInt8] = [], revision: UInt64 = 0) {
    let start = bytes.count
    bytes += key
    bytes += value
    operations.append(
      Operation(
        kind: kind, revision: revision, keyStart: start, valueStart: start + key.count, end: bytes.count))
  }

  func value(_ operation: Operation) -> [UInt8] { Array(bytes[operation.valueStart..<operation.end]) }
  func key(_ operation: Operation) -> [UInt8] { Array(bytes[operation.keyStart..<operation.valueStart]) }
}

extension StoreCommit {
  /// Copies what a role asks for, or says what is wrong with it.
  init(_ list: nh_store_operation_list) throws(StoreFailure) {
    guard let items = UnsafeBufferPointer(list.items, list.count, limit: Self.operationLimit) else {
      throw .invalid("a commit of \(list.count) operations; at most \(Self.operationLimit) go into one")
    }
    var size = 0
    for (place, item) in items.enumerated() {
      if let fault = Self.fault(item) { throw .invalid("operation \(place + 1): \(fault)") }
      size += Int(item.key.len) + (item.kind == NH_STORE_PUT ? Int(item.value.len) : 0)
    }
    operations.reserveCapacity(items.count)
    bytes.reserveCapacity(size)
    for item in items {
      let start = bytes.count
      bytes.append(contentsOf: UnsafeBufferPointer(start: item.key.ptr, count: Int(item.key.len)))
      let valueStart = bytes.count
      if item.kind == NH_STORE_PUT {
        bytes.append(contentsOf: UnsafeBufferPointer(start: item.value.ptr, count: Int(item.value.len)))
      }
      operations.append(
        Operation(
          kind: item.kind, revision: item.revision, keyStart: start, valueStart: valueStart, end: bytes.count))
    }
  }

  private static func fault(_ item: nh_store_operation) -> String? {
    guard [NH_STORE_PUT, NH_STORE_DELETE, NH_STORE_EXPECT].contains(item.kind) else {
      return "there is no kind \(item.kind)"
    }
    if let fault = keyFault(item.key) { return fault }
    guard item.kind == NH_STORE_PUT else { return nil }
    guard item.value.len <= UInt64(valueLimit) else {
      return "a value of \(item.value.len) bytes; at most \(valueLimit) go into one, the rest into a blob"
    }
    return item.value.ptr == nil && item.value.len > 0 ? "the address of its value is missing" : nil
  }

  static func keyFault(_ key: nh_bytes) -> String? {
    guard key.len <= UInt64(keyLimit) else { return "a key of \(key.len) bytes; at most \(keyLimit) go into one" }
    return key.ptr == nil && key.len > 0 ? "the address of its key is missing" : nil
  }
}

/// Why the store did not do what it was asked.
package struct StoreFailure: Error, Sendable, Equatable {
  package var status: nh_status
  package var message: String
  /// The key that it is about, if it is about one.
  package var key: [UInt8] = []

  package init(status: nh_status, message: String, key: [UInt8] = []) {
    (self.status, self.message, self.key) = (status, message, key)
  }

  static func invalid(_ message: String) -> StoreFailure { StoreFailure(status: NH_INVALID_ARGUMENT, message: message) }
}
