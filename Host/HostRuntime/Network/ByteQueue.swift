import Glibc

/// Bytes that wait, first in, first out, in one piece of memory that is given back when they have gone.
package struct ByteQueue: ~Copyable {
  package static let leastCapacity = 4 << 10
  /// What remains goes to the front at once if it is so many times less than what has gone: later more would stand
  /// behind it, and go with it.
  private static let worthMoving = 8

  private var base: UnsafeMutableRawPointer?
  private var capacity = 0
  private var start = 0
  private var end = 0

  package init() {}

  deinit { free(base) }

  package var count: Int { end - start }
  package var isEmpty: Bool { end == start }
  /// Whether it holds memory that is worth giving back when it is empty.
  package var isLarge: Bool { capacity > 1 << 20 }

  /// All that waits. Valid until the queue is changed.
  package var bytes: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: base.map { $0 + start }, count: end - start)
  }

  package mutating func append(_ more: UnsafeRawBufferPointer) {
    guard more.count > 0 else { return }
    memcpy(room(for: more.count), more.baseAddress!, more.count)
    end += more.count
  }

  package mutating func append(_ text: StaticString) {
    append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Lets `write` fill as much of `most` bytes as it likes; it returns how much that was.
  @inline(__always)
  package mutating func append<Failure: Error>(
    upTo most: Int, _ write: (UnsafeMutableRawPointer) throws(Failure) -> Int
  ) throws(Failure) {
    end += try write(room(for: most))
  }

  package mutating func removeFirst(_ count: Int) {
    start += count
    if start == end {
      (start, end) = (0, 0)
    } else if (end - start) * Self.worthMoving <= start {
      moveToFront()
    }
  }

  package mutating func removeAll() { (start, end) = (0, 0) }

  /// Gives back the memory, if nothing waits and it is more than `capacity`.
  package mutating func shrink(to most: Int = 0) {
    guard isEmpty, base != nil, capacity > most else { return }
    free(base)
    base = nil
    capacity = 0
  }

  private mutating func room(for count: Int) -> UnsafeMutableRawPointer {
    if capacity - end < count { makeRoom(for: count) }
    return base! + end
  }

  private mutating func makeRoom(for more: Int) {
    let count = end - start
    // Moving is cheap while more than half is used up.
    if start >= capacity / 2, capacity >= count + more { return moveToFront() }
    var larger = max(capacity, Self.leastCapacity)
    while larger < count + more { larger *= 2 }
    let new = malloc(larger)!
    if count > 0 { memcpy(new, base! + start, count) }
    free(base)
    base = new
    capacity = larger
    (start, end) = (0, count)
  }

  private mutating func moveToFront() {
    memmove(base!, base! + start, count)
    (start, end) = (0, count)
  }
}

/// It owns its memory alone.
extension ByteQueue: @unchecked Sendable {}
