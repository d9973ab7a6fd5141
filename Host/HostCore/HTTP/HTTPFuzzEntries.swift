// The readers of HTTP/1.1, for the fuzzer: however a message is cut into pieces on its way, the same must be read,
// and no input may make a reader go beyond what it was given.

/// What a server reads.
package func fuzzHTTPServer(_ bytes: [UInt8]) { checkReading(bytes, .request) }

/// What a client reads.
package func fuzzHTTPClient(_ bytes: [UInt8]) { checkReading(bytes, .response) }

private func checkReading(_ bytes: [UInt8], _ kind: HTTP1HeadReader.Kind) {
  let whole = MessageLog(bytes, kind, pieces: bytes.count)
  for size in [1, 7, 64] {
    let cut = MessageLog(bytes, kind, pieces: size)
    precondition(cut.events == whole.events, "in pieces of \(size): \(cut.events), at once: \(whole.events)")
  }
}

/// All messages in some bytes, read as a connection reads them.
private struct MessageLog {
  enum Event: Equatable {
    case head([String])
    case body([UInt8])
    case trailers([String])
    case refused(Int)
  }

  private(set) var events: [Event] = []
  private var reader: HTTP1HeadReader
  private var body: BodyReader?
  private let head = MessageHead()
  private let trailers = MessageHead(capacity: 0)
  private var piece: [UInt8] = []

  init(_ bytes: [UInt8], _ kind: HTTP1HeadReader.Kind, pieces size: Int) {
    reader = HTTP1HeadReader(kind)
    var unused: [UInt8] = []
    var start = 0
    do throws(HTTPRefusal) {
      while start < bytes.count {
        unused += bytes[start..<min(bytes.count, start + max(1, size))]
        start += max(1, size)
        while !unused.isEmpty {
          let used = try read(&unused)
          guard let used else { break }
          precondition(used <= unused.count, "used \(used) of \(unused.count)")
          unused.removeFirst(used)
        }
      }
    } catch {
      flushBody()
      events.append(.refused(error.status))
    }
    flushBody()
  }

  /// How many bytes were used; nil if more are needed.
  private mutating func read(_ unused: inout [UInt8]) throws(HTTPRefusal) -> Int? {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: unused.count, alignment: 1)
    defer { room.deallocate() }
    room.copyBytes(from: unused)
    // Names are put into lower case where they lie, and offered so again.
    defer { unused = Array(room) }
    return body == nil ? try readHead(room) : try readBody(room)
  }

  private mutating func readHead(_ room: UnsafeMutableRawBufferPointer) throws(HTTPRefusal) -> Int? {
    guard let count = try reader.read(room, into: head) else { return nil }
    var words = [head.method, head.target, head.path, head.query, head.authority].map(head.string)
    words += Self.words(head) + ["\(head.status) \(head.framing) \(head.keepsAlive) \(head.expectsContinue)"]
    events.append(.head(words))
    body = head.framing == .none ? nil : BodyReader(head.framing)
    head.reset()
    return count
  }

  private mutating func readBody(_ room: UnsafeMutableRawBufferPointer) throws(HTTPRefusal) -> Int? {
    // Copied out, as the reader changes while it is asked.
    var reader = body!
    let step = try reader.next(room, trailers: trailers)
    body = reader.hasEnded ? nil : reader
    switch step {
    case .needMore(let used): return used == 0 ? nil : used
    case .piece(let skipped, let count):
      precondition(skipped + count <= room.count && count > 0, "a piece beyond the bytes")
      piece += room[skipped..<(skipped + count)]
      if body == nil { flushBody() }
      return skipped + count
    case .end(let used):
      flushBody()
      events.append(.trailers(Self.words(trailers)))
      trailers.reset()
      return used
    }
  }

  private mutating func flushBody() {
    if !piece.isEmpty { events.append(.body(piece)) }
    piece = []
  }

  private static func words(_ head: MessageHead) -> [String] {
    head.fields.map { "\(head.string($0.name)): \(head.string($0.value))" }
  }
}
