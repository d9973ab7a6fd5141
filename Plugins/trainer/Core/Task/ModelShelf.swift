internal import NodeKit

/// The models that came last, so that a server need not send one again: one that is tried, and then trained.
struct ModelShelf {
  private(set) var models: [(sha256: String, bytes: [UInt8])] = []
  let limit: Int

  init(limit: Int) { self.limit = limit }

  var size: Int { models.reduce(0) { $0 + $1.bytes.count } }

  mutating func take(_ sha256: String) -> [UInt8]? {
    guard !sha256.isEmpty, let place = models.firstIndex(where: { $0.sha256 == sha256 }) else { return nil }
    let found = models.remove(at: place)
    models.append(found)
    return found.bytes
  }

  /// Those that were not asked for the longest make room.
  mutating func keep(_ sha256: String, _ bytes: [UInt8]) {
    guard !sha256.isEmpty, bytes.count <= limit else { return }
    models.removeAll { $0.sha256 == sha256 }
    while !models.isEmpty, size + bytes.count > limit { models.removeFirst() }
    models.append((sha256, bytes))
  }
}
