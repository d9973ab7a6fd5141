import CNodeABI
import HostCore

/// The http service, as one role sees it.
extension RoleInstance {
  static let routeLimit = 256
  static let forwardLimit = 64

  // MARK: Routes

  func addRoute(_ listener: nh_str, _ method: nh_str, _ pattern: nh_str, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "http.route") else { return 0 }
    do throws(RoutePattern.Fault) {
      let route = SeatRoute(
        listener: String(listener), method: String(method), pattern: try RoutePattern(String(pattern)), id: nil)
      if node.http.listener(route.listener) == nil {
        let name = route.listener.isEmpty ? HTTPServer.defaultName : route.listener
        misuse("it asks for a route on the listener `\(name)`", "write `listen: { \(name): … }` into the manifest")
        return 0
      }
      return seat.addRoute(self, route, token: token) ?? 0
    } catch {
      misuse(error.words, "see http.h")
      return 0
    }
  }

  func removeRoute(_ handle: nh_handle) -> nh_status {
    guard permits([.starting, .running], "http.unroute") else { return NH_FAILED_PRECONDITION }
    return seat.removeRoute(self, handle) ? NH_OK : NH_NOT_FOUND
  }

  func forward(
    _ previous: nh_handle, _ table: nh_json, _ token: UInt64, _ room: UnsafeMutablePointer<nh_error>?
  ) -> nh_handle {
    guard permits([.starting, .running], "http.forward") else {
      ErrorRoom.fill(room, NH_FAILED_PRECONDITION, "it was called where it may not be")
      return 0
    }
    do throws(ForwardTableFault) {
      return try seat.setForward(self, previous, ForwardTable(parsing: String(table)), token: token)
    } catch {
      ErrorRoom.fill(room, NH_INVALID_ARGUMENT, error.words, at: error.place)
      return 0
    }
  }

  // MARK: Exchanges

  /// A request has come to one of its routes.
  func begin(_ exchange: ServerExchange, token: UInt64) {
    guard isLive, !isDraining else {
      return RoleRoute.refuse(exchange, "\(name) is \(isDraining ? "draining" : phase.name)")
    }
    let open = RoleExchange(exchange, role: self, token: token)
    guard let handle = exchanges.insert(open) else {
      return RoleRoute.refuse(exchange, "\(name) has \(limits.calls) open requests")
    }
    open.handle = handle
    open.open()
    deliver(request: open)
  }

  private func withExchange(
    _ handle: nh_handle, _ function: StaticString, _ body: (RoleExchange) -> nh_status
  ) -> nh_status {
    guard permits(.running, function) else { return NH_FAILED_PRECONDITION }
    guard let exchange = exchanges[handle] else { return NH_NOT_FOUND }
    return body(exchange)
  }

  func respond(
    _ handle: nh_handle, _ status: UInt32, _ headers: nh_pair_list, _ body: nh_bytes, _ ends: UInt32
  ) -> nh_status {
    withExchange(handle, "http.respond") { $0.respond(status, headers, body, ends: ends != 0) }
  }

  func writeBody(_ handle: nh_handle, _ body: nh_bytes) -> nh_status {
    withExchange(handle, "http.write") { $0.write(body) }
  }

  func finishBody(_ handle: nh_handle, _ trailers: nh_pair_list) -> nh_status {
    withExchange(handle, "http.finish") { $0.finish(trailers) }
  }

  func abortExchange(_ handle: nh_handle) -> nh_status {
    withExchange(handle, "http.abort") {
      $0.abort()
      return NH_OK
    }
  }

  func creditExchange(_ handle: nh_handle, _ bytes: UInt64) -> nh_status {
    withExchange(handle, "http.credit") {
      $0.credit(bytes)
      return NH_OK
    }
  }

  /// The role has nothing more to do with it.
  func exchangeEnded(_ exchange: RoleExchange) {
    guard exchanges.remove(exchange.handle) != nil else { return }
    tellIfDrained()
    tellIfQuiet()
  }

  func exchangeFailed(_ exchange: RoleExchange, _ status: nh_status, _ words: String) {
    guard exchanges[exchange.handle] === exchange else { return }
    deliver(failure: exchange, status, words)
    exchangeEnded(exchange)
  }

  /// Nobody waits for it any longer: a swap, or the end.
  func endExchanges(_ words: String) {
    for (_, exchange) in exchanges.elements {
      deliver(failure: exchange, NH_UNAVAILABLE, words)
      exchange.abort(words)
    }
  }

  // MARK: on_http

  func deliver(_ exchange: RoleExchange, _ kind: UInt32, body: UnsafeRawBufferPointer = HTTPEvent.noBody) {
    guard exchanges[exchange.handle] === exchange else { return }
    HTTPEvent.lend(kind, exchange: exchange.handle, token: exchange.token, body: body) { deliver($0) }
  }

  func deliver(_ exchange: RoleExchange, trailers: MessageHead) {
    guard exchanges[exchange.handle] === exchange else { return }
    HTTPEvent.lend(NH_HTTP_END, exchange: exchange.handle, token: exchange.token, head: trailers) { deliver($0) }
  }

  private func deliver(request exchange: RoleExchange) {
    uncounted(exchange.exchange) { request in
      HTTPEvent.lend(
        NH_HTTP_REQUEST, exchange: exchange.handle, token: exchange.token, head: request.head,
        captures: request.captures, remote: request.remote.lent, isSecure: request.isSecure,
        ends: request.head.framing == .none
      ) { deliver($0) }
    }
  }

  private func deliver(failure exchange: RoleExchange, _ status: nh_status, _ words: String) {
    HTTPEvent.lend(
      NH_HTTP_FAILED, exchange: exchange.handle, token: exchange.token, status: status, message: words
    ) { deliver($0) }
  }

  /// Part of an exchange, for which the role is to have an on_http.
  func deliver(_ event: UnsafePointer<nh_http_event>) {
    guard isLive else { return }
    guard let callback = table.pointee.on_http else {
      return misuse("it has routes or asks others, and has no on_http", "fill in on_http")
    }
    callback(role, event)
  }
}
