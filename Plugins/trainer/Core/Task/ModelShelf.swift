internal import NodeKit

/// The models that came last, so that a server need not send one again: one that is tried, and then trained.
struct ModelShelf {
  private(set) var models: [(digest: String, bytes: [UInt8])] = []
  let limit: Int

  init(limit: Int) { self.limit = limit }

  var size: Int { models.reduce(0) { $0 + $1.bytes.count } }

  mutating func take(_ digest: String) -> [UInt8]? {
    guard !digest.isEmpty, let place = models.firstIndex(where: { $0.digest == digest }) else { return nil }
    let found = models.remove(at: place)
    models.append(found)
    return found.bytes
  }

  /// The memory of a model that would make way for one of that size. Such a one is coming.
  mutating func room(for size: Int) -> [UInt8] {
    guard size <= limit, self.size + size > limit, let first = models.first, first.bytes.count >= size else {
      return []
    }
    return models.removeFirst().bytes
  }

  /// Those that were not asked for the longest make room.
  mutating func keep(_ digest: String, _ bytes: [UInt8]) {
    guard !digest.isEmpty, bytes.count <= limit else { return }
    models.removeAll { $0.digest == digest }
    while !models.isEmpty, size + bytes.count > limit { models.removeFirst() }
    models.append((digest, bytes))
  }
}
