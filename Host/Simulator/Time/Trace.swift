/// What happened in a world, in order: a hash of all of it always, and the words when somebody reads them.
package final class Trace: @unchecked Sendable {
  package enum Kind: UInt8, Sendable {
    case boot, end, crash, linkUp, linkDown, sent, arrived, lost, log, event, commit, call, answer, fault, failure,
      note, request
  }

  package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  package private(set) var count = 0
  /// Gets each event as a line.
  package var reader: ((_ time: Int64, _ node: Int, _ words: String) -> Void)?
  /// The hash after each event, for comparing two runs.
  package var hashes: [UInt64]?
  /// Told of the first event that is not as in another run.
  package var expected: [UInt64]?
  package private(set) var divergence: (number: Int, node: Int, words: String)?

  package init() {}

  /// `number` stands for the event's contents where it has no words of its own.
  @inline(__always)
  func note(_ kind: Kind, _ time: Int64, _ node: Int, _ number: UInt64, _ words: @autoclosure () -> String) {
    mix(UInt64(kind.rawValue) | UInt64(bitPattern: Int64(node)) << 8)
    mix(UInt64(bitPattern: time))
    mix(number)
    count += 1
    if reader != nil || hashes != nil || expected != nil { tell(time, node, words()) }
  }

  private func tell(_ time: Int64, _ node: Int, _ words: String) {
    reader?(time, node, words)
    hashes?.append(hash)
    guard let expected, divergence == nil, count > expected.count || expected[count - 1] != hash else { return }
    divergence = (count, node, words)
  }

  @inline(__always)
  private func mix(_ word: UInt64) {
    hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
    hash ^= hash >> 29
  }

  /// A number that stands for bytes.
  static func number(of bytes: UnsafeRawBufferPointer) -> UInt64 {
    var sum = UInt64(bytes.count) &* 0x9E37_79B9_7F4A_7C15, place = 0
    while place + 8 <= bytes.count {
      sum = (sum ^ bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)) &* 0x9E37_79B9_7F4A_7C15
      sum ^= sum >> 32
      place += 8
    }
    for byte in bytes[place...] { sum = (sum ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return sum
  }

  static func number(of text: String) -> UInt64 {
    var text = text
    return text.withUTF8 { number(of: UnsafeRawBufferPointer($0)) }
  }
}
