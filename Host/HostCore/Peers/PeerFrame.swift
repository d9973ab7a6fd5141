/// How bytes are laid out on a link between two nodes.
///
/// A link carries parcels: a message, a call, its answer, and what the link itself needs. A parcel travels as one
/// frame, or as several if it is large, so that a more urgent one can go between them. A frame is a header of eight
/// bytes (the length of what follows, the kind, the lane, flags and a zero) and its body; the first frame of several
/// begins with the length of the whole parcel. All numbers are little-endian.
package struct PeerFrame: Sendable, Equatable {
  package static let headerSize = 8
  /// Longest body. With its header it fills a TLS record; longer ones would let urgent messages wait longer.
  package static let bodyLimit = 16 * 1024 - headerSize
  /// Longest payload of a message, as the ABI says.
  package static let payloadLimit = 16 << 20
  /// Longest parcel: a payload and what says where it goes.
  package static let parcelLimit = payloadLimit + 1024
  static let totalSize = 4

  package enum Kind: UInt8, Sendable, CaseIterable {
    /// Who is there; the first frame each way.
    case hello = 1
    /// The node with the lower id takes this connection for the link.
    case welcome
    /// The connection will not be the link, and why.
    case refusal
    case ping, pong
    case message
    case request, response, cancel

    /// Not for the link's own sake.
    package var isOfRoles: Bool { rawValue >= Kind.message.rawValue }
  }

  /// Which goes first. Parcels of one lane arrive in order.
  package enum Lane: UInt8, Sendable, CaseIterable {
    case urgent, normal, bulk
  }

  struct Flags: OptionSet {
    let rawValue: UInt8
    static let first = Flags(rawValue: 1)
    static let last = Flags(rawValue: 2)
    static let whole: Flags = [.first, .last]
  }

  var length: Int
  var kind: Kind
  var lane: Lane
  var flags: Flags

  init(_ kind: Kind, _ lane: Lane, length: Int, _ flags: Flags) {
    (self.kind, self.lane, self.length, self.flags) = (kind, lane, length, flags)
  }

  /// Reads a header; there must be room for one.
  init(at start: UnsafeRawPointer) throws(PeerFault) {
    let length = Int(UInt32(littleEndian: start.loadUnaligned(as: UInt32.self)))
    let bytes = start.loadUnaligned(fromByteOffset: 4, as: UInt32.self).littleEndian
    guard length <= Self.bodyLimit else {
      throw PeerFault("a frame of \(length) bytes; the limit is \(Self.bodyLimit)")
    }
    guard let kind = Kind(rawValue: UInt8(truncatingIfNeeded: bytes)) else {
      throw PeerFault("a frame of the unknown kind \(UInt8(truncatingIfNeeded: bytes))")
    }
    guard let lane = Lane(rawValue: UInt8(truncatingIfNeeded: bytes >> 8)), bytes >> 24 == 0, bytes >> 16 & 0xFF <= 3
    else {
      throw PeerFault("a frame whose header makes no sense")
    }
    self.init(kind, lane, length: length, Flags(rawValue: UInt8(truncatingIfNeeded: bytes >> 16)))
  }

  func write(to start: UnsafeMutableRawPointer) {
    start.storeBytes(of: UInt32(length).littleEndian, as: UInt32.self)
    let bytes = UInt32(kind.rawValue) | UInt32(lane.rawValue) << 8 | UInt32(flags.rawValue) << 16
    start.storeBytes(of: bytes.littleEndian, toByteOffset: 4, as: UInt32.self)
  }

  var isLast: Bool { flags.contains(.last) }
}

/// Something on a link that no node of this version sends.
package struct PeerFault: Error, Sendable, Equatable, CustomStringConvertible {
  package var words: String
  package init(_ words: String) { self.words = words }
  package var description: String { words }
}

/// Writes parcels as frames.
package enum PeerWriter {
  /// How many bytes a parcel of `count` bytes takes.
  package static func size(of count: Int) -> Int {
    if count <= PeerFrame.bodyLimit { return PeerFrame.headerSize + count }
    let whole = count + PeerFrame.totalSize
    return whole + (whole + PeerFrame.bodyLimit - 1) / PeerFrame.bodyLimit * PeerFrame.headerSize
  }

  /// Writes the parcel that `head` and `payload` make together into `room`, which holds `size(of:)` bytes.
  package static func write(
    _ kind: PeerFrame.Kind, _ lane: PeerFrame.Lane, head: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer,
    to room: UnsafeMutableRawPointer
  ) {
    let count = head.count + payload.count
    guard count > PeerFrame.bodyLimit else {
      PeerFrame(kind, lane, length: count, .whole).write(to: room)
      copy(head, to: room + PeerFrame.headerSize)
      copy(payload, to: room + PeerFrame.headerSize + head.count)
      return
    }
    writePieces(kind, lane, head, payload, to: room)
  }

  private static func writePieces(
    _ kind: PeerFrame.Kind, _ lane: PeerFrame.Lane, _ head: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer,
    to room: UnsafeMutableRawPointer
  ) {
    var place = room, done = 0
    let total = head.count + payload.count
    while done < total {
      let isFirst = done == 0
      let most = isFirst ? PeerFrame.bodyLimit - PeerFrame.totalSize : PeerFrame.bodyLimit
      let count = min(most, total - done)
      let length = isFirst ? count + PeerFrame.totalSize : count
      let flags: PeerFrame.Flags = isFirst ? .first : done + count == total ? .last : []
      PeerFrame(kind, lane, length: length, flags).write(to: place)
      place += PeerFrame.headerSize
      if isFirst {
        place.storeBytes(of: UInt32(total).littleEndian, as: UInt32.self)
        place += PeerFrame.totalSize
      }
      // The head is far shorter than a frame, so only the first piece has any of it.
      let ofHead = isFirst ? head.count : 0
      if isFirst { copy(head, to: place) }
      let start = done + ofHead - head.count
      copy(UnsafeRawBufferPointer(rebasing: payload[start..<(start + count - ofHead)]), to: place + ofHead)
      place += count
      done += count
    }
  }

  private static func copy(_ bytes: UnsafeRawBufferPointer, to place: UnsafeMutableRawPointer) {
    guard let start = bytes.baseAddress, bytes.count > 0 else { return }
    place.copyMemory(from: start, byteCount: bytes.count)
  }

  /// A parcel of its own, for what is rare.
  package static func parcel(_ kind: PeerFrame.Kind, _ lane: PeerFrame.Lane = .urgent, _ body: [UInt8] = []) -> [UInt8]
  {
    [UInt8](unsafeUninitializedCapacity: size(of: body.count)) { room, count in
      body.withUnsafeBytes { body in
        write(kind, lane, head: UnsafeRawBufferPointer(start: nil, count: 0), payload: body, to: room.baseAddress!)
      }
      count = size(of: body.count)
    }
  }

  /// How many bytes, and how many last frames of parcels, stand at the start of `queue` in whole frames of together at
  /// most `most` bytes; at least one frame. All of the queue is frames.
  package static func wholeFrames(_ queue: UnsafeRawBufferPointer, most: Int) -> (bytes: Int, parcels: Int) {
    var place = 0, parcels = 0
    while place + PeerFrame.headerSize <= queue.count {
      let start = queue.baseAddress! + place
      let length = Int(UInt32(littleEndian: start.loadUnaligned(as: UInt32.self))) + PeerFrame.headerSize
      guard place == 0 || place + length <= most else { break }
      if start.load(fromByteOffset: 6, as: UInt8.self) & PeerFrame.Flags.last.rawValue != 0 { parcels += 1 }
      place += length
    }
    return (place, parcels)
  }
}
