internal import CNodeABI

// The test's side: requests.

extension FakeHost {
  /// Sends a request to the role's routes. What it answers at once stands in the result; for more, move the clock.
  ///
  ///     let answer = host.request("POST", "/notes?kind=x", body: "hello")
  ///     #expect(answer.status == 201 && answer.headers["location"] == "/notes/1")
  ///
  /// - Parameters:
  ///   - listener: the name in the manifest of the port that it comes to.
  ///   - room: so much of the answer is taken before the client reads; the role's writes are refused then.
  @discardableResult
  public func request(
    _ method: String, _ target: String, headers: HTTPHeaders = [], body: some Payload = [UInt8](),
    on listener: String = "data", room: Int = .max
  ) -> PendingRequest {
    let bytes = body.payload
    let request = open(method, target, headers, listener, room, hasBody: !bytes.isEmpty)
    request.send(bytes)
    request.finish()
    return request
  }

  /// The same with a body that the test sends piece by piece.
  public func openRequest(
    _ method: String, _ target: String, headers: HTTPHeaders = [], on listener: String = "data", room: Int = .max
  ) -> PendingRequest {
    open(method, target, headers, listener, room, hasBody: true)
  }

  private func open(
    _ method: String, _ target: String, _ headers: HTTPHeaders, _ listener: String, _ room: Int, hasBody: Bool
  ) -> PendingRequest {
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let path = HTTPRequest.decoded(parts[0], plusIsSpace: false)
    let found = route(method, path, listener)
    let request = PendingRequest(method, path, token: found?.route.token ?? 0, room: room, on: self)
    guard let found else {
      let exists = routes.all.contains { $0.listener == listener && $0.captures(path) != nil }
      refuse(request, exists ? 405 : 404)
      return request
    }
    guard phase == .running else {
      refuse(request, 503)
      return request
    }
    request.endWasTold = !hasBody
    request.handle = requests.insert { _ in request }
    let memory = StableMemory()
    let query = parts.count == 2 ? String(parts[1]) : ""
    let names = HTTPHeaders(headers.map { HTTPHeader($0.name.lowercased(), $0.value) })
    let head = nh_http_head(
      struct_size: UInt32(MemoryLayout<nh_http_head>.size), revision: 1, method: memory.text(method),
      scheme: memory.text("http"), authority: memory.text(names["host"] ?? "node.test"), path: memory.text(path),
      query: memory.text(query), headers: memory.pairs(names), captures: memory.pairs(found.captures),
      remote: memory.text("10.0.0.7:51234"), status: 0, ends: hasBody ? 0 : 1)
    hand(request, NH_HTTP_REQUEST, head: head)
    clock.settle()
    return request
  }

  /// The most exact one that takes the method, or any, or for HEAD that of GET.
  private func route(_ method: String, _ path: String, _ listener: String) -> (route: FakeRoute, captures: HTTPHeaders)?
  {
    let fitting = routes.all.filter { $0.listener == listener }.compactMap { route in
      route.captures(path).map { (route: route, captures: $0) }
    }
    let methods = method == "HEAD" ? ["HEAD", "", "GET"] : [method, ""]
    return fitting.filter { methods.contains($0.route.method) }.min { left, right in
      if left.route.exactness != right.route.exactness {
        return left.route.exactness.lexicographicallyPrecedes(right.route.exactness)
      }
      return methods.firstIndex(of: left.route.method)! < methods.firstIndex(of: right.route.method)!
    }
  }

  /// As the host answers for a role that does not.
  private func refuse(_ request: PendingRequest, _ status: Int) {
    (request.status, request.state) = (status, .answered)
  }

  // MARK: What happens to a request

  /// Hands on what the role has asked for.
  func bodyMoves(_ request: PendingRequest) {
    while requests[request.handle] === request, request.credit > 0, !request.waiting.isEmpty {
      let piece = Array(request.waiting.prefix(request.credit))
      request.waiting.removeFirst(piece.count)
      request.credit -= piece.count
      hand(request, NH_HTTP_BODY, body: piece)
    }
    if requests[request.handle] === request, request.waiting.isEmpty, let end = request.end, !request.endWasTold {
      request.endWasTold = true
      let memory = StableMemory()
      hand(request, NH_HTTP_END, head: memory.head(end))
    }
    clock.settle()
  }

  func clientReads(_ request: PendingRequest) {
    request.unread = 0
    guard request.wantsToWrite, requests[request.handle] === request else { return }
    request.wantsToWrite = false
    hand(request, NH_HTTP_WRITABLE)
    clock.settle()
  }

  func clientGoes(_ request: PendingRequest) {
    breakOff(request, NH_UNAVAILABLE, "the connection was closed")
    clock.settle()
  }

  private func breakOff(_ request: PendingRequest, _ status: nh_status, _ words: String) {
    guard requests[request.handle] === request else { return }
    hand(request, NH_HTTP_FAILED, status: status, message: words)
    end(request, .broken)
  }

  /// Nobody waits any longer: the role ends, which is not told then, or is swapped.
  func endRequests(isSwap: Bool = false) {
    for request in requests.all {
      let hasBegun = request.state == .answering
      if isSwap { breakOff(request, NH_UNAVAILABLE, "\(roleName) is being swapped") }
      end(request, .broken)
      if !hasBegun { refuse(request, 503) }
    }
  }

  func end(_ request: PendingRequest, _ state: PendingRequest.State) {
    request.state = state
    requests.remove(request.handle)
  }

  private func hand(
    _ request: PendingRequest, _ kind: UInt32, head: nh_http_head? = nil, status: nh_status = NH_OK, body: [UInt8] = [],
    message: String = ""
  ) {
    handHTTP(kind, request.handle, request.token, head: head, status: status, body: body, message: message)
  }

  func handHTTP(
    _ kind: UInt32, _ exchange: nh_handle, _ token: UInt64, head: nh_http_head?, status: nh_status, body: [UInt8],
    message: String
  ) {
    guard let function = library.table.on_http else {
      return breach("the role has routes or asks others, and has no on_http")
    }
    message.lend { message in
      body.lend { body in
        var event = nh_http_event()
        event.struct_size = UInt32(MemoryLayout<nh_http_event>.size)
        event.revision = 1
        (event.kind, event.status, event.exchange) = (kind, status, exchange)
        (event.token, event.body, event.message) = (token, body, message)
        guard var head else { return function(role, &event) }
        withUnsafePointer(to: &head) {
          event.head = $0
          function(role, &event)
        }
      }
    }
  }
}

extension StableMemory {
  /// A head of fields alone.
  func head(_ fields: HTTPHeaders) -> nh_http_head {
    var head = nh_http_head()
    head.struct_size = UInt32(MemoryLayout<nh_http_head>.size)
    head.revision = 1
    head.headers = pairs(fields)
    return head
  }

  func pairs(_ fields: HTTPHeaders) -> nh_pair_list {
    let pairs = fields.map { nh_pair(name: text($0.name), value: text($0.value)) }
    return nh_pair_list(items: list(pairs), count: UInt64(pairs.count))
  }
}
