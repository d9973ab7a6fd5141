import Glibc

/// Writes the head of a message into room that is large enough.
struct HTTP1Writer {
  private let start: UnsafeMutableRawPointer
  private(set) var count = 0

  init(at start: UnsafeMutableRawPointer) { self.start = start }

  @inline(__always)
  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    memcpy(start + count, bytes.baseAddress!, bytes.count)
    count += bytes.count
  }

  @inline(__always)
  mutating func add(_ words: StaticString) {
    memcpy(start + count, words.utf8Start, words.utf8CodeUnitCount)
    count += words.utf8CodeUnitCount
  }

  @inline(__always)
  mutating func addField(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    add(name)
    add(": ")
    add(value)
    add("\r\n")
  }

  mutating func add(_ number: Int) { add(number, radix: 10) }
  mutating func add(hexadecimal number: Int) { add(number, radix: 16) }

  private mutating func add(_ number: Int, radix: Int) {
    var digits = 1, rest = number / radix
    while rest > 0 {
      digits += 1
      rest /= radix
    }
    rest = number
    for place in stride(from: count + digits - 1, through: count, by: -1) {
      let digit = UInt8(rest % radix)
      start.storeBytes(of: digit < 10 ? 0x30 + digit : 0x57 + digit, toByteOffset: place, as: UInt8.self)
      rest /= radix
    }
    count += digits
  }
}
