/// All entries of a node, as they are on its disk, and which of their objects it has.
struct Catalogue {
  static let bucketCount = 256

  private var buckets = [[ImageID: ImageEntry]](repeating: [:], count: bucketCount)
  /// Of each bucket a number that is the same on two nodes if, and as good as only if, their entries are.
  private(set) var digests = [UInt64](repeating: 0, count: bucketCount)
  private(set) var count = 0
  private(set) var liveCount = 0
  private(set) var liveBytes = 0
  /// Images whose bytes are on this node's disk.
  private var held: Set<ImageID> = []
  /// Images whose bytes should be, and are not.
  private(set) var missing: Set<ImageID> = []

  subscript(id: ImageID) -> ImageEntry? { buckets[id.bucket][id] }

  /// That of an image which was not removed.
  func live(_ id: ImageID) -> ImageEntry? { self[id].flatMap { $0.isRemoved ? nil : $0 } }

  func isNews(_ entry: ImageEntry) -> Bool {
    #if BROKEN_FORGETS_REMOVALS
      guard let known = self[entry.id], !known.isRemoved else { return true }
      return known.version < entry.version
    #else
      return self[entry.id].map { $0.version < entry.version } ?? true
    #endif
  }

  /// The newer entry stays.
  mutating func apply(_ entry: ImageEntry) {
    guard isNews(entry) else { return }
    if let known = buckets[entry.id.bucket].updateValue(entry, forKey: entry.id) {
      digests[entry.id.bucket] ^= Self.digest(known)
      countLive(known, -1)
    } else {
      count += 1
    }
    digests[entry.id.bucket] ^= Self.digest(entry)
    countLive(entry, 1)
    lookWhatIsMissing(entry.id)
  }

  private mutating func countLive(_ entry: ImageEntry, _ sign: Int) {
    guard !entry.isRemoved else { return }
    liveCount += sign
    liveBytes += sign * entry.bytes
  }

  private static func digest(_ entry: ImageEntry) -> UInt64 {
    var mixed: UInt64 = entry.isRemoved ? 0x9E37_79B9_7F4A_7C15 : 0x2545_F491_4F6C_DD1D
    for part in entry.id.parts + [entry.version.term, entry.version.number] {
      mixed = (mixed ^ part) &* 0xBF58_476D_1CE4_E5B9
      mixed ^= mixed >> 29
    }
    return mixed
  }

  /// In order of their names.
  func entries(in bucket: Int) -> [ImageEntry] { buckets[bucket].values.sorted { $0.id < $1.id } }

  /// Images after one, in order, at most so many.
  func images(after last: ImageID?, limit: Int, where wanted: (ImageEntry) -> Bool) -> [ImageEntry] {
    var found: [ImageEntry] = []
    for bucket in (last?.bucket ?? 0)..<Self.bucketCount where found.count < limit {
      let more = buckets[bucket].values.filter { entry in
        !entry.isRemoved && last.map { $0 < entry.id } ?? true && wanted(entry)
      }
      found += more.sorted { $0.id < $1.id }
    }
    return Array(found.prefix(limit))
  }

  // MARK: Objects

  mutating func hold(_ id: ImageID) {
    held.insert(id)
    missing.remove(id)
  }

  mutating func lose(_ id: ImageID) {
    held.remove(id)
    lookWhatIsMissing(id)
  }

  func holds(_ id: ImageID) -> Bool { held.contains(id) }

  private mutating func lookWhatIsMissing(_ id: ImageID) {
    if live(id) != nil, !held.contains(id) { missing.insert(id) } else { missing.remove(id) }
  }
}
