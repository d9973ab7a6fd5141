import CNodeABI
import HostCore
import HostRuntime

/// The http service, and what comes to on_http.
extension ScriptedRole {
  private func permits(_ function: HostFunction) -> Bool { host.permits(function, self) }

  // MARK: Routes

  func addRoute(_ listener: nh_str, _ method: nh_str, _ pattern: nh_str, _ token: UInt64) -> nh_handle {
    guard permits(.route), let pattern = try? RoutePattern(String(pattern)) else { return 0 }
    return insertRoute(String(listener), method: String(method), pattern, token, isRpc: false)
  }

  func insertRoute(
    _ listener: String, method: String, _ pattern: RoutePattern, _ token: UInt64, isRpc: Bool
  ) -> nh_handle {
    let listener = listener.isEmpty ? ScriptedHost.listener : listener
    let route = ScriptedHost.Route(
      owner: self, listener: listener, method: method, pattern: pattern, token: token, isRpc: isRpc)
    if let handle = host.inheritedRoute(self, route) { return handle }
    let others = host.routes.elements.map(\.element).filter { $0.owner === self && $0.listener == listener }
    var table = RouteTable()
    for other in others { _ = table.insert(method: other.method, other.pattern, 0) }
    guard others.count < ScriptedHost.routeLimit, table.insert(method: route.method, pattern, 0) else { return 0 }
    return host.routes.insert(route) ?? 0
  }

  func removeRoute(_ route: nh_handle) -> nh_status {
    permits(.unroute) ? dropRoute(route) : NH_NOT_FOUND
  }

  func dropRoute(_ route: nh_handle) -> nh_status {
    guard let held = host.routes[route] else { return NH_NOT_FOUND }
    guard held.owner === self else {
      return host.handover?.routes.removeValue(forKey: route) == nil ? NH_NOT_FOUND : NH_OK
    }
    host.routes.remove(route)
    return NH_OK
  }

  // MARK: Answers

  /// When a case lets it fail, the client has gone, and the role will hear so.
  private func withExchange(
    _ function: HostFunction, _ handle: nh_handle, _ body: (inout ScriptedHost.Exchange) -> nh_status
  ) -> nh_status {
    guard permits(function) else {
      if host.isOnLoop { host.exchanges[handle]?.breaks = "the client has gone" }
      return NH_UNAVAILABLE
    }
    if handle == 0 {
      host.note(
        .init(function: function, phase: phase, isOnLoop: host.isOnLoop, bracket: "", detail: "it names the exchange 0")
      )
    }
    guard var exchange = host.exchanges[handle] else { return NH_NOT_FOUND }
    let status = body(&exchange)
    host.exchanges[handle] = exchange
    return status
  }

  func respond(
    _ handle: nh_handle, _ status: UInt32, _ headers: nh_pair_list, _ body: nh_bytes, _ ends: UInt32
  ) -> nh_status {
    let outcome = withExchange(.respond, handle) { exchange in
      guard exchange.status == 0, (200...599).contains(status) else { return NH_FAILED_PRECONDITION }
      guard Self.canBeSent(headers) else { return NH_INVALID_ARGUMENT }
      exchange.status = status
      exchange.written = Int(body.len)
      let fields = Self.copy(headers).map { "\($0.0): \($0.1)" }.joined(separator: ", ")
      host.record("\(exchange.what) gets \(status) [\(fields)] \(String(decoding: [UInt8](body), as: UTF8.self))")
      return NH_OK
    }
    if outcome == NH_OK, ends != 0 { host.end(handle, "is answered") }
    return outcome
  }

  func writeBody(_ handle: nh_handle, _ body: nh_bytes) -> nh_status {
    withExchange(.writeBody, handle) { exchange in
      guard exchange.status != 0 else { return NH_FAILED_PRECONDITION }
      guard exchange.unread < exchange.request.room else {
        exchange.wantsToWrite = true
        return NH_RESOURCE_EXHAUSTED
      }
      exchange.unread += Int(body.len)
      exchange.written += Int(body.len)
      host.record("\(exchange.what) gets more: \(String(decoding: [UInt8](body), as: UTF8.self))")
      return NH_OK
    }
  }

  func finishBody(_ handle: nh_handle, _ trailers: nh_pair_list) -> nh_status {
    let outcome = withExchange(.finishBody, handle) { exchange in
      guard exchange.status != 0 else { return NH_FAILED_PRECONDITION }
      return Self.canBeSent(trailers) ? NH_OK : NH_INVALID_ARGUMENT
    }
    if outcome == NH_OK { host.end(handle, "is answered") }
    return outcome
  }

  func abortExchange(_ handle: nh_handle) -> nh_status {
    let outcome = withExchange(.abortExchange, handle) { _ in NH_OK }
    if outcome == NH_OK { host.end(handle, "is broken off by the role") }
    return outcome
  }

  func creditBody(_ handle: nh_handle, _ bytes: UInt64) -> nh_status {
    withExchange(.creditBody, handle) { exchange in
      exchange.credit += Int(min(bytes, 1 << 40))
      return NH_OK
    }
  }

  static func copy(_ list: nh_pair_list) -> [(String, String)] {
    UnsafeBufferPointer(start: list.items, count: list.items == nil ? 0 : Int(list.count)).map {
      (String($0.name), String($0.value))
    }
  }

  private static func canBeSent(_ list: nh_pair_list) -> Bool {
    copy(list).allSatisfy { name, value in
      Array(name.utf8).withUnsafeBytes { HTTP1Fields.isName($0) }
        && Array(value.utf8).withUnsafeBytes { HTTP1Fields.isValue($0) }
    }
  }

  // MARK: on_http

  func deliverRequest(_ request: MadeRequest, _ exchange: nh_handle, _ token: UInt64) {
    let words = [request.method, "http", "node.test", request.path, request.query, "10.0.0.7:51234"]
    host.lender.texts(words) { words in
      host.lender.pairs(request.headers) { headers in
        host.lender.pairs(request.captures) { captures in
          var head = newHead()
          (head.method, head.scheme, head.authority) = (words[0], words[1], words[2])
          (head.path, head.query, head.remote) = (words[3], words[4], words[5])
          (head.headers, head.captures) = (headers, captures)
          head.ends = request.body.isEmpty ? 1 : 0
          deliverHTTP(NH_HTTP_REQUEST, exchange, token, head: head)
        }
      }
    }
  }

  func deliverTrailers(_ trailers: [(String, String)], _ exchange: nh_handle, _ token: UInt64) {
    host.lender.pairs(trailers) { fields in
      var head = newHead()
      head.headers = fields
      deliverHTTP(NH_HTTP_END, exchange, token, head: head)
    }
  }

  func newHead() -> nh_http_head {
    var head = nh_http_head()
    head.struct_size = UInt32(MemoryLayout<nh_http_head>.size)
    head.revision = host.settings.revision
    return head
  }

  func deliverHTTP(
    _ kind: UInt32, _ exchange: nh_handle, _ token: UInt64, head: nh_http_head? = nil, status: nh_status = NH_OK,
    body: [UInt8] = [], message: String = ""
  ) {
    guard isLive, let callback = plugin.table.pointee.on_http else { return }
    host.lender.text(message) { message in
      host.lender.bytes(body) { body in
        var event = nh_http_event()
        event.struct_size = UInt32(MemoryLayout<nh_http_event>.size)
        event.revision = host.settings.revision
        (event.kind, event.status, event.exchange, event.token) = (kind, status, exchange, token)
        (event.body, event.message) = (body, message)
        guard let head else {
          return host.lender.structure(event) { event in host.timed("on_http") { callback(pointer, event) } }
        }
        host.lender.structure(head) { head in
          event.head = UnsafePointer(head)
          host.lender.structure(event) { event in host.timed("on_http") { callback(pointer, event) } }
        }
      }
    }
  }
}
