internal import CNodeABI

/// Requests to other servers by HTTP, over connections that the host keeps for all roles: HTTP/1.1, or HTTP/2 if a
/// server with TLS chooses it. Redirects are not followed, and proxies of the environment are not asked.
///
///     try context.client.request("POST", "https://example.org/notes", body: note) { result in
///       let answer = try result.get()
///       guard answer.isSuccess else { … }
///     }
///
/// A role may have 1,024 requests open.
public struct Client {
  let link: HostLink

  /// What becomes of a request, in this order; `ended` or `failed` is the last.
  public enum Event: Sendable, Equatable {
    case answered(HTTPAnswer)
    case body([UInt8])
    /// The answer is whole. The request's own body need not be.
    case ended(trailers: HTTPHeaders)
    /// Writing is possible again after ``ClientRequest/write(_:)`` returned false.
    case writable
    case failed(RoleError)
  }

  /// Sends a request and waits for the whole answer, whatever its status. One with a body of more than `limit` bytes
  /// fails.
  ///
  /// - Parameters:
  ///   - timeout: for everything together, retries included; 30 s if none is given.
  ///   - retries: how often to try again after a failure that certainly had no effect.
  @discardableResult
  public func request(
    _ method: String = "GET", _ url: String, headers: HTTPHeaders = [], body: some Payload = [UInt8](),
    timeout: Duration? = nil, retries: Int = 0, limit: Int = 1 << 20,
    then done: @escaping (Result<HTTPAnswer, RoleError>) throws -> Void
  ) throws -> ClientRequest {
    var answer = HTTPAnswer()
    return try open(method, url, headers: headers, body: body.payload, timeout: timeout, retries: retries) {
      request, event in
      switch event {
      case .answered(let head): answer = head
      case .body(let piece):
        guard answer.body.count + piece.count <= limit else {
          request.cancel()
          return try done(.failure(RoleError(.resourceExhausted, "the answer to \(url) is larger than \(limit) bytes")))
        }
        answer.body += piece
      case .ended(let trailers):
        answer.trailers = trailers
        try done(.success(answer))
      case .writable: break
      case .failed(let error): try done(.failure(error))
      }
    }
  }

  /// Sends a request and hands on its answer piece by piece. 64 KiB of it come without being asked for, and each piece
  /// asks for as much again, unless `byCredit`: then ``ClientRequest/wantMore(_:)`` does. What `body` throws gives the
  /// request up.
  ///
  /// - Parameter body: nil if it follows by ``ClientRequest/write(_:)`` and ``ClientRequest/finish()``. Such a request
  ///   is not retried.
  @discardableResult
  public func open(
    _ method: String = "GET", _ url: String, headers: HTTPHeaders = [], body: [UInt8]? = [], timeout: Duration? = nil,
    retries: Int = 0, byCredit: Bool = false, _ told: @escaping (ClientRequest, Event) throws -> Void
  ) throws -> ClientRequest {
    let service = try link.clientService
    let request = ClientRequest(link: link)
    let what = "the closure for \(method) \(url)"
    let token = link.clientRequests.insert(ClientEntry(request: request, what: what, asksItself: !byCredit, told: told))
    do {
      request.token = token
      request.handle = try link.withRoom { error in
        method.lend { method in
          url.lend { url in
            headers.lend { headers in
              (body ?? []).lend { bytes in
                var asked = nh_client_request(
                  struct_size: UInt32(MemoryLayout<nh_client_request>.size), revision: NH_ABI_REVISION, method: method,
                  url: url, headers: headers, body: bytes, timeout_ns: timeout?.nanoseconds ?? 0,
                  retries: UInt32(clamping: retries), streams: body == nil ? 1 : 0)
                return service.pointee.request(service.pointee.ctx, &asked, token, error)
              }
            }
          }
        }
      }
      return request
    } catch {
      link.clientRequests.remove(token)
      throw error
    }
  }
}

/// What another server has answered.
public struct HTTPAnswer: Sendable, Equatable {
  public var status: Int
  public var headers: HTTPHeaders
  public var body: [UInt8]
  public var trailers: HTTPHeaders

  public init(_ status: Int = 0, _ headers: HTTPHeaders = [], body: [UInt8] = [], trailers: HTTPHeaders = []) {
    self.status = status
    self.headers = headers
    self.body = body
    self.trailers = trailers
  }

  public var isSuccess: Bool { (200..<300).contains(status) }
  public var text: String { String(decoding: body, as: UTF8.self) }
  public func json() throws -> JSON { try JSON(payload: body) }
}

/// A request that is under way.
public final class ClientRequest {
  let link: HostLink
  fileprivate(set) var handle: nh_handle = 0
  fileprivate(set) var token: UInt64 = 0

  init(link: HostLink) { self.link = link }

  private func service() -> UnsafePointer<nh_client_service>? {
    link.clientRequests[token] == nil ? nil : try? link.clientService
  }

  /// The next piece of the body. False if nothing was taken: ``Client/Event/writable`` says when to go on.
  public func write(_ bytes: [UInt8]) throws -> Bool {
    guard let service = service() else { throw RoleError(.failedPrecondition, "the request is over") }
    let outcome = bytes.lend { service.pointee.write(service.pointee.ctx, handle, $0) }
    switch outcome {
    case NH_OK: return true
    case NH_RESOURCE_EXHAUSTED: return false
    default: throw RoleError(Status(rawValue: outcome), "the body was given whole, or is finished")
    }
  }

  /// The body is whole.
  public func finish() {
    if let service = service() { _ = service.pointee.finish(service.pointee.ctx, handle) }
  }

  /// Gives it up; the closure hears nothing more.
  public func cancel() {
    guard let service = service() else { return }
    link.clientRequests.remove(token)
    _ = service.pointee.cancel(service.pointee.ctx, handle)
  }

  /// Asks for so much more of the answer's body.
  public func wantMore(_ bytes: Int) {
    if let service = service() { _ = service.pointee.credit(service.pointee.ctx, handle, UInt64(bytes)) }
  }
}

struct ClientEntry {
  var request: ClientRequest
  var what: String
  var asksItself: Bool
  var told: (ClientRequest, Client.Event) throws -> Void
}

extension HostLink {
  /// Whether the event was about a request of the role's own.
  func clientEventCame(_ event: nh_http_event) -> Bool {
    guard let entry = clientRequests[event.token], entry.request.handle == event.exchange else { return false }
    switch event.kind {
    case NH_HTTP_RESPONSE:
      guard let head = event.head else { return true }
      let ends = head.pointee.ends != 0
      if ends { clientRequests.remove(event.token) }
      tell(entry, .answered(HTTPAnswer(Int(head.pointee.status), HTTPHeaders(head.pointee.headers))))
      if ends { tell(entry, .ended(trailers: [])) }
    case NH_HTTP_BODY:
      if entry.asksItself { entry.request.wantMore(Int(event.body.len)) }
      tell(entry, .body([UInt8](event.body)))
    case NH_HTTP_WRITABLE: tell(entry, .writable)
    case NH_HTTP_END:
      clientRequests.remove(event.token)
      tell(entry, .ended(trailers: event.head.map { HTTPHeaders($0.pointee.headers) } ?? []))
    default:
      clientRequests.remove(event.token)
      tell(entry, .failed(RoleError(Status(rawValue: event.status), String(event.message))))
    }
    return true
  }

  private func tell(_ entry: ClientEntry, _ event: Client.Event) {
    do { try entry.told(entry.request, event) } catch {
      entry.request.cancel()
      report(error, from: entry.what)
    }
  }
}
