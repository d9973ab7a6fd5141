internal import CNodeABI

// The functions of nh_client_service, and what the other servers do. There is no network: the test answers.

extension FakeHost {
  private static let requestLimit = 1_024

  /// The role's requests without a whole answer, the oldest first.
  public var sentRequests: [SentRequest] { ownRequests.all }

  // MARK: The role's side

  func request(
    _ asked: nh_client_request, _ token: UInt64, _ error: UnsafeMutablePointer<nh_error>?
  ) -> nh_handle {
    func refuse(_ place: String, _ words: String) -> nh_handle {
      place.lend { place in words.lend { _ = nh_fail(error, NH_INVALID_ARGUMENT, place, $0) } }
      return 0
    }
    guard permits("nh_client_service.request") else { return refuse("", "as the test says") }
    guard ownRequests.count < Self.requestLimit else { return refuse("", "\(Self.requestLimit) requests are open") }
    let request = SentRequest(asked, token, on: self)
    guard request.url.hasPrefix("http://") || request.url.hasPrefix("https://"), request.url.count > 8 else {
      return refuse("/url", "`\(request.url)` is no http:// or https:// address")
    }
    request.handle = ownRequests.insert { _ in request } | Self.clientMark
    request.deadline = clock.schedule(after: request.timeout) { [weak self, weak request] in
      guard let self, let request else { return }
      fail(request, NH_DEADLINE_EXCEEDED, "no whole answer within \(request.timeout)")
    }
    // It goes out when the role's present callback has returned.
    _ = clock.schedule(after: .zero) { [weak self, weak request] in
      if let self, let request, request.state == .open { whenRequested?(request) }
    }
    return request.handle
  }

  private static var clientMark: nh_handle { 1 << 31 }

  private func withOwn(_ handle: nh_handle, _ function: String, _ body: (SentRequest) -> nh_status) -> nh_status {
    guard allows("nh_client_service.\(function)") else { return NH_FAILED_PRECONDITION }
    guard let request = ownRequests[handle ^ Self.clientMark] else {
      expectGiven(handle ^ Self.clientMark, ownRequests, "nh_client_service.\(function)")
      return NH_NOT_FOUND
    }
    return body(request)
  }

  func writeRequest(_ handle: nh_handle, _ body: nh_bytes) -> nh_status {
    withOwn(handle, "write") { request in
      guard request.streams, !request.isWhole else { return NH_FAILED_PRECONDITION }
      guard request.unread < request.room else {
        request.wantsToWrite = true
        return NH_RESOURCE_EXHAUSTED
      }
      request.unread += Int(body.len)
      request.body += [UInt8](body)
      return NH_OK
    }
  }

  func finishRequest(_ handle: nh_handle) -> nh_status {
    withOwn(handle, "finish") { request in
      guard request.streams, !request.isWhole else { return NH_FAILED_PRECONDITION }
      request.isWhole = true
      return NH_OK
    }
  }

  func cancelRequest(_ handle: nh_handle) -> nh_status {
    withOwn(handle, "cancel") { request in
      close(request, .cancelled)
      return NH_OK
    }
  }

  func creditRequest(_ handle: nh_handle, _ bytes: UInt64) -> nh_status {
    withOwn(handle, "credit") { request in
      request.credit += Int(min(bytes, 1 << 40))
      _ = clock.schedule(after: .zero) { [weak self, weak request] in
        if let request { self?.answerMoves(request) }
      }
      return NH_OK
    }
  }

  // MARK: The other server's side

  func answer(_ request: SentRequest, _ status: Int, _ headers: HTTPHeaders, ends: Bool) {
    guard request.state == .open, isOpen(request) else { return }
    request.state = .answering
    if ends { close(request, .answered) }
    let memory = StableMemory()
    var head = memory.head(headers)
    (head.status, head.ends) = (UInt32(status), ends ? 1 : 0)
    hand(request, NH_HTTP_RESPONSE, head: head)
    clock.settle()
  }

  func answerMoves(_ request: SentRequest) {
    while isOpen(request), request.credit > 0, !request.waiting.isEmpty {
      let piece = Array(request.waiting.prefix(request.credit))
      request.waiting.removeFirst(piece.count)
      request.credit -= piece.count
      hand(request, NH_HTTP_BODY, body: piece)
    }
    if isOpen(request), request.waiting.isEmpty, let trailers = request.end {
      close(request, .answered)
      let memory = StableMemory()
      hand(request, NH_HTTP_END, head: memory.head(trailers))
    }
    clock.settle()
  }

  func serverReads(_ request: SentRequest) {
    request.unread = 0
    guard request.wantsToWrite, isOpen(request) else { return }
    request.wantsToWrite = false
    hand(request, NH_HTTP_WRITABLE)
    clock.settle()
  }

  func fail(_ request: SentRequest, _ status: nh_status, _ words: String) {
    guard isOpen(request) else { return }
    close(request, .failed)
    hand(request, NH_HTTP_FAILED, status: status, message: words)
    clock.settle()
  }

  /// Nobody waits any longer: the role ends, which is not told then, or is swapped.
  func endOwnRequests(isSwap: Bool = false) {
    for request in ownRequests.all {
      if isSwap { fail(request, NH_UNAVAILABLE, "\(roleName) is being swapped") } else { close(request, .cancelled) }
    }
  }

  private func isOpen(_ request: SentRequest) -> Bool { ownRequests[request.handle ^ Self.clientMark] === request }

  private func close(_ request: SentRequest, _ state: SentRequest.State) {
    request.state = state
    ownRequests.remove(request.handle ^ Self.clientMark)
    if let deadline = request.deadline { clock.cancel(deadline) }
  }

  private func hand(
    _ request: SentRequest, _ kind: UInt32, head: nh_http_head? = nil, status: nh_status = NH_OK, body: [UInt8] = [],
    message: String = ""
  ) {
    handHTTP(kind, request.handle, request.token, head: head, status: status, body: body, message: message)
  }
}
