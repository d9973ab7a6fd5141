internal import CNodeABI

/// A request, and the way to answer it. Answer it in the route's closure, or keep it and answer it later.
public final class HTTPRequest {
  private let link: HostLink
  private let service: UnsafePointer<nh_http_service>
  private let exchange: nh_handle
  /// The host's, while the route's closure runs; a copy afterwards.
  private var head: HTTPHeadText
  private var state = State.open
  private var isKept = false
  private var bodyHasEnded: Bool
  /// What waits for events; most requests are answered without any.
  private var waiting: Waiting?

  private enum State { case open, answering, ended }

  private struct Waiting {
    var body: (([UInt8]) throws -> Void)?
    var end: ((HTTPHeaders) throws -> Void)?
    var writable: (() throws -> Void)?
    var failure: ((RoleError) -> Void)?
  }

  /// A body that is wanted whole.
  private struct Collection {
    var limit: Int
    var bytes: [UInt8] = []
    /// Of what came, what was not asked for again.
    var owed = 0
    var done: ([UInt8]) throws -> Void
  }
  private var collection: Collection?
  private var needsHead = true

  private func wait(_ change: (inout Waiting) -> Void) {
    var all = waiting ?? Waiting()
    change(&all)
    waiting = all
  }

  init(
    _ link: HostLink, _ service: UnsafePointer<nh_http_service>, _ exchange: nh_handle,
    _ head: UnsafePointer<nh_http_head>
  ) {
    self.link = link
    self.service = service
    self.exchange = exchange
    self.head = .borrowed(head)
    bodyHasEnded = head.pointee.ends != 0
  }

  // MARK: What was asked

  public var method: String { head.text(\.method, \.method) }
  /// Decoded, without the query.
  public var path: String { head.text(\.path, \.path) }
  /// Behind the question mark, as it was sent.
  public var query: String { head.text(\.query, \.query) }
  /// "http" or "https".
  public var scheme: String { head.text(\.scheme, \.scheme) }
  /// The host that was asked for, perhaps with a port.
  public var authority: String { head.text(\.authority, \.authority) }
  /// Who asks: "10.0.0.7:51234".
  public var remote: String { head.text(\.remote, \.remote) }
  public var headers: HTTPHeaders { head.pairs(\.headers, \.headers) }
  /// What the route's pattern caught.
  public subscript(name: String) -> String? { head.value(name, \.captures, \.captures) }
  /// The first header of that name, given in lower case.
  public func header(_ name: String) -> String? { head.value(name, \.headers, \.headers) }

  /// The first value of that name in the query, decoded.
  public func queryValue(_ name: String) -> String? {
    for item in query.split(separator: "&") {
      let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      if Self.decoded(parts[0]) == name { return parts.count == 2 ? Self.decoded(parts[1]) : "" }
    }
    return nil
  }

  package static func decoded(_ text: Substring, plusIsSpace: Bool = true) -> String {
    guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || $0 == UInt8(ascii: "+") }) else { return String(text) }
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte == UInt8(ascii: "+") && plusIsSpace ? 0x20 : byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  // MARK: The body

  /// Hands on the request's body piece by piece. 64 KiB come without being asked for, and each piece asks for as much
  /// again, unless `byCredit`: then `wantMore` does. `then` comes when the body is whole.
  public func readBody(
    byCredit: Bool = false, _ piece: @escaping ([UInt8]) throws -> Void,
    then done: @escaping (HTTPHeaders) throws -> Void
  ) {
    if bodyHasEnded { return attempt { try done([]) } }
    keep()
    wait {
      $0.body = { [unowned self] bytes in
        try piece(bytes)
        if !byCredit { wantMore(bytes.count) }
      }
      $0.end = done
    }
  }

  /// The whole body. One that is larger than `limit` is answered with 413.
  /// - Parameter keepingHead: whether `done` looks at the path or the headers; a copy of them costs more than all else
  ///   about a small request.
  public func collectBody(
    limit: Int = 1 << 20, keepingHead: Bool = true, _ done: @escaping ([UInt8]) throws -> Void
  ) {
    if bodyHasEnded { return attempt { try done([]) } }
    keep()
    needsHead = keepingHead
    collection = Collection(limit: limit, done: done)
  }

  private func collect(_ piece: nh_bytes) throws {
    guard collection!.bytes.count + Int(piece.len) <= collection!.limit else {
      let limit = collection!.limit
      collection = nil
      return try answer(413, text: "the body is larger than \(limit) bytes\n")
    }
    if collection!.bytes.isEmpty {
      collection!.bytes = [UInt8](piece)
    } else {
      collection!.bytes += UnsafeBufferPointer(start: piece.ptr, count: Int(piece.len))
    }
    collection!.owed += Int(piece.len)
    // Most bodies end before more must be asked for.
    guard collection!.owed >= Self.creditStep else { return }
    wantMore(collection!.owed)
    collection!.owed = 0
  }

  private static let creditStep = 16 << 10

  /// Asks for so much more of the body.
  public func wantMore(_ bytes: Int) {
    guard state != .ended, link.isServing else { return }
    _ = service.pointee.credit(service.pointee.ctx, exchange, UInt64(bytes))
  }

  // MARK: The answer

  public func answer(_ status: Int = 200, _ headers: HTTPHeaders = [], text: String) throws {
    try answer(status, headers, type: "text/plain; charset=utf-8", Array(text.utf8))
  }

  public func answer(_ status: Int = 200, _ headers: HTTPHeaders = [], json: JSON) throws {
    try answer(status, headers, type: "application/json", Array((json.description + "\n").utf8))
  }

  public func answer(_ status: Int = 200, _ headers: HTTPHeaders = [], type: String? = nil, _ body: [UInt8] = []) throws
  {
    try send(status, headers, type: type, body, ends: true)
    finished()
  }

  /// Begins an answer whose body follows by `write` and `end`.
  public func begin(_ status: Int = 200, _ headers: HTTPHeaders = [], type: String? = nil) throws {
    try send(status, headers, type: type, [], ends: false)
    state = .answering
    keep()
  }

  private func send(
    _ status: Int, _ headers: HTTPHeaders, type: String?, _ body: [UInt8], ends: Bool
  ) throws {
    guard state == .open, link.isServing else {
      throw RoleError(.failedPrecondition, "the request has been answered, or its role has ended")
    }
    // Named here, so that the closures need not hold this object.
    let service = service, exchange = exchange
    let outcome = headers.lend(type: type) { pairs in
      body.lend { service.pointee.respond(service.pointee.ctx, exchange, UInt32(status), pairs, $0, ends ? 1 : 0) }
    }
    guard outcome == NH_OK || outcome == NH_NOT_FOUND || outcome == NH_UNAVAILABLE else {
      throw RoleError(
        Status(rawValue: outcome),
        "the host does not send the answer: its status must be from 200 to 599, and no header may have control "
          + "characters or another length than the body")
    }
  }

  /// The next piece of the body. False if nothing was taken: `whenWritable` says when to go on.
  public func write(_ bytes: [UInt8]) throws -> Bool {
    guard state == .answering else {
      throw RoleError(.failedPrecondition, "write comes between begin and end")
    }
    let outcome = bytes.lend { service.pointee.write(service.pointee.ctx, exchange, $0) }
    switch outcome {
    case NH_OK: return true
    case NH_RESOURCE_EXHAUSTED: return false
    default:
      throw RoleError(
        Status(rawValue: outcome),
        "the body goes no further: the client has gone, or its length was announced and is reached")
    }
  }

  /// Runs `body` each time when writing is possible again.
  public func whenWritable(_ body: @escaping () throws -> Void) { wait { $0.writable = body } }

  /// Runs `body` if the client goes away before the answer is whole.
  public func whenFailed(_ body: @escaping (RoleError) -> Void) { wait { $0.failure = body } }

  /// The body is whole.
  public func end(_ trailers: HTTPHeaders = []) {
    guard state == .answering else { return }
    _ = trailers.lend { service.pointee.finish(service.pointee.ctx, exchange, $0) }
    finished()
  }

  /// Breaks it off; the client sees that the answer is not whole.
  public func abort() {
    guard state != .ended, link.isServing else { return }
    _ = service.pointee.abort(service.pointee.ctx, exchange)
    finished()
  }

  // MARK: Life

  private func finished() {
    state = .ended
    if link.exchanges[exchange] != nil { link.exchanges[exchange] = nil }
    waiting = nil
    collection = nil
  }

  /// The role is going: nobody is told any more.
  func abandon() { finished() }

  /// The host's memory goes now.
  func callbackEnds(_ what: String) {
    guard state != .ended else { return }
    head = needsHead ? head.copied : .gone
    link.exchanges[exchange] = OpenHTTPRequest(request: self, strong: isKept ? self : nil)
  }

  /// It stays for what is still to come, even if the role does not hold it.
  func keep() {
    isKept = true
    link.exchanges[exchange]?.strong = self
  }

  deinit {
    guard state == .open else { return }
    link.exchanges[exchange] = nil
    guard link.isServing else { return }
    link.log(NH_LOG_ERROR, "a request was dropped without an answer; answer it, or keep it until then", nil)
    let words = Array("the role did not answer\n".utf8)
    _ = words.lend {
      service.pointee.respond(service.pointee.ctx, exchange, 500, nh_pair_list(items: nil, count: 0), $0, 1)
    }
  }

  func eventCame(_ event: nh_http_event) {
    switch event.kind {
    case NH_HTTP_BODY where collection != nil: attempt { try collect(event.body) }
    case NH_HTTP_BODY: attempt { try waiting?.body?([UInt8](event.body)) }
    case NH_HTTP_END where collection != nil:
      bodyHasEnded = true
      let whole = collection!
      collection = nil
      attempt { if state == .open { try whole.done(whole.bytes) } }
      if state == .open { link.exchanges[exchange]?.strong = nil }
    case NH_HTTP_END:
      bodyHasEnded = true
      let done = waiting?.end
      wait { ($0.body, $0.end) = (nil, nil) }
      attempt { try done?(event.head.map { HTTPHeaders($0.pointee.headers) } ?? []) }
      // Nothing is still to come; if nobody holds it now, nobody will answer.
      if state == .open { link.exchanges[exchange]?.strong = nil }
    case NH_HTTP_WRITABLE: attempt { try waiting?.writable?() }
    default:
      let failed = waiting?.failure
      finished()
      failed?(RoleError(Status(rawValue: event.status), String(event.message)))
    }
  }

  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch { refuse(error, from: "the closure for \(method) \(path)") }
  }

  /// The closure threw: the client gets the status that is nearest, unless its answer has begun.
  func refuse(_ error: any Error, from what: String) {
    let error = RoleError(error)
    switch state {
    case .ended: link.report(error, from: what)
    case .answering:
      link.report(error, from: what)
      abort()
    case .open:
      if error.httpStatus >= 500 { link.report(error, from: what) }
      try? answer(error.httpStatus, text: "\(error.description)\n")
    }
  }
}

/// A request that waits for its answer: the role's to hold, unless events are still to come.
struct OpenHTTPRequest {
  unowned(unsafe) var request: HTTPRequest
  var strong: HTTPRequest?
}

extension RoleError {
  /// The status of HTTP that says the same.
  public var httpStatus: Int {
    switch status {
    case .invalidArgument, .outOfRange: 400
    case .unauthenticated: 401
    case .permissionDenied: 403
    case .notFound: 404
    case .alreadyExists, .aborted: 409
    case .failedPrecondition: 412
    case .resourceExhausted: 429
    case .unimplemented: 501
    case .unavailable: 503
    case .deadlineExceeded: 504
    default: 500
    }
  }
}
