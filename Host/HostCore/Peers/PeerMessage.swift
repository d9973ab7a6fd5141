/// What stands before a message's payload: the channel, and the roles that it is from and for.
package struct PeerMessage {
  private static let fixedSize = 6
  /// Room for any head.
  package static let headLimit = fixedSize + 2 * 255

  package var channel: UInt32
  /// Borrowed, like the payload.
  package var from: UnsafeRawBufferPointer
  package var to: UnsafeRawBufferPointer
  package var payload: UnsafeRawBufferPointer

  package init(_ parcel: UnsafeRawBufferPointer) throws(PeerFault) {
    guard parcel.count >= Self.fixedSize else { throw PeerFault("a message that is cut short") }
    channel = UInt32(littleEndian: parcel.loadUnaligned(as: UInt32.self))
    let fromEnd = Self.fixedSize + Int(parcel[4]), toEnd = fromEnd + Int(parcel[5])
    guard toEnd <= parcel.count else { throw PeerFault("a message that is cut short") }
    from = UnsafeRawBufferPointer(rebasing: parcel[Self.fixedSize..<fromEnd])
    to = UnsafeRawBufferPointer(rebasing: parcel[fromEnd..<toEnd])
    payload = UnsafeRawBufferPointer(rebasing: parcel[toEnd...])
    guard payload.count <= PeerFrame.payloadLimit else {
      throw PeerFault("a message of \(payload.count) bytes; the limit is \(PeerFrame.payloadLimit)")
    }
  }

  /// Writes a head into `room` of `headLimit` bytes. Returns its length; nil if a name is too long to be a role's.
  package static func writeHead(
    channel: UInt32, from: UnsafeRawBufferPointer, to: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard from.count <= 255, to.count <= 255 else { return nil }
    room.storeBytes(of: channel.littleEndian, as: UInt32.self)
    room[4] = UInt8(from.count)
    room[5] = UInt8(to.count)
    let names = UnsafeMutableRawBufferPointer(rebasing: room[fixedSize...])
    names.copyMemory(from: from)
    UnsafeMutableRawBufferPointer(rebasing: names[from.count...]).copyMemory(from: to)
    return fixedSize + from.count + to.count
  }
}

extension PeerMessage {
  /// For what is no message: a link that came or went.
  package static var nothing: PeerMessage {
    let none = UnsafeRawBufferPointer(start: nil, count: 0)
    return PeerMessage(0, from: none, to: none, none)
  }

  package init(
    _ channel: UInt32, from: UnsafeRawBufferPointer, to: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer
  ) {
    (self.channel, self.from, self.to, self.payload) = (channel, from, to, payload)
  }
}
