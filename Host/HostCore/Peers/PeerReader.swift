/// Takes parcels out of the bytes of a link, each once it is whole. What came in one frame is handed on where it lies.
package struct PeerReader: Sendable {
  /// A parcel of several frames, of which some have come.
  private struct Partial: Sendable {
    var kind: PeerFrame.Kind
    var total: Int
    var bytes: [UInt8]
  }

  /// By lane: frames of different lanes may alternate, those of one may not.
  private var partial = [Partial?](repeating: nil, count: PeerFrame.Lane.allCases.count)

  package init() {}

  /// Hands each parcel to `take`, valid during the call, until that returns false. Returns how many bytes have been
  /// used; the rest must come again with what follows.
  package mutating func read(
    _ bytes: UnsafeRawBufferPointer,
    _ take: (PeerFrame.Kind, PeerFrame.Lane, UnsafeRawBufferPointer) throws(PeerFault) -> Bool
  ) throws(PeerFault) -> Int {
    var place = 0
    while bytes.count - place >= PeerFrame.headerSize {
      let frame = try PeerFrame(at: bytes.baseAddress! + place)
      let start = place + PeerFrame.headerSize
      guard frame.length <= bytes.count - start else { break }
      let body = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + frame.length)])
      place = start + frame.length
      if frame.flags == .whole {
        guard partial[Int(frame.lane.rawValue)] == nil else {
          throw PeerFault("a parcel began before the last one's end")
        }
        guard try take(frame.kind, frame.lane, body) else { break }
      } else {
        try gather(frame, body)
        guard frame.isLast else { continue }
        guard try handOn(frame.lane, take) else { break }
      }
    }
    return place
  }

  private mutating func gather(_ frame: PeerFrame, _ body: UnsafeRawBufferPointer) throws(PeerFault) {
    let lane = Int(frame.lane.rawValue)
    guard frame.flags.contains(.first) else {
      // Taken out, or all that has come would be copied for each piece.
      guard var known = partial[lane].take(), known.kind == frame.kind else { throw PeerFault("a piece of nothing") }
      guard !body.isEmpty, known.bytes.count + body.count <= known.total else {
        throw PeerFault("a parcel's pieces do not have its length")
      }
      known.bytes.append(contentsOf: body)
      partial[lane] = consume known
      return
    }
    guard partial[lane] == nil else { throw PeerFault("a parcel began before the last one's end") }
    guard body.count >= PeerFrame.totalSize else {
      throw PeerFault("the first piece of a parcel does not say its length")
    }
    let total = Int(UInt32(littleEndian: body.loadUnaligned(as: UInt32.self)))
    guard total <= PeerFrame.parcelLimit, total > body.count - PeerFrame.totalSize else {
      throw PeerFault("a parcel of \(total) bytes in pieces; the limit is \(PeerFrame.parcelLimit)")
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(total)
    bytes.append(contentsOf: body.dropFirst(PeerFrame.totalSize))
    partial[lane] = Partial(kind: frame.kind, total: total, bytes: bytes)
  }

  private mutating func handOn(
    _ lane: PeerFrame.Lane,
    _ take: (PeerFrame.Kind, PeerFrame.Lane, UnsafeRawBufferPointer) throws(PeerFault) -> Bool
  ) throws(PeerFault) -> Bool {
    guard let whole = partial[Int(lane.rawValue)].take() else { return true }
    guard whole.bytes.count == whole.total else { throw PeerFault("a parcel's pieces do not have its length") }
    return try whole.bytes.withUnsafeBufferPointer { (bytes) throws(PeerFault) in
      try take(whole.kind, lane, UnsafeRawBufferPointer(bytes))
    }
  }
}
