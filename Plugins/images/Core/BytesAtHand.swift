internal import NodeKit

/// How much memory the bytes of images may take, all together.
final class MemoryRoom {
  /// Two of 10 MB, or many of the usual size; whatever does not fit is read from the disk again.
  static let limit = 24 << 20

  private(set) var taken = 0

  func take(_ bytes: Int) -> Bool {
    guard taken + bytes <= Self.limit else { return false }
    taken += bytes
    return true
  }

  func give(_ bytes: Int) { taken -= bytes }
}

/// The bytes of an image that are on their way to the disk, in memory as well: so they need not be read, opened and
/// hashed again to be decoded, and to be sent to each other node.
final class BytesAtHand {
  /// As they came.
  private(set) var pieces: [[UInt8]] = []
  private(set) var count = 0
  private let room: MemoryRoom

  init(_ room: MemoryRoom) { self.room = room }

  deinit { room.give(count) }

  /// False if there is no room for it.
  func add(_ piece: [UInt8]) -> Bool {
    guard room.take(piece.count) else { return false }
    pieces.append(piece)
    count += piece.count
    return true
  }

  /// All in one place.
  static func joined(_ pieces: [[UInt8]]) -> [UInt8] {
    if pieces.count == 1 { return pieces[0] }
    var whole: [UInt8] = []
    whole.reserveCapacity(pieces.reduce(0) { $0 + $1.count })
    for piece in pieces { whole += piece }
    return whole
  }
}

/// A place in the bytes, which goes forward.
struct BytesCursor {
  private let bytes: BytesAtHand
  private var piece = 0
  private var offset = 0

  init(_ bytes: BytesAtHand) { self.bytes = bytes }

  /// What comes next, so much unless the end is nearer; nothing behind that.
  mutating func next(_ limit: Int, to writer: inout ByteWriter) {
    var left = limit
    while left > 0, piece < bytes.pieces.count {
      let rest = bytes.pieces[piece][offset...]
      let part = rest.prefix(left)
      writer.add(rest: part)
      left -= part.count
      if part.count < rest.count { offset += part.count } else { (piece, offset) = (piece + 1, 0) }
    }
  }
}
