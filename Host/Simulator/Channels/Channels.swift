import Glibc
import HostRuntime

/// All connections of a world, and how they come about.
final class Channels {
  /// Users are at an address that is nobody's (RFC 5737).
  private static let outside = "192.0.2.1"
  private static let firstClientPort = 32_768, clientPorts = 28_000
  /// An attempt to connect that nobody answers is made again, after twice as long each time.
  private static let firstWait: Int64 = 1_000_000_000
  private static let attempts = 6

  unowned let network: Network
  var world: World { network.world }
  /// In the order in which they came.
  private var all: [Channel] = []
  private var ports = 0

  init(_ network: Network) { self.network = network }

  func isCut(_ from: ChannelEnd, _ to: ChannelEnd) -> Bool { isCut(from.home, to.home) }

  /// Users reach every machine, and every machine them.
  private func isCut(_ from: SimNode?, _ to: SimNode?) -> Bool {
    guard let from, let to, from !== to else { return false }
    return network.isCut(from.id, to.id)
  }

  // MARK: Connecting

  struct Target {
    /// Nil if nobody has the address.
    var node: SimNode?
    var address: SocketAddress
  }

  /// A user takes what the port has, with TLS or without.
  enum Wish {
    case plain
    /// The protocols that are offered.
    case secret([String])
    case whatever

    func fits(_ port: SimPort) -> Bool {
      switch self {
      case .plain: !port.isSecure
      case .secret: port.isSecure
      case .whatever: true
      }
    }

    var chosenProtocol: String? { if case .secret(let offered) = self { offered.first } else { nil } }
    var isSecret: Bool { if case .secret = self { true } else { false } }
  }

  func connect(from home: SimNode?, to target: Target, _ wish: Wish) -> ChannelEnd {
    let end = ChannelEnd(
      of: home, to: target.address.description, isConnected: false, isSecure: wish.isSecret,
      chosen: wish.chosenProtocol)
    let channel = Channel(from: end, self)
    all.append(channel)
    let port = Self.firstClientPort + ports % Self.clientPorts
    ports += 1
    // From itself to itself, a machine speaks as the one that it was asked for.
    let own = home.map { $0 === target.node ? target.address.host : $0.ip } ?? Self.outside
    let from = SocketAddress(literal: own, port: UInt16(port))!
    world.after(network.takes()) { [self] in attempt(channel, target, wish, from, 0) }
    return end
  }

  private func attempt(_ channel: Channel, _ target: Target, _ wish: Wish, _ from: SocketAddress, _ number: Int) {
    let client = channel.client
    guard client.state == .open else { return }
    guard let node = target.node else { return refuse(client, EHOSTUNREACH) }
    guard !node.isDark, !isCut(client.home, node), !isCut(node, client.home) else {
      guard number < Self.attempts else { return client.broke(ETIMEDOUT) }
      return world.after(Self.firstWait << Int64(number)) { [self] in attempt(channel, target, wish, from, number + 1) }
    }
    guard let port = node.process?.connections.port(target.address.port) else { return refuse(client, ECONNREFUSED) }
    guard wish.fits(port) else { return refuse(client, ECONNRESET) }
    let server = ChannelEnd(
      of: node, to: from.description, isConnected: true, isSecure: port.isSecure, chosen: client.chosenProtocol)
    channel.meet(server)
    port.take(server, from: from)
  }

  private func refuse(_ client: ChannelEnd, _ error: Int32) {
    world.after(network.takes()) { client.broke(error) }
  }

  // MARK: What happens to machines and wires

  func wasHealed(from: UInt32, to: UInt32) {
    for channel in all where joins(channel, from, to) { channel.goOn() }
  }

  private func joins(_ channel: Channel, _ one: UInt32, _ other: UInt32) -> Bool {
    guard let client = channel.client.home?.id, let server = channel.server?.home?.id else { return false }
    return (client, server) == (one, other) || (client, server) == (other, one)
  }

  /// `says`: the machine is still there, and closes what its process has left.
  func vanished(_ node: SimNode, says: Bool) {
    for channel in all {
      if channel.client.home === node { channel.client.vanish(says: says) }
      if let server = channel.server, server.home === node { server.vanish(says: says) }
    }
  }

  func cameBack(_ node: SimNode) {
    for channel in all {
      for end in [channel.client, channel.server].compactMap(\.self) where end.home === node && end.state == .dark {
        channel.machineIsBack(end)
      }
    }
  }

  func remove(_ channel: Channel) { all.removeAll { $0 === channel } }

  func end() { all = [] }
}
