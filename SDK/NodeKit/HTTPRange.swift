/// What of a body a client asks for (RFC 9110, 14): to go on with a download, or for the middle of a film.
public enum HTTPRange: Sendable, Equatable {
  case whole
  case part(Range<Int>)
  /// It begins behind the end.
  case unsatisfiable

  /// - Parameters:
  ///   - header: "bytes=0-99", "bytes=100-", "bytes=-50". Several parts at once, or what is not understood, are
  ///     answered with the whole, as the protocol allows.
  ///   - size: of the whole.
  public init(_ header: String?, size: Int) {
    self = .whole
    guard let header, header.lowercased().hasPrefix("bytes=") else { return }
    let ends = header.dropFirst("bytes=".count).split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    guard ends.count == 2 else { return }
    let first = Self.trimmed(ends[0]), last = Self.trimmed(ends[1])
    if first.isEmpty {
      guard let count = Self.number(last) else { return }
      self = count == 0 || size == 0 ? .unsatisfiable : .part(max(0, size - count)..<size)
    } else if let start = Self.number(first) {
      guard let end = last.isEmpty ? Int.max - 1 : Self.number(last), end >= start else { return }
      self = start >= size ? .unsatisfiable : .part(start..<min(size, end + 1))
    }
  }

  private static func trimmed(_ text: Substring) -> Substring {
    var text = text
    while text.first == " " || text.first == "\t" { text.removeFirst() }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    return text
  }

  /// Digits only, where `Int` would take a sign.
  private static func number(_ text: Substring) -> Int? {
    guard !text.isEmpty, text.utf8.count <= 18, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int(text)
  }
}

extension HTTPRequest {
  /// Answers with the object, or the part of it that the client asks for: 200, 206, 304 or 416. Its name is its bytes'
  /// SHA-256, so it is its own entity tag, and caches may keep it for ever.
  ///
  /// It goes on by itself while the client reads; an object that turns out to be damaged breaks the answer off.
  public func answer(blob sha256: String, from blobs: Blobs, _ headers: HTTPHeaders = []) throws {
    keep()
    try blobs.stat(sha256) { result in
      switch result {
      case .success(let info): try self.answer(info, from: blobs, headers)
      case .failure(let error): try self.answer(error.httpStatus, text: "\(error.description)\n")
      }
    }
  }

  /// Answers with bytes that are in memory, or the part of them that the client asks for. `tag` names this version of
  /// them; it changes when they do.
  public func answer(rangeOf bytes: [UInt8], type: String, tag: String, _ headers: HTTPHeaders = []) throws {
    guard let part = try answerHead(size: bytes.count, type: type, tag: tag, headers) else { return }
    try finish(Array(bytes[part.range]), part)
  }

  private func answer(_ info: BlobInfo, from blobs: Blobs, _ headers: HTTPHeaders) throws {
    let type = info.mediaType.isEmpty ? "application/octet-stream" : info.mediaType
    let kept = headers + [HTTPHeader("cache-control", "public, max-age=31536000, immutable")]
    guard let part = try answerHead(size: info.size, type: type, tag: info.sha256, kept) else { return }
    guard method != "HEAD", !part.range.isEmpty else { return try finish([], part) }
    try begin(part.status, part.headers, type: part.type)
    try BlobSender(self, part.range).start(info, blobs)
  }

  struct Part {
    var status: Int
    var range: Range<Int>
    var type: String
    var headers: HTTPHeaders
  }

  private func finish(_ bytes: [UInt8], _ part: Part) throws {
    try answer(part.status, part.headers, type: part.type, method == "HEAD" ? [] : bytes)
  }

  /// What is to be sent; nil if that was nothing but a head.
  private func answerHead(size: Int, type: String, tag: String, _ headers: HTTPHeaders) throws -> Part? {
    let quoted = "\"\(tag)\""
    var own: HTTPHeaders = ["etag": quoted, "accept-ranges": "bytes"]
    own += headers
    if let known = header("if-none-match"), Self.names(known, quoted) {
      try answer(304, own)
      return nil
    }
    // Who has a part of another version needs all of this one.
    let mayBePart = method == "GET" && (header("if-range").map { $0 == quoted } ?? true)
    switch mayBePart ? HTTPRange(header("range"), size: size) : .whole {
    case .unsatisfiable:
      try answer(416, own + [HTTPHeader("content-range", "bytes */\(size)")])
      return nil
    case .whole:
      return Part(status: 200, range: 0..<size, type: type, headers: own + [HTTPHeader("content-length", "\(size)")])
    case .part(let range):
      own.append(HTTPHeader("content-range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)"))
      return Part(
        status: 206, range: range, type: type, headers: own + [HTTPHeader("content-length", "\(range.count)")])
    }
  }

  /// Weakly: "W/" in front makes no difference here.
  private static func names(_ list: String, _ tag: String) -> Bool {
    list.split(separator: ",").contains { member in
      let member = String(member.drop { $0 == " " })
      return member == "*" || member == tag || member == "W/" + tag
    }
  }
}

/// An object on its way to a client, as fast as that reads.
private final class BlobSender {
  private let request: HTTPRequest
  private let range: Range<Int>
  private var read: BlobRead?
  /// What was read and could not be written yet; never more than the read asks for ahead.
  private var waiting: [[UInt8]] = []
  private var hasEnded = false

  init(_ request: HTTPRequest, _ range: Range<Int>) {
    self.request = request
    self.range = range
  }

  func start(_ info: BlobInfo, _ blobs: Blobs) throws {
    request.whenWritable { try self.flush() }
    request.whenFailed { _ in self.stop() }
    read = try blobs.read(
      info.sha256, from: range.lowerBound, length: range.count, asksItself: false
    ) { piece in
      self.waiting.append(piece.bytes)
      try self.flush()
    } then: { result in
      self.read = nil
      guard case .success = result else { return self.request.abort() }
      self.hasEnded = true
      try self.flush()
    }
  }

  private func flush() throws {
    while let piece = waiting.first {
      guard try request.write(piece) else { return }
      waiting.removeFirst()
      read?.ask(for: piece.count)
    }
    if hasEnded { request.end() }
  }

  private func stop() {
    read?.end()
    read = nil
    waiting = []
  }
}
