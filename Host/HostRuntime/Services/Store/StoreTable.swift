import CNodeABI

/// A store's entries in memory, for hosts that have no disk: the same rules without the file.
package struct StoreTable: Sendable {
  private struct Row: Sendable {
    var value: [UInt8]
    var revision: UInt64
  }

  package enum Outcome: Sendable {
    case done(revision: UInt64)
    case unmet(key: [UInt8])
  }

  private var rows: [[UInt8]: Row] = [:]
  /// The last commit's.
  package private(set) var revision: UInt64 = 0

  package init() {}

  package var isEmpty: Bool { rows.isEmpty }

  /// A commit that was lost has left a gap.
  package mutating func skipRevisions() { revision += 1 << 20 }

  /// Each commit happens as a whole or not at all.
  package mutating func run(_ commits: [StoreCommit]) -> [Outcome] { commits.map { run($0) } }

  private mutating func run(_ commit: StoreCommit) -> Outcome {
    for operation in commit.operations where operation.kind == NH_STORE_EXPECT {
      let key = commit.key(operation)
      guard rows[key]?.revision ?? 0 == operation.revision else { return .unmet(key: key) }
    }
    guard commit.operations.contains(where: { $0.kind != NH_STORE_EXPECT }) else { return .done(revision: revision) }
    revision += 1
    for operation in commit.operations {
      switch operation.kind {
      case NH_STORE_PUT: rows[commit.key(operation)] = Row(value: commit.value(operation), revision: revision)
      case NH_STORE_DELETE: rows[commit.key(operation)] = nil
      default: break
      }
    }
    return .done(revision: revision)
  }

  package func get(_ key: [UInt8]) -> StoreEntry? {
    rows[key].map { StoreEntry(key: key, value: $0.value, revision: $0.revision) }
  }

  /// In the order of their keys.
  package func entries(in range: StoreRange) -> [StoreEntry] {
    var found = rows.filter { range.contains($0.key) }.map {
      StoreEntry(key: $0.key, value: $0.value.value, revision: $0.value.revision)
    }
    found.sort { $0.key.lexicographicallyPrecedes($1.key) }
    return range.limit > 0 && UInt64(found.count) > range.limit ? Array(found.prefix(Int(range.limit))) : found
  }
}
