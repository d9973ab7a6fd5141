import CNodeABI
import HostCore

/// A target that is a part of a service of gRPC.
protocol RpcServing {
  /// "package.Service".
  var service: String { get }
  /// Nil for what the host answers itself.
  var roleName: String? { get }
}

/// Brings the calls of a service to the home loop of its role, whichever build sits there.
final class RpcRoute: RequestTarget, RpcServing {
  private let seat: RoleSeat
  private let handle: UInt64
  let service: String

  init(seat: RoleSeat, handle: UInt64, service: String) {
    self.seat = seat
    self.handle = handle
    self.service = service
  }

  var roleName: String? { seat.name }

  func home(awayFrom loop: EventLoop) -> EventLoop? { seat.loop === loop ? nil : seat.loop }

  func begin(_ exchange: ServerExchange) {
    guard RpcServerCall.understand(exchange) else { return }
    if exchange.loop === seat.loop {
      if seat.gate == .open { return deliver(exchange) }
      guard seat.held.count < seat.limits.queue else { return refuse(exchange) }
      seat.pass(.open) { [self] in deliver(exchange) }
    } else if !seat.enqueue({ [self] _ in deliver(exchange) }) {
      refuse(exchange)
    }
  }

  private func refuse(_ exchange: ServerExchange) {
    GrpcHead.refuse(exchange, GrpcStatus.resourceExhausted, "\(seat.name) has too much to do")
  }

  /// The seat's loop.
  private func deliver(_ exchange: ServerExchange) {
    guard let role = seat.current, let token = seat.routes.token(handle, of: role), role.isLive, !role.isDraining else {
      let words = "\(seat.name) is not there"
      return exchange.onItsLoop { GrpcHead.refuse($0, GrpcStatus.unavailable, words) }
    }
    RpcServerCall.begin(exchange, for: role, token: token)
  }
}
