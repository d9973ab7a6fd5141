internal import NodeKit

/// An upload by the tus protocol 1.0 (https://tus.io): made by one request, filled by others, gone on with after a lost
/// connection, and after a kill of this node. What it has is on this node alone until it is whole: if another node
/// takes over, it is begun again there.
final class ResumableUpload {
  let name: String
  let size: Int
  let sha256: String?
  let created: Int64
  /// Known as soon as enough has come, and on the disk before anything else is.
  var header: ImageHeader?
  /// What it became.
  var receipt: JSON?
  var intake: Intake?
  /// A request fills it.
  var isBusy = false
  var request: HTTPRequest?
  var touched: Int64

  init(_ name: String, size: Int, sha256: String?, created: Int64, _ now: Int64) {
    (self.name, self.size, self.sha256, self.created, touched) = (name, size, sha256, created, now)
  }

  var json: JSON {
    var object = JSONObject([("size", JSON(size)), ("created_ms", .int(created))])
    object["sha256"] = sha256.map { .string($0) }
    object["receipt"] = receipt
    if let header {
      object["header"] = .array([JSON(header.format.rawValue), JSON(header.width), JSON(header.height)])
    }
    return .object(object)
  }

  convenience init?(_ name: String, _ json: JSON, _ now: Int64) {
    guard let size = json["size"]?.int, let created = json["created_ms"]?.int else { return nil }
    self.init(name, size: Int(size), sha256: json["sha256"]?.string, created: created, now)
    receipt = json["receipt"]
    if let parts = json["header"]?.array?.compactMap({ $0.int }), parts.count == 3,
      let format = ImageFormat(rawValue: UInt8(clamping: parts[0]))
    {
      header = ImageHeader(format: format, width: Int(parts[1]), height: Int(parts[2]))
    }
  }
}

extension ImagesNode {
  /// A piece with a checksum is kept in memory until that was found right.
  static let checkedPieceLimit = 8 << 20
  /// An upload that rests gives its place to others after so long; what it has is on the disk.
  private static let rest: Int64 = 60_000_000_000

  private static let tusVersion: HTTPHeaders = ["tus-resumable": "1.0.0"]

  var tusOptions: HTTPHeaders {
    Self.tusVersion + [
      HTTPHeader("tus-version", "1.0.0"), HTTPHeader("tus-extension", "creation,termination,checksum"),
      HTTPHeader("tus-max-size", "\(settings.imageLimit)"), HTTPHeader("tus-checksum-algorithm", "sha1,sha256"),
    ]
  }

  private func key(_ name: String) -> String { "upload/\(name)" }

  // MARK: From the disk

  /// The last of what is loaded.
  func loadUploads() throws {
    try sweepBeginnings()
    try context.store.scan(prefix: "upload/") { [self] (stored: Stored<JSON>) in
      let name = String(stored.name.dropFirst("upload/".utf8.count))
      uploads[name] = ResumableUpload(name, stored.value, now)
    } then: { [self] _ in
      loaded()
    }
  }

  private func save(_ upload: ResumableUpload, then done: @escaping (Result<Void, RoleError>) -> Void = { _ in }) {
    do {
      try context.store.commit {
        $0.put(key(upload.name), upload.json)
      } then: {
        done($0.map { _ in })
      }
    } catch { done(.failure(RoleError(error))) }
  }

  private func forget(_ upload: ResumableUpload) {
    uploads[upload.name] = nil
    // What is on the disk is found by its name and goes with it.
    if let intake = upload.intake {
      intake.abandon()
    } else if upload.receipt == nil {
      attempt("removing an upload") {
        try context.blobs.upload("tus-\(upload.name)") {
          $0.abandon(); _ = $1
        }
      }
    }
    attempt("removing an upload") {
      try context.store.commit {
        $0.delete(key(upload.name))
      } then: { _ in
      }
    }
  }

  func removeOldUploads() {
    let oldest = now - Int64(settings.uploadSeconds) * 1_000_000_000
    for upload in uploads.values.sorted(by: { $0.name < $1.name }) where !upload.isBusy {
      if upload.touched < oldest {
        forget(upload)
      } else if upload.touched < now - Self.rest {
        upload.intake?.letGo()
        upload.intake = nil
      }
    }
  }

  // MARK: Creation

  func createUpload(_ request: HTTPRequest) throws {
    guard let size = request.header("upload-length").flatMap({ Int($0) }), size >= 0 else {
      return tus(request, IntakeProblem(400, "`Upload-Length` is missing; lengths that come later are not taken"))
    }
    guard size <= settings.imageLimit else {
      return tus(request, IntakeProblem(413, "\(size) bytes; images have up to \(settings.imageLimit)"))
    }
    guard size > 0 else { return tus(request, IntakeProblem(415, "there is nothing in it")) }
    guard uploads.count < settings.maxUploads else {
      return tus(
        request, IntakeProblem(503, "\(uploads.count) uploads are there; end one, or try later", retryAfter: 10))
    }
    let sha256 = try promisedDigest(of: request)
    let name = hexadecimalName()
    let created = Int64(context.timeSince1970 / .milliseconds(1))
    let upload = ResumableUpload(name, size: size, sha256: sha256, created: created, now)
    save(upload) { [self] result in
      guard case .success = result else {
        return tus(request, IntakeProblem(507, "it cannot be written down", retryAfter: 60))
      }
      uploads[name] = upload
      try? request.answer(201, Self.tusVersion + [HTTPHeader("location", "/uploads/\(name)")])
    }
  }

  private func hexadecimalName() -> String {
    let digits = String(context.random.next(), radix: 16) + String(context.random.next(), radix: 16)
    return digits
  }

  /// Of the whole file: `sha256` among the metadata, in base64 as all of them, of its 64 digits.
  private func promisedDigest(of request: HTTPRequest) throws -> String? {
    for pair in (request.header("upload-metadata") ?? "").split(separator: ",") {
      let parts = pair.split(separator: " ", omittingEmptySubsequences: true)
      guard parts.first == "sha256", parts.count == 2 else { continue }
      guard let text = Base64.decode(parts[1]).map({ String(decoding: $0, as: UTF8.self).lowercased() }),
        ImageID(text) != nil
      else { throw RoleError(.invalidArgument, "`sha256` of the metadata is 64 hexadecimal digits, in base64") }
      return text
    }
    return nil
  }

  // MARK: Its state

  private func tus(_ request: HTTPRequest, _ problem: IntakeProblem) {
    if problem.status < 500 { measures?.refused.add() }
    problem.answer(request, Self.tusVersion)
  }

  private func upload(_ request: HTTPRequest) -> ResumableUpload? {
    guard request.header("tus-resumable") == "1.0.0" else {
      problem412(request)
      return nil
    }
    guard let upload = uploads[request["upload"] ?? ""] else {
      tus(request, IntakeProblem(404, "there is no such upload here; begin it again"))
      return nil
    }
    upload.touched = now
    return upload
  }

  private func problem412(_ request: HTTPRequest) {
    try? request.answer(
      412, Self.tusVersion + [HTTPHeader("tus-version", "1.0.0")], json: ["error": "`Tus-Resumable: 1.0.0` is wanted"])
  }

  func tellUpload(_ request: HTTPRequest) throws {
    guard let upload = upload(request) else { return }
    ready(upload) { offset in
      var headers =
        Self.tusVersion + [
          HTTPHeader("upload-offset", "\(offset)"), HTTPHeader("upload-length", "\(upload.size)"),
          HTTPHeader("cache-control", "no-store"),
        ]
      if let receipt = upload.receipt { headers.append(HTTPHeader("image-receipt", receipt.description)) }
      try? request.answer(200, headers)
    }
  }

  func endUpload(_ request: HTTPRequest) throws {
    guard let upload = upload(request) else { return }
    forget(upload)
    try request.answer(204, Self.tusVersion)
  }

  /// With its bytes at hand: how many there are.
  private func ready(_ upload: ResumableUpload, then done: @escaping (Int) -> Void) {
    if upload.receipt != nil { return done(upload.size) }
    if let intake = upload.intake { return done(intake.offset) }
    let intake = intake("tus-\(upload.name)", size: upload.size, sha256: upload.sha256) { [self] in ended(upload, $0) }
    upload.intake = intake
    intake.onHeader = { [self] header in
      upload.header = header
      save(upload)
    }
    guard let header = upload.header else { return done(0) }
    intake.goOn(header, then: done)
  }

  // MARK: Its bytes

  func continueUpload(_ request: HTTPRequest) throws {
    guard let upload = upload(request) else { return }
    guard request.header("content-type") == "application/offset+octet-stream" else {
      return tus(request, IntakeProblem(415, "the type is application/offset+octet-stream"))
    }
    guard let offset = request.header("upload-offset").flatMap({ Int($0) }), offset >= 0 else {
      return tus(request, IntakeProblem(400, "`Upload-Offset` is missing"))
    }
    guard !upload.isBusy else { return tus(request, IntakeProblem(423, "another request fills it", retryAfter: 1)) }
    let checksum = try request.header("upload-checksum").map { try Checksum($0) }
    upload.isBusy = true
    ready(upload) { [self] there in
      guard offset == there, upload.receipt == nil else {
        upload.isBusy = false
        return tus(request, IntakeProblem(409, "\(there) bytes are here, and the piece begins at \(offset)"))
      }
      fill(upload, request, checksum)
    }
  }

  private func fill(_ upload: ResumableUpload, _ request: HTTPRequest, _ checksum: Checksum?) {
    request.whenFailed { _ in
      // What came stays.
      upload.isBusy = false
      upload.request = nil
    }
    upload.request = request
    if let checksum { return fillChecked(upload, request, checksum) }
    upload.intake?.onTaken = { request.wantMore($0) }
    request.wantMore(Intake.window - 64 << 10)
    request.readBody(byCredit: true) {
      upload.intake?.take($0)
    } then: { [self] _ in
      pieceIsWhole(upload, request)
    }
  }

  private func fillChecked(_ upload: ResumableUpload, _ request: HTTPRequest, _ checksum: Checksum) {
    var bytes: [UInt8] = []
    request.readBody { [self] piece in
      guard upload.request === request else { return }
      bytes += piece
      guard bytes.count > Self.checkedPieceLimit else { return }
      (upload.isBusy, upload.request) = (false, nil)
      let words = "a piece with a checksum has up to \(Self.checkedPieceLimit >> 20) MiB"
      tus(request, IntakeProblem(413, words))
    } then: { [self] _ in
      guard upload.request === request else { return }
      guard checksum.isRight(for: bytes) else {
        (upload.isBusy, upload.request) = (false, nil)
        return tus(request, IntakeProblem(460, "the checksum is another; nothing of the piece was kept"))
      }
      upload.intake?.take(bytes)
      pieceIsWhole(upload, request)
    }
  }

  private func pieceIsWhole(_ upload: ResumableUpload, _ request: HTTPRequest) {
    upload.touched = now
    guard upload.request === request, let intake = upload.intake else { return }
    if intake.offset == upload.size { return intake.finish() }
    (upload.isBusy, upload.request) = (false, nil)
    try? request.answer(204, Self.tusVersion + [HTTPHeader("upload-offset", "\(intake.offset)")])
  }

  /// All bytes are here, or it was found to be no image.
  private func ended(_ upload: ResumableUpload, _ result: Result<Intake.Whole, IntakeProblem>) {
    upload.intake = nil
    switch result {
    case .failure(let problem): concluded(upload, .failure(problem))
    case .success(let whole): keep(whole) { [self] in concluded(upload, $0) }
    }
  }

  private func concluded(_ upload: ResumableUpload, _ outcome: Outcome) {
    let request = upload.request
    (upload.isBusy, upload.request) = (false, nil)
    switch outcome {
    case .failure(let problem):
      // Its bytes are gone, so it begins again, or never.
      if problem.status >= 500 { upload.header = nil } else { forget(upload) }
      if let request { tus(request, problem) }
    case .success(let receipt):
      upload.receipt = receipt.json
      save(upload)
      try? request?.answer(
        204,
        Self.tusVersion + [
          HTTPHeader("upload-offset", "\(upload.size)"), HTTPHeader("image-receipt", receipt.json.description),
          HTTPHeader("content-location", "/images/\(receipt.entry.id)"),
        ])
    }
  }
}

/// `sha1 BASE64` or `sha256 BASE64`.
struct Checksum {
  private let isSHA1: Bool
  private let digest: [UInt8]

  init(_ text: String) throws {
    let parts = text.split(separator: " ")
    guard parts.count == 2, parts[0] == "sha1" || parts[0] == "sha256", let digest = Base64.decode(parts[1]) else {
      throw RoleError(.invalidArgument, "`Upload-Checksum` is `sha1 BASE64` or `sha256 BASE64`")
    }
    (isSHA1, self.digest) = (parts[0] == "sha1", digest)
  }

  func isRight(for bytes: [UInt8]) -> Bool {
    (isSHA1 ? ImageCodec.sha1(bytes) : ImageCodec.sha256(bytes)) == digest
  }
}
