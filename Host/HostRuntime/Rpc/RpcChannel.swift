import HostCore

/// Where calls of a role go: the connections there, and for how long after a failure nobody tries again.
final class RpcChannel {
  static let limit = 16_384
  private static let firstBackoff: Int64 = 200_000_000
  private static let lastBackoff: Int64 = 30_000_000_000

  let origin: ClientOrigin
  let authority: String
  let isSecure: Bool
  private var failures = 0
  private(set) var notBefore: Int64 = 0
  private(set) var lastWords = ""

  init(_ origin: ClientOrigin, isSecure: Bool) {
    self.origin = origin
    self.isSecure = isSecure
    authority = origin.address.authority
  }

  /// Nobody could be reached.
  func failed(_ words: String) {
    notBefore = EventLoop.now() + RetryPause.nanoseconds(failures, from: Self.firstBackoff, to: Self.lastBackoff)
    failures += 1
    lastWords = words
  }

  func succeeded() {
    failures = 0
    notBefore = 0
  }
}

extension RoleInstance {
  /// The channel to "http://host:port" or "https://host:port".
  func channel(to target: String) throws(GrpcFault) -> RpcChannel {
    if let known = rpcChannels[target] { return known }
    let isSecure = target.hasPrefix("https://")
    guard isSecure || target.hasPrefix("http://"),
      let endpoint = Endpoint(String(target.dropFirst(isSecure ? 8 : 7))), endpoint.port != 0
    else {
      throw GrpcFault(GrpcStatus.invalidArgument, "`\(target)` is no http://host:port and no https://host:port")
    }
    var address = ClientAddress(host: endpoint.host, port: endpoint.port, wire: .http2)
    if isSecure {
      do throws(NetworkFailure) { address.tls = try node.clients.tls() } catch {
        throw GrpcFault(GrpcStatus.unavailable, error.words)
      }
    }
    if rpcChannels.count >= RpcChannel.limit { forgetUnusedChannels() }
    guard rpcChannels.count < RpcChannel.limit, let origin = node.clients.pool(on: loop).origin(address) else {
      throw GrpcFault(GrpcStatus.resourceExhausted, "\(name) calls more than \(RpcChannel.limit) addresses")
    }
    let channel = RpcChannel(origin, isSecure: isSecure)
    rpcChannels[target] = channel
    return channel
  }

  /// Those to which nothing is open, and that need not be remembered as failing.
  private func forgetUnusedChannels() {
    let now = EventLoop.now()
    rpcChannels = rpcChannels.filter { !$0.value.origin.isUnused || $0.value.notBefore > now }
  }
}
