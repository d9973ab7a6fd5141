import CNodeABI
import HostCore

/// Clients of the role's routes, who send, read, wait and go away as a case has made them.
extension ScriptedHost {
  static let routeLimit = 256
  static let exchangeLimit = 4096
  static let listener = "data"

  struct Route {
    unowned var owner: ScriptedRole
    var listener: String
    var method: String
    var pattern: RoutePattern
    var token: UInt64
    /// A method of gRPC.
    var isRpc: Bool
  }

  /// A request without a whole answer.
  struct Exchange {
    let request: MadeRequest
    let token: UInt64
    /// When its client gives up.
    let deadline: Int64
    var credit = 64 << 10
    /// Of the body.
    var sent = 0
    var endWasTold: Bool
    /// 0 before the answer.
    var status: UInt32 = 0
    var written = 0
    /// Written and not read.
    var unread = 0
    var wantsToWrite = false
    /// The client goes away at the next opportunity, for this reason.
    var breaks: String?

    var what: String { "\(request.method) \(request.path)" }
  }

  /// Sends a request to one of the role's routes.
  func send(_ request: MadeRequest, to route: Route, _ role: ScriptedRole) {
    let exchange = Exchange(
      request: request, token: route.token, deadline: clock + Self.callTimeout, endWasTold: request.body.isEmpty,
      breaks: request.isAbandoned ? "the client hung up" : nil)
    guard let handle = exchanges.insert(exchange) else { return }
    record("\(exchange.what) comes")
    role.deliverRequest(request, handle, route.token)
    takeInbox()
  }

  /// Every open exchange goes as far as its two sides let it.
  func moveExchanges(_ role: ScriptedRole) {
    var rounds = 0
    var hasMoved = true
    while hasMoved, exchanges.count > 0, rounds < Self.deliveryLimit {
      hasMoved = false
      rounds += 1
      for (handle, _) in exchanges.elements where move(handle, role) { hasMoved = true }
    }
  }

  /// Whether something has happened to it.
  private func move(_ handle: nh_handle, _ role: ScriptedRole) -> Bool {
    guard var exchange = exchanges[handle] else { return false }
    if exchange.deadline <= clock { exchange.breaks = "the client has waited long enough" }
    if exchange.sent < exchange.request.body.count, exchange.credit > 0 {
      let piece = Array(exchange.request.body[exchange.sent...].prefix(min(exchange.credit, 16 << 10)))
      exchange.sent += piece.count
      exchange.credit -= piece.count
      exchanges[handle] = exchange
      role.deliverHTTP(NH_HTTP_BODY, handle, exchange.token, body: piece)
      return true
    }
    if let words = exchange.breaks {
      role.deliverHTTP(NH_HTTP_FAILED, handle, exchange.token, status: NH_UNAVAILABLE, message: words)
      end(handle, "breaks off")
      return true
    }
    if exchange.sent == exchange.request.body.count, !exchange.endWasTold {
      exchange.endWasTold = true
      exchanges[handle] = exchange
      role.deliverTrailers(exchange.request.trailers, handle, exchange.token)
      return true
    }
    if exchange.wantsToWrite {
      exchange.wantsToWrite = false
      exchange.unread = 0
      exchanges[handle] = exchange
      role.deliverHTTP(NH_HTTP_WRITABLE, handle, exchange.token)
      return true
    }
    return false
  }

  func end(_ handle: nh_handle, _ words: String) {
    guard let exchange = exchanges.remove(handle) else { return }
    record("\(exchange.what) \(words): \(exchange.status), \(exchange.written) bytes")
  }

  /// The route of the predecessor that a start asks for again.
  func inheritedRoute(_ role: ScriptedRole, _ route: Route) -> UInt64? {
    guard let handover, handover.new === role, role.phase == .starting else { return nil }
    let same = routes.elements.first { handle, other in
      other.owner === handover.old && other.listener == route.listener && other.method == route.method
        && other.pattern == route.pattern && other.isRpc == route.isRpc && handover.routes[handle] == nil
    }
    if let same { self.handover?.routes[same.handle] = route.token }
    return same?.handle
  }
}
