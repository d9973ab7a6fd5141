/// The bytes that came and are not yet used, taken line by line or in pieces.
struct HTTPInput: Sendable {
  /// Used bytes are thrown away only when there are this many, so that small steps do not move the rest.
  private static let compactAt = 64 * 1024

  private var bytes: [UInt8] = []
  private var start = 0
  /// Up to here no line end was found.
  private var searched = 0

  enum Line {
    case needMore
    case line(ArraySlice<UInt8>)
    case tooLong
    case bareLineFeed
  }

  var count: Int { bytes.count - start }

  mutating func feed(_ more: some Collection<UInt8>) {
    if start == bytes.count {
      bytes.removeAll(keepingCapacity: true)
      (start, searched) = (0, 0)
    } else if start >= Self.compactAt {
      bytes.removeFirst(start)
      searched -= start
      start = 0
    }
    bytes.append(contentsOf: more)
  }

  /// The next line without its CR LF. A limit counts those bytes that the line would have without them.
  mutating func takeLine(limit: Int) -> Line {
    searched = max(searched, start)
    let end = bytes[searched...].firstIndex(of: 0x0A)
    searched = end ?? bytes.count
    if searched - start > limit + 1 { return .tooLong }
    guard let end else { return .needMore }
    guard end > start, bytes[end - 1] == 0x0D else { return .bareLineFeed }
    let line = bytes[start..<(end - 1)]
    start = end + 1
    return .line(line)
  }

  /// Up to `most` bytes, as many as there are.
  mutating func take(upTo most: Int) -> ArraySlice<UInt8> {
    let piece = bytes[start..<(start + min(most, count))]
    start += piece.count
    return piece
  }
}

/// A chunked body (RFC 9112, 7.1) as it comes in.
struct HTTPChunkedBody: Sendable {
  private enum State { case size, data(Int), dataEnd, trailers, ended }
  private var state = State.size
  private var trailers = HTTPHeaders()
  private var headerBudget: Int

  init(headerBudget: Int) { self.headerBudget = headerBudget }

  enum Step {
    case needMore
    case data(ArraySlice<UInt8>)
    case end
  }

  mutating func next(_ input: inout HTTPInput) throws(HTTPRefusal) -> Step {
    while true {
      switch state {
      case .size:
        guard let line = try input.line(limit: HTTPLimits.chunkLine, tooLong: 400, "a chunk's size line is too long")
        else { return .needMore }
        let size = try Self.size(line)
        state = size == 0 ? .trailers : .data(size)
      case .data(let left):
        let piece = input.take(upTo: left)
        if piece.isEmpty { return .needMore }
        state = piece.count == left ? .dataEnd : .data(left - piece.count)
        return .data(piece)
      case .dataEnd:
        guard let line = try input.line(limit: 0, tooLong: 400, "a chunk is longer than it says") else {
          return .needMore
        }
        guard line.isEmpty else { throw HTTPRefusal(400, "a chunk is longer than it says") }
        state = .size
      case .trailers:
        guard let line = try input.headerLine(budget: &headerBudget) else { return .needMore }
        if line.isEmpty { state = .ended } else { try trailers.add(line: line) }
      case .ended:
        return .end
      }
    }
  }

  /// Hexadecimal digits, then perhaps extensions, which are passed over.
  private static func size(_ line: ArraySlice<UInt8>) throws(HTTPRefusal) -> Int {
    var size = 0, digits = 0
    var rest = line
    while let byte = rest.first, let digit = HTTPByte.hexValue(byte) {
      guard size < 1 << 56 else { throw HTTPRefusal(413, "a chunk is too large") }
      size = size << 4 | digit
      digits += 1
      rest.removeFirst()
    }
    while rest.first == 0x20 || rest.first == 0x09 { rest.removeFirst() }
    let extensionsFollow = rest.isEmpty || rest.first == UInt8(ascii: ";")
    guard digits > 0, extensionsFollow, rest.allSatisfy({ HTTPByte.isText($0) }) else {
      throw HTTPRefusal(400, "a chunk's size is not hexadecimal")
    }
    return size
  }
}

extension HTTPInput {
  /// A line, or nil for more bytes.
  mutating func line(limit: Int, tooLong: Int, _ reason: String) throws(HTTPRefusal) -> ArraySlice<UInt8>? {
    switch takeLine(limit: limit) {
    case .needMore: return nil
    case .line(let line): return line
    case .tooLong: throw HTTPRefusal(tooLong, reason)
    case .bareLineFeed: throw HTTPRefusal(400, "a line ends in LF alone; lines end in CR LF")
    }
  }

  /// A header line out of what is left of the header's bytes.
  mutating func headerLine(budget: inout Int) throws(HTTPRefusal) -> ArraySlice<UInt8>? {
    let found = try line(
      limit: max(0, budget), tooLong: 431, "the headers are larger than \(HTTPLimits.headerBytes) bytes")
    budget -= (found?.count ?? -2) + 2
    return found
  }
}
