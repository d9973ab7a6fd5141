import HostCore
import HostRuntime

/// The ports of one process, and its way to others'.
final class SimConnections: Connections, @unchecked Sendable {
  /// For ports that the manifest leaves to the system.
  private static let firstFreePort: UInt16 = 49_152

  private unowned let node: SimNode
  private var ports: [SimPort] = []
  private var isGone = false

  init(_ node: SimNode) { self.node = node }

  private var channels: Channels { node.world.network.channels }
  var usesTLS: Bool { false }
  func end() {}

  // MARK: Ports

  func open(_ endpoint: Endpoint, shares: Int, isSecure: Bool) throws(NetworkFailure) -> any OpenPort {
    let number = endpoint.port != 0 ? endpoint.port : Self.firstFreePort + UInt16(ports.count)
    guard port(number) == nil else { throw NetworkFailure("port \(number) is taken by another listener") }
    let port = SimPort(SocketAddress(literal: node.ip, port: number)!, isSecure: isSecure, in: node.world)
    ports.append(port)
    return port
  }

  func port(_ number: UInt16) -> SimPort? { isGone ? nil : ports.first { $0.address.port == number } }

  /// The port of a listener. They were opened in the order of the manifest.
  func port(of listener: String) -> SimPort? {
    let names = node.plan.manifest.listeners.map(\.name).filter { $0 != Listener.peersName }
    return names.firstIndex(of: listener).flatMap { $0 < ports.count ? ports[$0] : nil }
  }

  var watcher: (@Sendable (EndedRequest) -> Void)? {
    let node = Carried(node)
    return { request in
      let node = node.value, world = node.world
      let outcome = request.isWhole ? "\(request.status), \(request.bytes) bytes" : "broken off"
      let words = "\(request.listener) \(request.method) \(request.target): \(outcome)"
      world.trace.note(.request, world.now, node.number, Trace.number(of: words), words)
    }
  }

  // MARK: Others

  /// Names are those of the deployment: what nodes are called, and how their peers' manifests call their machines.
  func resolve(_ host: String, _ port: UInt16, on loop: EventLoop, _ told: @escaping @Sendable (Addresses) -> Void) {
    let literal = host == "localhost" ? "127.0.0.1" : host
    if let address = SocketAddress(literal: literal, port: port) { return told(.success([address])) }
    guard let found = node.world.node(atHost: host), let address = SocketAddress(literal: found.ip, port: port) else {
      return told(.failure(NetworkFailure("\(host) has no address: no node of the deployment is called so")))
    }
    told(.success([address]))
  }

  func connect(_ address: SocketAddress, on loop: EventLoop, _ secret: ClientSecret?) throws(NetworkFailure) -> Stream {
    let host = address.host
    let isOwn = host.hasPrefix("127.") || host == "::1" || host == node.ip
    let target = Channels.Target(node: isOwn ? node : node.world.nodes.first { $0.ip == host }, address: address)
    let wish = secret.map { Channels.Wish.secret($0.protocols) } ?? .plain
    return Stream(channels.connect(from: node, to: target, wish), on: loop, isConnecting: true)
  }

  func vanish(says: Bool) {
    isGone = true
    channels.vanished(node, says: says)
    ports = []
  }
}

/// An open port, whose connections go to one loop or another by chance, as the system deals them out.
final class SimPort: OpenPort, @unchecked Sendable {
  let address: SocketAddress
  let isSecure: Bool
  private unowned let world: World
  private var shares: [Share] = []

  init(_ address: SocketAddress, isSecure: Bool, in world: World) {
    (self.address, self.isSecure, self.world) = (address, isSecure, world)
  }

  func share(
    _ place: Int, on loop: EventLoop, _ accepted: @escaping (Incoming, SocketAddress) -> Void,
    troubled: @escaping (NetworkFailure) -> Void
  ) -> any Accepting {
    let share = Share(loop, accepted)
    shares.append(share)
    return share
  }

  func take(_ end: ChannelEnd, from: SocketAddress) {
    shares[Int.random(in: 0..<shares.count, using: &world.chance)].take(end, from: from)
  }

  /// What comes before the node takes connections, or when it takes no more, waits with the system.
  private final class Share: Accepting, @unchecked Sendable {
    private let loop: EventLoop
    private let accepted: (Incoming, SocketAddress) -> Void
    private var backlog: [(end: ChannelEnd, from: SocketAddress)] = []
    private var isStarted = false

    init(_ loop: EventLoop, _ accepted: @escaping (Incoming, SocketAddress) -> Void) {
      (self.loop, self.accepted) = (loop, accepted)
    }

    func take(_ end: ChannelEnd, from: SocketAddress) {
      backlog.append((end, from))
      if isStarted { loop.post { [self] in acceptAll() } }
    }

    private func acceptAll() {
      while isStarted, !backlog.isEmpty {
        let (end, from) = backlog.removeFirst()
        accepted(.wire(end), from)
      }
    }

    func start() {
      isStarted = true
      loop.post { [self] in acceptAll() }
    }

    func stop() { isStarted = false }
  }
}
