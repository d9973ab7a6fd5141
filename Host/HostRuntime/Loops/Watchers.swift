/// Who watches which descriptor. The tag of a watch holds the descriptor and how often its number has been used, so
/// that a report about a socket that has been closed meanwhile finds nobody.
struct Watchers {
  /// No descriptor has this number.
  static let wakerTag = UInt64.max

  private struct Place {
    var uses: UInt32 = 0
    var watcher: (any DescriptorWatcher)?
  }

  private var places: [Place] = []

  /// The watch's tag, and whether nobody watched the descriptor before.
  mutating func put(_ watcher: any DescriptorWatcher, at descriptor: Int32) -> (tag: UInt64, isNew: Bool) {
    let index = Int(descriptor)
    while places.count <= index { places.append(Place()) }
    let isNew = places[index].watcher == nil
    if isNew { places[index].uses &+= 1 }
    places[index].watcher = watcher
    return (UInt64(places[index].uses) << 32 | UInt64(index), isNew)
  }

  /// False if nobody watched it.
  mutating func remove(at descriptor: Int32) -> Bool {
    let index = Int(descriptor)
    guard index < places.count, places[index].watcher != nil else { return false }
    places[index].watcher = nil
    return true
  }

  subscript(tag: UInt64) -> (any DescriptorWatcher)? {
    let index = Int(tag & 0xFFFF_FFFF)
    guard index < places.count, places[index].uses == UInt32(tag >> 32) else { return nil }
    return places[index].watcher
  }
}
