internal import CNodeABI

// The role's side: the functions of nh_http_service.

extension FakeHost {
  private static let routeLimit = 256

  func addRoute(_ listener: String, _ method: String, _ pattern: String, _ token: UInt64) -> nh_handle {
    guard permits("nh_http_service.route"), routes.count < Self.routeLimit else { return 0 }
    let listener = listener.isEmpty ? "data" : listener
    guard listeners.contains(listener),
      let route = FakeRoute(listener: listener, method: method, pattern: pattern, token: token),
      !routes.all.contains(where: { $0.collides(with: route) })
    else { return 0 }
    return routes.insert { _ in route }
  }

  func removeRoute(_ handle: nh_handle) -> nh_status {
    guard allows("nh_http_service.unroute") else { return NH_FAILED_PRECONDITION }
    guard routes.remove(handle) != nil else {
      expectGiven(handle, routes, "nh_http_service.unroute")
      return NH_NOT_FOUND
    }
    return NH_OK
  }

  private func withRequest(_ handle: nh_handle, _ function: String, _ body: (PendingRequest) -> nh_status) -> nh_status
  {
    guard allows("nh_http_service.\(function)") else { return NH_FAILED_PRECONDITION }
    guard let request = requests[handle] else {
      expectGiven(handle, requests, "nh_http_service.\(function)")
      return NH_NOT_FOUND
    }
    return body(request)
  }

  func respond(
    _ handle: nh_handle, _ status: UInt32, _ headers: nh_pair_list, _ body: nh_bytes, _ ends: UInt32
  ) -> nh_status {
    withRequest(handle, "respond") { request in
      guard request.state == .waiting, (200...599).contains(status) else { return NH_FAILED_PRECONDITION }
      let fields = HTTPHeaders(headers)
      let length = fields.first { $0.name.lowercased() == "content-length" }.map { Int($0.value) }
      guard Self.canBeSent(fields), length != .some(nil) else { return NH_INVALID_ARGUMENT }
      let bytes = [UInt8](body)
      request.left = length ?? (ends != 0 ? bytes.count : nil)
      request.status = Int(status)
      request.headers = HTTPHeaders(fields.map { HTTPHeader($0.name.lowercased(), $0.value) })
      request.state = .answering
      take(bytes, request)
      if ends != 0 { end(request, .answered) }
      return NH_OK
    }
  }

  func writeBody(_ handle: nh_handle, _ body: nh_bytes) -> nh_status {
    withRequest(handle, "write") { request in
      guard request.state == .answering else { return NH_FAILED_PRECONDITION }
      guard request.unread < request.room else {
        request.wantsToWrite = true
        return NH_RESOURCE_EXHAUSTED
      }
      guard request.left.map({ body.len <= $0 }) ?? true else { return NH_OUT_OF_RANGE }
      take([UInt8](body), request)
      return NH_OK
    }
  }

  private func take(_ bytes: [UInt8], _ request: PendingRequest) {
    if let left = request.left { request.left = left - bytes.count }
    guard !bytes.isEmpty, request.method != "HEAD" else { return }
    request.unread += bytes.count
    request.pieces.append(bytes)
  }

  func finishBody(_ handle: nh_handle, _ trailers: nh_pair_list) -> nh_status {
    withRequest(handle, "finish") { request in
      guard request.state == .answering else { return NH_FAILED_PRECONDITION }
      let fields = HTTPHeaders(trailers)
      guard Self.canBeSent(fields) else { return NH_INVALID_ARGUMENT }
      request.trailers = fields
      end(request, request.left ?? 0 > 0 ? .broken : .answered)
      return NH_OK
    }
  }

  func abortRequest(_ handle: nh_handle) -> nh_status {
    withRequest(handle, "abort") { request in
      end(request, .broken)
      return NH_OK
    }
  }

  func grantBody(_ handle: nh_handle, _ bytes: UInt64) -> nh_status {
    withRequest(handle, "credit") { request in
      request.credit += Int(min(bytes, 1 << 40))
      // It comes when the role's present callback has returned.
      _ = clock.schedule(after: .zero) { [weak self, weak request] in
        if let request { self?.bodyMoves(request) }
      }
      return NH_OK
    }
  }

  /// Names of letters, values without control characters: what the host lets through.
  private static func canBeSent(_ fields: HTTPHeaders) -> Bool {
    fields.allSatisfy { field in
      !field.name.isEmpty
        && field.name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !#"(),/:;<=>?@[\]{}""#.utf8.contains($0) }
        && field.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }
  }
}
