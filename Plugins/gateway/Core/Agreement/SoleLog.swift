import NodeKit
import ProtoFields

/// The log of a gateway that is the only one: an entry is agreed on when it is on its disk.
final class SoleLog: RegistryLog {
  /// After so many entries all is written down anew, and they are deleted.
  static let snapshotEvery: UInt64 = 20_000

  private let context: RoleContext
  private let registry: Registry
  private var last: UInt64 = 0
  private var snapshotAt: UInt64 = 0
  private var failure: String?
  var whenStandingChanges: () -> Void = {}

  init(_ context: RoleContext, _ registry: Registry) { (self.context, self.registry) = (context, registry) }

  var isLeading: Bool { true }
  var leader: Int? { context.nodeID }
  var trouble: String? { failure }
  func handOver() {}

  func start(then ready: @escaping (Result<Void, RoleError>) throws -> Void) throws {
    var pieces: [UInt8] = []
    try context.store.scan(prefix: "snapshot/") { (piece: Stored<[UInt8]>) in
      pieces += piece.value
    } then: { [self] result in
      guard case .success = result else { return try ready(result.map { _ in () }) }
      do {
        if !pieces.isEmpty { try restore(pieces) }
      } catch { return try ready(.failure(RoleError(error))) }
      try readEntries(ready)
    }
  }

  private func restore(_ bytes: [UInt8]) throws {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: last = try reader.uint64()
      case 2: try registry.restore(try reader.data())
      default: break
      }
    }
    snapshotAt = last
  }

  private func readEntries(_ ready: @escaping (Result<Void, RoleError>) throws -> Void) throws {
    var fault: RoleError?
    try context.store.scan(prefix: "entry/") { [self] (entry: Stored<[UInt8]>) in
      let index = entry.key.suffix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      guard index > last, fault == nil else { return }
      do { _ = registry.apply(try Entry(entry.value)) } catch { fault = RoleError(error) }
      last = index
    } then: { result in
      try ready(fault.map { .failure($0) } ?? result.map { _ in () })
    }
  }

  func propose(_ entry: Entry, then done: @escaping (Result<Outcome, RoleError>) -> Void) {
    last += 1
    do {
      try context.store.commit { $0.put(Self.key(last), entry.bytes) } then: { [self] result in
        switch result {
        case .success:
          failure = nil
          done(.success(registry.apply(entry)))
        case .failure(let error):
          failure = "\(error)"
          done(.failure(error))
        }
      }
    } catch { done(.failure(RoleError(error))) }
  }

  private static func key(_ index: UInt64) -> [UInt8] {
    Array("entry/".utf8) + (0..<8).map { UInt8(truncatingIfNeeded: index >> UInt64(56 - 8 * $0)) }
  }
}
