/// The entries that a member still has, each at its index. What lies before them is in the snapshot.
package struct EntryList: Equatable, Sendable {
  /// Of the place before the first entry; 0 and 0 at the beginning of all.
  private(set) package var baseIndex: UInt64
  private(set) var baseTerm: UInt64
  private var entries: [Entry] = []
  /// What all entries take.
  private(set) var size = 0

  package init(baseIndex: UInt64 = 0, baseTerm: UInt64 = 0) { (self.baseIndex, self.baseTerm) = (baseIndex, baseTerm) }

  package var lastIndex: UInt64 { baseIndex + UInt64(entries.count) }
  package var lastTerm: UInt64 { entries.last?.term ?? baseTerm }
  package var firstIndex: UInt64 { baseIndex + 1 }

  package subscript(index: UInt64) -> Entry { entries[Int(index - baseIndex - 1)] }

  /// Nil for what was cut off or is not there yet.
  package func term(at index: UInt64) -> UInt64? {
    if index == baseIndex { return baseTerm }
    return index > baseIndex && index <= lastIndex ? self[index].term : nil
  }

  package mutating func append(_ entry: Entry) {
    entries.append(entry)
    size += entry.size
  }

  /// Takes away the entry at `index` and all behind it.
  mutating func truncate(from index: UInt64) {
    while lastIndex >= index, let last = entries.popLast() { size -= last.size }
  }

  /// Forgets the entries up to `index`.
  mutating func cut(upTo index: UInt64) {
    guard index > baseIndex, let term = term(at: index) else { return }
    let count = Int(index - baseIndex)
    size -= entries[..<count].reduce(0) { $0 + $1.size }
    entries.removeFirst(count)
    (baseIndex, baseTerm) = (index, term)
  }

  /// Entries from `start` on, no further than `end`, as many as fit into `room` but one at least.
  func slice(from start: UInt64, through end: UInt64, room: Int, count limit: Int) -> [Entry] {
    var taken: [Entry] = [], left = room, index = max(start, firstIndex)
    while index <= min(end, lastIndex), taken.count < limit {
      let entry = self[index]
      guard taken.isEmpty || entry.size <= left else { break }
      left -= entry.size
      taken.append(entry)
      index += 1
    }
    return taken
  }

  /// The first index whose entry is of the same term as the one at `index`.
  func start(ofTermAt index: UInt64) -> UInt64 {
    var start = index
    while start > firstIndex, self[start - 1].term == self[index].term { start -= 1 }
    return start
  }
}
