/// What is to come to the disk together, and what may only happen when it is there.
struct StoreWrite {
  enum Operation: Equatable {
    case put(key: [UInt8], value: [UInt8])
    case delete(key: [UInt8])
  }
  /// What waits for the disk.
  enum Next: Equatable {
    case send(CommitMessage, to: Int)
    /// This node has its prepared record.
    case prepared(id: String)
    /// What a person has decided is carried out, and is known to be.
    case held(id: String)
    case begun
  }

  private(set) var operations: [Operation] = []
  private(set) var then: [Next] = []
  /// Something waits for it, so it must not be put off.
  private(set) var isUrgent = false
  /// Something waits that nobody misses for a while.
  var isAwaited: Bool { !then.isEmpty }
  var isEmpty: Bool { operations.isEmpty && then.isEmpty }

  mutating func put(_ key: [UInt8], _ value: [UInt8]) { operations.append(.put(key: key, value: value)) }
  mutating func delete(_ key: [UInt8]) { operations.append(.delete(key: key)) }
  mutating func afterwards(_ next: Next, isUrgent: Bool = true) {
    then.append(next)
    self.isUrgent = self.isUrgent || isUrgent
  }
}
