import CNodeABI
import HostCore

/// The client service, as one role sees it.
extension RoleInstance {
  static let clientRequestLimit = 1_024
  /// Told apart from the requests that come to the role, since both are answered through on_http.
  private static let clientMark: UInt64 = 1 << 31

  func request(
    _ asked: nh_client_request, _ token: UInt64, _ room: UnsafeMutablePointer<nh_error>?
  ) -> nh_handle {
    guard permits([.starting, .running], "client.request") else { return 0 }
    do throws(ClientPlan.Fault) {
      let plan = try ClientPlan(asked)
      let request = RoleClientRequest(plan, try origin(of: plan.url), token, role: self)
      guard let handle = clientRequests.insert(request) else {
        throw ClientPlan.Fault(place: "", words: "\(name) has \(Self.clientRequestLimit) open requests to others")
      }
      request.handle = handle ^ Self.clientMark
      request.start(body: Self.bytes(asked.body))
      return request.handle
    } catch {
      ErrorRoom.fill(room, NH_INVALID_ARGUMENT, error.words, at: error.place)
      return 0
    }
  }

  private func origin(of url: HTTPURL) throws(ClientPlan.Fault) -> ClientOrigin {
    var address = ClientAddress(host: url.host, port: url.port)
    if url.isSecure {
      do throws(NetworkFailure) { address.tls = try node.clients.tls() } catch {
        throw ClientPlan.Fault(place: "/url", words: error.words)
      }
    }
    guard let origin = node.clients.pool(on: loop).origin(address) else {
      throw ClientPlan.Fault(place: "/url", words: "requests go to \(ClientPool.originLimit) addresses already")
    }
    return origin
  }

  private static func bytes(_ bytes: nh_bytes) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: bytes.ptr, count: bytes.ptr == nil ? 0 : Int(bytes.len))
  }

  private func withRequest(
    _ handle: nh_handle, _ function: StaticString, _ body: (RoleClientRequest) -> nh_status
  ) -> nh_status {
    guard permits(.running, function) else { return NH_FAILED_PRECONDITION }
    guard let request = clientRequests[handle ^ Self.clientMark] else { return NH_NOT_FOUND }
    return body(request)
  }

  func writeRequest(_ handle: nh_handle, _ body: nh_bytes) -> nh_status {
    withRequest(handle, "client.write") { $0.write(Self.bytes(body)) }
  }

  func finishRequest(_ handle: nh_handle) -> nh_status { withRequest(handle, "client.finish") { $0.finish() } }

  func creditRequest(_ handle: nh_handle, _ bytes: UInt64) -> nh_status {
    withRequest(handle, "client.credit") {
      $0.credit(bytes)
      return NH_OK
    }
  }

  func cancelRequest(_ handle: nh_handle) -> nh_status {
    withRequest(handle, "client.cancel") { request in
      request.cancel()
      remove(request)
      return NH_OK
    }
  }

  /// Nobody waits any longer: a swap, or the end.
  func endClientRequests(_ words: String) {
    for (_, request) in clientRequests.elements {
      request.cancel()
      failed(request, NH_UNAVAILABLE, words)
    }
  }

  private func remove(_ request: RoleClientRequest) {
    guard clientRequests.remove(request.handle ^ Self.clientMark) != nil else { return }
    tellIfQuiet()
  }

  // MARK: on_http

  func deliver(_ request: RoleClientRequest, head: MessageHead, ends: Bool) {
    HTTPEvent.lend(NH_HTTP_RESPONSE, exchange: request.handle, token: request.token, head: head, ends: ends) {
      deliver($0)
    }
  }

  func deliver(_ request: RoleClientRequest, _ kind: UInt32, body: UnsafeRawBufferPointer = HTTPEvent.noBody) {
    HTTPEvent.lend(kind, exchange: request.handle, token: request.token, body: body) { deliver($0) }
  }

  /// Without trailers if the answer's head has said that nothing follows.
  func ended(_ request: RoleClientRequest, trailers: MessageHead?) {
    defer { remove(request) }
    guard let trailers else { return }
    HTTPEvent.lend(NH_HTTP_END, exchange: request.handle, token: request.token, head: trailers) { deliver($0) }
  }

  func failed(_ request: RoleClientRequest, _ status: nh_status, _ words: String) {
    HTTPEvent.lend(
      NH_HTTP_FAILED, exchange: request.handle, token: request.token, status: status, message: words
    ) { deliver($0) }
    remove(request)
  }
}
