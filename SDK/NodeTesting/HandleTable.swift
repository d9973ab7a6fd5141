internal import CNodeABI

/// What the host owns, by handle. Handles are never used twice, so a stale one is told from an invented one.
struct HandleTable<Entry> {
  private var entries: [nh_handle: Entry] = [:]
  private var last: nh_handle = 0

  var count: Int { entries.count }
  var all: [Entry] { entries.sorted { $0.key < $1.key }.map(\.value) }

  var handles: [nh_handle] { entries.keys.sorted() }

  mutating func insert(_ make: (nh_handle) -> Entry) -> nh_handle {
    last += 1
    entries[last] = make(last)
    return last
  }

  subscript(handle: nh_handle) -> Entry? { entries[handle] }

  @discardableResult
  mutating func remove(_ handle: nh_handle) -> Entry? { entries.removeValue(forKey: handle) }

  mutating func update(_ handle: nh_handle, _ body: (inout Entry) -> Void) {
    if var entry = entries[handle] {
      body(&entry)
      entries[handle] = entry
    }
  }

  mutating func endAll() { entries = [:] }

  /// Whether the handle was ever given out.
  func wasGiven(_ handle: nh_handle) -> Bool { handle > 0 && handle <= last }
}
