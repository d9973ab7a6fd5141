/// Tells a row that the disk has changed. SQLite sees damage to its own structures, not to what stands in them.
///
/// Each step can be undone, so that a change within one word is always seen, and others all but always. It is no
/// defence against somebody who means it.
enum StoreChecksum {
  private static let multiplier: UInt64 = 0x9E37_79B9_7F4A_7C15

  static func of(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, revision: UInt64) -> Int64 {
    let start = mix(mix(revision, UInt64(key.count)), UInt64(value.count))
    return Int64(bitPattern: fold(fold(start, key), value))
  }

  private static func mix(_ sum: UInt64, _ word: UInt64) -> UInt64 {
    let mixed = (sum ^ word) &* multiplier
    return mixed ^ mixed >> 32
  }

  private static func fold(_ start: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var sum = start, place = 0
    while place + 8 <= bytes.count {
      sum = mix(sum, bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
      place += 8
    }
    var rest: UInt64 = 0
    while place < bytes.count {
      rest = rest << 8 | UInt64(bytes[place])
      place += 1
    }
    return mix(sum, rest)
  }
}
