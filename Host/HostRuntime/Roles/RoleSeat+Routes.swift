import HostCore

/// A route of a role on a listener.
struct SeatRoute: Equatable {
  var listener: String
  var method: String
  var pattern: RoutePattern
  /// The service of gRPC that it is a part of, if it is one.
  var rpcService: String?
  /// The listener's number for it; nil while it rests.
  var id: UInt64?

  static func == (left: SeatRoute, right: SeatRoute) -> Bool {
    left.listener == right.listener && left.method == right.method && left.pattern == right.pattern
      && left.rpcService == right.rpcService
  }
}

extension RoleSeat {
  /// Nil if another role has it, or there is no such listener.
  func addRoute(_ owner: RoleInstance, _ route: SeatRoute, token: UInt64) -> UInt64? {
    if let handover, handover.new === owner, gate == .moving,
      let handle = routes.inherit(route, from: handover.old, token: token)
    {
      return handle
    }
    guard let handle = routes.insert(owner, route, token: token) else { return nil }
    guard let id = open(route, handle) else {
      _ = routes.remove(owner, handle)
      return nil
    }
    routes.update(handle) { $0.id = id }
    return handle
  }

  private func open(_ route: SeatRoute, _ handle: UInt64) -> UInt64? {
    let target: any RequestTarget =
      route.rpcService.map { RpcRoute(seat: self, handle: handle, service: $0) }
      ?? RoleRoute(seat: self, handle: handle)
    return node.http.listener(route.listener)?.add(method: route.method, route.pattern, target)
  }

  /// False if there is no such route.
  func removeRoute(_ owner: RoleInstance, _ handle: UInt64) -> Bool {
    switch routes.remove(owner, handle) {
    case .removed(let route): close(route)
    case .notInherited: break
    case .unknown: return false
    }
    return true
  }

  private func close(_ route: SeatRoute) {
    if let id = route.id { node.http.listener(route.listener)?.remove(id) }
  }

  // MARK: Swaps

  func flipRoutes(from old: RoleInstance, to new: RoleInstance) {
    for (handle, route) in routes.flip(from: old, to: new) {
      close(route)
      routes.update(handle) { $0.id = nil }
    }
  }

  func revertRoutes(from new: RoleInstance, to old: RoleInstance) {
    // The new build's own first: one of them may stand where one of the old build's belongs.
    releaseRoutes(new, keepingInherited: true)
    for (handle, route) in routes.revert(from: new, to: old) {
      let id = open(route, handle)
      routes.update(handle) { $0.id = id }
    }
  }

  func releaseRoutes(_ owner: RoleInstance, keepingInherited: Bool = false) {
    let mayReturn = !keepingInherited && isLast(owner)
    for route in routes.release(owner, keepingInherited: keepingInherited) {
      guard mayReturn, let id = route.id else {
        close(route)
        continue
      }
      let absent = AbsentRole(name, isRpc: route.rpcService != nil)
      node.http.listener(route.listener)?.remove(id, keptFor: name, by: absent)
    }
  }

  /// Whether nobody serves the role when this build has gone: until it is known whether one will, its places are kept.
  func isLast(_ owner: RoleInstance) -> Bool { current == nil || current === owner }
}

/// Brings the requests on a role's route to its home loop, whichever build sits there.
final class RoleRoute: RequestTarget {
  private let seat: RoleSeat
  private let handle: UInt64

  init(seat: RoleSeat, handle: UInt64) {
    self.seat = seat
    self.handle = handle
  }

  func home(awayFrom loop: EventLoop) -> EventLoop? { seat.loop === loop ? nil : seat.loop }

  func begin(_ exchange: ServerExchange) {
    if exchange.loop === seat.loop {
      guard seat.gate == .open else { return wait(exchange) }
      deliver(exchange)
    } else if !seat.enqueue({ [self] _ in deliver(exchange) }) {
      Self.refuse(exchange, "\(seat.name) has too much to do")
    }
  }

  private func wait(_ exchange: ServerExchange) {
    guard seat.held.count < seat.limits.queue else { return Self.refuse(exchange, "\(seat.name) has too much to do") }
    seat.pass(.open) { [self] in deliver(exchange) }
  }

  /// The seat's loop.
  private func deliver(_ exchange: ServerExchange) {
    guard let role = seat.current, let token = seat.routes.token(handle, of: role) else {
      return Self.refuse(exchange, "\(seat.name) is not there")
    }
    role.begin(exchange, token: token)
  }

  /// From any loop.
  static func refuse(_ exchange: ServerExchange, _ words: String) {
    exchange.onItsLoop { $0.refuse(503, words, headers: [("retry-after", "1")]) }
  }
}
