internal import NodeKit

/// The bytes of an image on their way into an object: looked at as they come, and written no faster than the disk
/// takes them.
final class Intake {
  /// Of what has come, so much may wait for the disk.
  static let window = 128 << 10

  struct Whole {
    var stored: StoredBlob
    var header: ImageHeader
    /// If there was room for them.
    var bytes: BytesAtHand?
    /// The decoding that has begun when all had come.
    var checking: Checking?
    /// The others that have got it as well.
    var copying: Copying?
  }

  private let blobs: Blobs
  private let name: String
  private let size: Int?
  private let sha256: String?
  private let limits: ImageHeader.Limits
  private let limit: Int
  private let done: (Result<Whole, IntakeProblem>) -> Void
  /// So much more may come.
  var onTaken: (Int) -> Void = { _ in }
  /// The header is known, and the object begins.
  var onHeader: (ImageHeader) -> Void = { _ in }
  /// All has come and is at hand: it may be decoded while the disk still works.
  var onWhole: (BytesAtHand, ImageHeader) -> Checking? = { _, _ in nil }

  private(set) var header: ImageHeader?
  private(set) var atHand: BytesAtHand?
  /// The others that get it as well, as long as its bytes are at hand.
  var copying: Copying?
  private let atHandLimit: Int
  private var checking: Checking?
  private var prefix: [UInt8] = []
  private var pieces: [[UInt8]] = []
  private var upload: BlobUpload?
  private var isReady = false
  private var isWhole = false
  private var isOver = false
  /// All that has come.
  private(set) var offset = 0
  var hasEnded: Bool { isOver }

  init(
    _ blobs: Blobs, _ name: String, size: Int?, sha256: String?, _ limits: ImageHeader.Limits, limit: Int,
    _ room: MemoryRoom, atHandLimit: Int, done: @escaping (Result<Whole, IntakeProblem>) -> Void
  ) {
    (self.blobs, self.name, self.size, self.sha256) = (blobs, name, size, sha256)
    (self.limits, self.limit, self.atHandLimit, self.done) = (limits, limit, atHandLimit, done)
    if size ?? 0 <= atHandLimit { atHand = BytesAtHand(room) }
  }

  /// Goes on with what lies on the disk of an image whose header is known; `then` gets how much that is.
  func goOn(_ header: ImageHeader, then: @escaping (Int) -> Void) {
    atHand = nil
    self.header = header
    begin { [self] in
      offset = upload?.offset ?? 0
      then(offset)
    }
  }

  func take(_ piece: [UInt8]) {
    guard !isOver, !piece.isEmpty else { return }
    offset += piece.count
    guard offset <= size ?? limit else {
      return end(.failure(IntakeProblem(413, "the image is larger than \(size ?? limit) bytes")))
    }
    if let there = atHand, offset > atHandLimit || !there.add(piece) { forgetBytes() }
    copying?.goOn()
    guard header == nil else {
      pieces.append(piece)
      return pump()
    }
    prefix += piece
    onTaken(piece.count)
    look()
  }

  private func forgetBytes() {
    atHand = nil
    copying?.end()
    copying = nil
  }

  /// All has come.
  func finish() {
    guard !isOver else { return }
    isWhole = true
    if header == nil { look() } else { pump() }
    if !isOver { copying?.allHasCome() }
    if !isOver, let header, let atHand { checking = onWhole(atHand, header) }
  }

  private func look() {
    switch ImageHeader.find(in: prefix, isWhole: isWhole, limits) {
    case .needsMore: return
    case .refused(let why): end(.failure(IntakeProblem(415, why)))
    case .image(let header):
      self.header = header
      onHeader(header)
      var rest = prefix[...]
      while !rest.isEmpty {
        pieces.append(Array(rest.prefix(64 << 10)))
        rest = rest.dropFirst(64 << 10)
      }
      prefix = []
      begin {}
    }
  }

  private func begin(_ whenReady: @escaping () -> Void) {
    do {
      upload = try blobs.upload(name, size: size, sha256: sha256, mediaType: header?.format.mediaType) {
        [self] upload, event in
        guard !isOver else { return }
        switch event {
        case .ready:
          if !isReady {
            isReady = true
            whenReady()
          }
          pump()
        case .finished(let stored):
          self.upload = nil
          end(.success(Whole(stored: stored, header: header!, bytes: atHand, checking: checking, copying: copying)))
        case .failed(let error):
          self.upload = nil
          end(.failure(IntakeProblem(error)))
        }
      }
    } catch { end(.failure(IntakeProblem(RoleError(error)))) }
  }

  private func pump() {
    guard isReady, !isOver, let upload else { return }
    do {
      while let piece = pieces.first, try upload.write(piece) {
        pieces.removeFirst()
        onTaken(piece.count)
      }
      if isWhole, pieces.isEmpty { try upload.finish() }
    } catch { end(.failure(IntakeProblem(RoleError(error)))) }
  }

  /// What lies on the disk stays for whoever goes on with it.
  func letGo() {
    guard !isOver else { return }
    isOver = true
    upload?.cancel()
    upload = nil
    copying?.end()
    clear()
  }

  private func clear() { (pieces, prefix, atHand, checking, copying) = ([], [], nil, nil, nil) }

  /// Nothing stays.
  func abandon() {
    guard !isOver else { return }
    isOver = true
    upload?.abandon()
    upload = nil
    copying?.end()
    clear()
  }

  private func end(_ result: Result<Whole, IntakeProblem>) {
    guard !isOver else { return }
    isOver = true
    upload?.abandon()
    upload = nil
    if case .failure = result { copying?.end() }
    clear()
    done(result)
  }
}

/// Why an image is not taken, with the status of HTTP that says so.
struct IntakeProblem: Error {
  var status: Int
  var message: String
  var retryAfter: Int?

  init(_ status: Int, _ message: String, retryAfter: Int? = nil) {
    (self.status, self.message, self.retryAfter) = (status, message, retryAfter)
  }

  init(_ error: RoleError) {
    message = error.message
    switch error.status {
    case .resourceExhausted: (status, retryAfter) = (507, 60)
    case .invalidArgument: (status, retryAfter) = (422, nil)
    case .outOfRange: (status, retryAfter) = (413, nil)
    default: (status, retryAfter) = (503, 1)
    }
  }

  func answer(_ request: HTTPRequest, _ headers: HTTPHeaders = []) {
    var headers = headers
    if let retryAfter { headers.append(HTTPHeader("retry-after", "\(retryAfter)")) }
    try? request.answer(status, headers, json: ["error": .string(message)])
  }
}
