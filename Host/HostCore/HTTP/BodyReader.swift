/// Finds the pieces of a message's body in what a connection gives.
package struct BodyReader: Sendable {
  private enum State: Sendable, Equatable {
    case ended
    case length(Int)
    case untilClosed
    case chunkSize
    case chunk(Int)
    case chunkEnd
    case trailers
  }

  package enum Step {
    /// More bytes are needed; so many have been used.
    case needMore(used: Int)
    /// A piece, which begins `skipping` bytes further.
    case piece(skipping: Int, count: Int)
    case end(used: Int)
  }

  private var state: State
  private var trailerReader: HTTP1HeadReader

  package init(_ framing: MessageHead.Framing, limits: HeadLimits = HeadLimits()) {
    trailerReader = HTTP1HeadReader(.trailers, limits: limits)
    state =
      switch framing {
      case .none: .ended
      case .length(let length): .length(length)
      case .chunked: .chunkSize
      case .untilClosed: .untilClosed
      }
  }

  package var hasEnded: Bool { state == .ended }
  /// Ends when the connection does.
  package var endsWithConnection: Bool { state == .untilClosed }

  /// How much of the body is still to come, if that is known.
  package var remaining: Int? {
    switch state {
    case .ended: 0
    case .length(let left): left
    default: nil
    }
  }

  /// The next step for these bytes, of which each is offered until a step says it has been used or was in a piece.
  package mutating func next(
    _ bytes: UnsafeMutableRawBufferPointer, upTo most: Int = .max, trailers: MessageHead
  ) throws(HTTPRefusal) -> Step {
    var used = 0
    while true {
      switch state {
      case .ended: return .end(used: used)
      case .untilClosed:
        let count = min(most, bytes.count - used)
        return count == 0 ? .needMore(used: used) : .piece(skipping: used, count: count)
      case .length(let left):
        let count = min(left, most, bytes.count - used)
        if count == 0 { return .needMore(used: used) }
        state = left == count ? .ended : .length(left - count)
        return .piece(skipping: used, count: count)
      case .chunk(let left):
        let count = min(left, most, bytes.count - used)
        if count == 0 { return .needMore(used: used) }
        state = left == count ? .chunkEnd : .chunk(left - count)
        return .piece(skipping: used, count: count)
      case .chunkSize:
        guard let (size, next) = try Self.size(bytes, used) else { return .needMore(used: used) }
        state = size == 0 ? .trailers : .chunk(size)
        used = next
      case .chunkEnd:
        guard bytes.count - used >= 2 else {
          if bytes.count > used, bytes[used] != HTTP1Bytes.carriageReturn { throw Self.tooLong }
          return .needMore(used: used)
        }
        guard bytes[used] == HTTP1Bytes.carriageReturn, bytes[used + 1] == HTTP1Bytes.lineFeed else {
          throw Self.tooLong
        }
        state = .chunkSize
        used += 2
      case .trailers:
        let rest = UnsafeMutableRawBufferPointer(rebasing: bytes[used...])
        guard let count = try trailerReader.read(rest, into: trailers) else { return .needMore(used: used) }
        used += count
        state = .ended
      }
    }
  }

  private static let tooLong = HTTPRefusal(400, "a chunk is longer than it says")

  /// Hexadecimal digits, then perhaps extensions, which are passed over. The size and where the next line begins.
  private static func size(_ bytes: UnsafeMutableRawBufferPointer, _ start: Int) throws(HTTPRefusal) -> (Int, Int)? {
    var at = start, size = 0
    while at < bytes.count, let digit = HTTPByte.hexValue(bytes[at]) {
      // Both at each digit, so that the same is refused however the line was cut on its way.
      guard at - start < 16 else { throw HTTPRefusal(400, "a chunk's size has too many digits") }
      guard size < 1 << 56 else { throw HTTPRefusal(413, "a chunk is too large") }
      size = size << 4 | digit
      at += 1
    }
    let digits = at - start
    if at < bytes.count, digits == 0 { throw HTTPRefusal(400, "a chunk's size is not hexadecimal") }
    while at < bytes.count, HTTPByte.isText(bytes[at]) {
      // Only spaces and what follows a semicolon may stand behind the size.
      let isSpace = bytes[at] == HTTP1Bytes.space || bytes[at] == HTTP1Bytes.tab
      if !isSpace, bytes[at] != UInt8(ascii: ";"), !hasSemicolon(bytes, start + digits, at) {
        throw HTTPRefusal(400, "a chunk's size is not hexadecimal")
      }
      at += 1
    }
    guard at - start <= HTTPLimits.chunkLine else { throw HTTPRefusal(400, "a chunk's size line is too long") }
    guard at < bytes.count else { return nil }
    guard bytes[at] == HTTP1Bytes.carriageReturn else {
      throw HTTPRefusal(400, "a chunk's size line does not end in CR LF")
    }
    guard at + 1 < bytes.count else { return nil }
    guard bytes[at + 1] == HTTP1Bytes.lineFeed else {
      throw HTTPRefusal(400, "a chunk's size line does not end in CR LF")
    }
    return (size, at + 2)
  }

  private static func hasSemicolon(_ bytes: UnsafeMutableRawBufferPointer, _ start: Int, _ end: Int) -> Bool {
    for place in start..<end where bytes[place] == UInt8(ascii: ";") { return true }
    return false
  }
}
