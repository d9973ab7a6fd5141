import HostCore

/// Stands where a role was that may come back.
final class AbsentRole: RequestTarget {
  private let name: String
  private let isRpc: Bool

  init(_ name: String, isRpc: Bool = false) { (self.name, self.isRpc) = (name, isRpc) }

  func home(awayFrom loop: EventLoop) -> EventLoop? { nil }

  func begin(_ exchange: ServerExchange) {
    let words = "\(name) is not there"
    guard isRpc else { return RoleRoute.refuse(exchange, words) }
    guard RpcServerCall.understand(exchange) else { return }
    GrpcHead.refuse(exchange, GrpcStatus.unavailable, words)
  }
}
