/// Where the first frames of a client's connection end (RFC 9113, 4.1), as far as is needed to stop behind a head.
struct FirstFrames {
  /// What a client says before its first frame.
  private static let prefaceSize = 24
  private static let headerSize = 9
  private static let headers: UInt8 = 1
  private static let continuation: UInt8 = 9
  private static let limit = 64

  /// Bytes before the next frame's header.
  private var rest = prefaceSize
  private var frames = 0
  private var isInHead = false

  /// Nothing more is to be looked for.
  var isOver: Bool { frames > Self.limit }

  /// How many of these bytes, which come behind those of before, may be handed on at once: all up to the end of the
  /// next frame with a part of a head, or up to the header of a frame that has not come whole. Those come again.
  mutating func advance(_ bytes: UnsafeRawBufferPointer) -> Int {
    var place = min(rest, bytes.count)
    rest -= place
    if isInHead, rest == 0 {
      isInHead = false
      return place
    }
    while rest == 0, bytes.count - place >= Self.headerSize, !isOver {
      let length = Int(bytes[place]) << 16 | Int(bytes[place + 1]) << 8 | Int(bytes[place + 2])
      isInHead = bytes[place + 3] == Self.headers || bytes[place + 3] == Self.continuation
      frames += 1
      let end = place + Self.headerSize + length
      rest = max(0, end - bytes.count)
      place = min(end, bytes.count)
      guard isInHead, rest == 0 else { continue }
      isInHead = false
      return place
    }
    return isOver ? bytes.count : place
  }
}
