internal import NodeKit

/// What clients ask for by HTTP.
extension ImagesNode {
  func addRoutes() throws {
    try route("PUT", "/images") { [self] in try upload($0) }
    try route("POST", "/images") { [self] request in
      if request.header("tus-resumable") != nil { try createUpload(request) } else { try upload(request) }
    }
    try route("GET", "/images") { [self] in try list($0) }
    try route("GET", "/images/{id}") { [self] in try give($0) }
    try route("HEAD", "/images/{id}") { [self] in try give($0) }
    try route("DELETE", "/images/{id}") { [self] in try remove($0) }
    try route("POST", "/uploads") { [self] in try createUpload($0) }
    try route("PATCH", "/uploads/{upload}") { [self] in try continueUpload($0) }
    try route("HEAD", "/uploads/{upload}") { [self] in try tellUpload($0) }
    try route("DELETE", "/uploads/{upload}") { [self] in try endUpload($0) }
    // Any node answers this, so that clients find the leader without sending it anything.
    try context.http.route("GET", "/leader") { [self] in try $0.answer(json: leader) }
    for pattern in ["/images", "/uploads", "/uploads/{upload}"] {
      try context.http.route("OPTIONS", pattern) { [self] in try $0.answer(204, tusOptions) }
    }
  }

  /// Only the leader answers; the others say who that is.
  private func route(_ method: String, _ pattern: String, _ body: @escaping (HTTPRequest) throws -> Void) throws {
    try context.http.route(method, pattern) { [self] request in
      #if BROKEN_ANYBODY_READS
        if method == "GET", isLoaded { return try body(request) }
      #endif
      if isSure { try body(request) } else { try refer(request) }
    }
  }

  private var leader: JSON {
    let address = leaderURL.map { url in
      String(url[(url.firstIndex(of: "/").map { url.index($0, offsetBy: 2) } ?? url.startIndex)...])
    }
    return [
      "leader": leadership.leader.map { JSON($0) } ?? .null, "address": address.map { .string($0) } ?? .null,
      "term": JSON(max(leadership.term, fence)), "node": JSON(context.nodeID), "self": .bool(isSure),
    ]
  }

  func refer(_ request: HTTPRequest) throws {
    guard let leader = leadership.leader, leader != context.nodeID else {
      return try unavailable(
        request,
        leadership.leads
          ? "this node has begun to lead, and still asks the others what they have" : "at present no node leads")
    }
    guard let address = url(of: leader) else {
      return try unavailable(request, "node \(leader) leads, and has not said yet where clients reach it")
    }
    let query = request.query.isEmpty ? "" : "?\(request.query)"
    try request.answer(
      307, ["location": "\(address)\(request.path)\(query)"],
      json: ["leader": JSON(leader), "address": .string(address)])
  }

  private func unavailable(_ request: HTTPRequest, _ words: String) throws {
    try request.answer(503, ["retry-after": "1"], json: ["error": .string(words)])
  }

  func url(of node: Int) -> String? {
    guard let said = addresses[node], let address = PublicAddress(said), let seen = nodes[node]?.address else {
      return nil
    }
    return address.url(seenAt: seen)
  }

  // MARK: Taking

  func upload(_ request: HTTPRequest) throws {
    let length = request.header("content-length").flatMap { Int($0) }
    if let length, length > settings.imageLimit {
      return refuse(request, IntakeProblem(413, "\(length) bytes; images have up to \(settings.imageLimit)"))
    }
    if length == 0 { return refuse(request, IntakeProblem(415, "there is nothing in it")) }
    guard intakes < settings.maxUploads else {
      return refuse(request, IntakeProblem(503, "\(intakes) uploads are open; try again", retryAfter: 2))
    }
    let digest = try promisedDigest(request)
    let number = number()
    let over = { [self] in
      intakes -= 1
      pacer.end(number)
    }
    intakes += 1
    let intake = intake("put-\(fence)-\(now)-\(number)", size: length, sha256: digest) { [self] result in
      over()
      switch result {
      case .failure(let problem): refuse(request, problem)
      case .success(let whole): keep(whole) { [self] outcome in answer(request, outcome) }
      }
    }
    intake.onHeader = { [self, unowned intake] in intake.copying = copying(intake.atHand, $0, digest) }
    intake.onTaken = { [self] in pacer.want(number, $0) { request.wantMore($0) } }
    request.whenFailed { _ in
      guard !intake.hasEnded else { return }
      intake.abandon()
      over()
    }
    request.wantMore(Intake.window - 64 << 10)
    request.readBody(byCredit: true) {
      intake.take($0)
    } then: { _ in
      intake.finish()
    }
  }

  private func refuse(_ request: HTTPRequest, _ problem: IntakeProblem) {
    if problem.status < 500 { measures?.refused.add() }
    problem.answer(request)
  }

  private func answer(_ request: HTTPRequest, _ outcome: Outcome) {
    switch outcome {
    case .failure(let problem): refuse(request, problem)
    case .success(let receipt):
      try? request.answer(
        receipt.isDuplicate ? 200 : 201, ["location": "/images/\(receipt.entry.id)"], json: receipt.json)
    }
  }

  /// `Repr-Digest: sha-256=:…:` (RFC 9530), or `Content-Digest`.
  private func promisedDigest(_ request: HTTPRequest) throws -> String? {
    guard let written = request.header("repr-digest") ?? request.header("content-digest") else { return nil }
    for part in written.split(separator: ",") {
      let part = part.drop { $0 == " " }
      guard part.lowercased().hasPrefix("sha-256=:"), part.hasSuffix(":") else { continue }
      let text = part.dropFirst("sha-256=:".count).dropLast()
      guard let bytes = Base64.decode(text), bytes.count == ImageID.size else { break }
      return Self.hexadecimal(bytes)
    }
    throw RoleError(.invalidArgument, "the digest is not understood; write `sha-256=:BASE64:`")
  }

  static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined()
  }

  // MARK: Giving

  private func id(_ request: HTTPRequest) -> ImageID? { ImageID(request["id"] ?? "") }

  private func give(_ request: HTTPRequest) throws {
    guard let id = id(request) else { return try request.answer(404, json: ["error": "that is no image's id"]) }
    let width = request.queryValue("width")
    // Another node may have to send it first, which takes a turn of its own.
    guard catalogue.live(id) != nil, !catalogue.holds(id) else { return giveWhatIsHere(id, request, width) }
    fetch(id) { [self] _ in giveWhatIsHere(id, request, width) }
  }

  private func giveWhatIsHere(_ id: ImageID, _ request: HTTPRequest, _ width: String?) {
    alone(with: id) { [self] turn in
      settle(id) { [self] isSettled in
        defer { turn.over() }
        guard isSettled else { return Self.notLeading.answer(request) }
        guard let entry = live(id, request) else { return }
        guard catalogue.holds(id) else {
          let words = "no node that is linked has the image's bytes at present"
          return IntakeProblem(503, words, retryAfter: 2).answer(request)
        }
        attempt("giving \(id.short)") { try give(entry, request, width) }
      }
    }
  }

  /// Nil if it was answered that there is none, or that another is to be asked.
  private func live(_ id: ImageID, _ request: HTTPRequest) -> ImageEntry? {
    #if !BROKEN_ANYBODY_READS
      guard isSure else {
        Self.notLeading.answer(request)
        return nil
      }
    #endif
    guard let entry = catalogue.live(id) else {
      IntakeProblem(404, "there is no image \(id)").answer(request)
      return nil
    }
    return entry
  }

  private func give(_ entry: ImageEntry, _ request: HTTPRequest, _ width: String?) throws {
    guard let width else { return try request.answer(blob: entry.id.description, from: context.blobs) }
    guard let pixels = Int(width), ThumbnailCache.widths.contains(pixels) else {
      let range = ThumbnailCache.widths
      return IntakeProblem(400, "a width is from \(range.lowerBound) to \(range.upperBound)").answer(request)
    }
    thumbnail(of: entry, width: pixels) { [self] result in
      switch result {
      case .success(let object): attempt("a thumbnail") { try request.answer(blob: object, from: context.blobs) }
      case .failure(let problem): problem.answer(request)
      }
    }
  }

  static let pageLimit = 1000

  private func list(_ request: HTTPRequest) throws {
    let after = request.queryValue("after").map { ImageID($0) }
    if case .some(.none) = after { throw RoleError(.invalidArgument, "`after` is an image's id") }
    let limit = request.queryValue("limit").map { Int($0) ?? 0 } ?? 100
    guard (1...Self.pageLimit).contains(limit) else {
      throw RoleError(.invalidArgument, "`limit` is from 1 to \(Self.pageLimit)")
    }
    try request.answer(json: page(after: after ?? nil, limit))
  }

  func page(after: ImageID?, _ limit: Int) -> JSON {
    var found = catalogue.images(after: after, limit: limit + 1) { !unsettled.contains($0.id) }
    let hasMore = found.count > limit
    if hasMore { found.removeLast() }
    return [
      "images": .array(found.map(\.json)), "more": .bool(hasMore),
      "next": hasMore ? .string(found.last!.id.description) : .null,
    ]
  }

  private func remove(_ request: HTTPRequest) throws {
    guard let id = id(request) else { return try request.answer(404, json: ["error": "that is no image's id"]) }
    remove(id) { result in
      switch result {
      case .success: try? request.answer(204)
      case .failure(let problem): problem.answer(request)
      }
    }
  }
}

extension ImageEntry {
  /// As lists show it.
  var json: JSON {
    [
      "id": .string(id.description), "bytes": JSON(bytes), "type": .string(format.mediaType), "width": JSON(width),
      "height": JSON(height), "term": JSON(version.term), "stored_ms": .int(stored),
    ]
  }
}
