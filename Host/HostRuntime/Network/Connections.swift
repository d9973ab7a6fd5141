import CSystem
import Glibc
package import HostCore

/// Where a node's HTTP connections come from: the system, or a simulated world.
package protocol Connections: AnyObject, Sendable {
  /// Takes an address, with a share for each of so many loops.
  func open(_ endpoint: Endpoint, shares: Int, isSecure: Bool) throws(NetworkFailure) -> any OpenPort
  /// Finds the addresses of a name; the answer comes on `loop`, perhaps at once.
  func resolve(_ host: String, _ port: UInt16, on loop: EventLoop, _ told: @escaping @Sendable (Addresses) -> Void)
  /// A stream that is on its way to an address.
  func connect(_ address: SocketAddress, on loop: EventLoop, _ secret: ClientSecret?) throws(NetworkFailure) -> Stream
  /// Nothing is looked up any more.
  func end()
  /// False where nobody can listen in: certificates and keys are not even read.
  var usesTLS: Bool { get }
  /// Told of each request that has ended, in the place of access logs.
  var watcher: (@Sendable (EndedRequest) -> Void)? { get }
}

package typealias Addresses = Result<[SocketAddress], NetworkFailure>

/// An address at which connections come in.
package protocol OpenPort: AnyObject, Sendable {
  var address: SocketAddress { get }
  /// The share of one loop, made once for each. `troubled` is told once each time when connections cannot be taken.
  func share(
    _ place: Int, on loop: EventLoop, _ accepted: @escaping (Incoming, SocketAddress) -> Void,
    troubled: @escaping (NetworkFailure) -> Void
  ) -> any Accepting
}

/// One loop's share of an open port.
package protocol Accepting: AnyObject {
  func start()
  /// Takes no more; those that came stay.
  func stop()
}

/// A connection that has come in.
package enum Incoming {
  case socket(Int32)
  case wire(any StreamWire)

  func refuse() {
    switch self {
    case .socket(let descriptor): Glibc.close(descriptor)
    case .wire(let wire): wire.close()
    }
  }

  func stream(on loop: EventLoop, _ tls: TLSSource?) -> Stream {
    switch self {
    case .socket(let descriptor):
      let session = tls.map { TLSSession($0.context, descriptor: descriptor, isServer: true) }
      return Stream(descriptor, on: loop, tls: session)
    case .wire(let wire): return Stream(wire, on: loop)
    }
  }
}

/// How a connection to another server is to be kept secret.
package struct ClientSecret {
  let tls: ClientTLS
  let wire: ClientAddress.Wire
  let name: String

  /// The protocols that are offered, the most welcome first.
  package var protocols: [String] { wire.protocols }
}

/// A request to a listener and what became of it.
package struct EndedRequest: Sendable {
  package var listener: String
  package var method: String
  package var target: String
  package var status: Int
  package var bytes: Int
  package var isWhole: Bool

  init(_ exchange: ServerExchange, _ listener: String) {
    let head = exchange.head
    self.listener = listener
    method = head.string(head.method)
    target = head.string(head.target)
    status = exchange.status
    bytes = exchange.bodySent
    isWhole = exchange.answer == .whole
  }
}

/// The system's own connections.
final class SystemConnections: Connections {
  private let resolver = Resolver()

  func open(_ endpoint: Endpoint, shares: Int, isSecure: Bool) throws(NetworkFailure) -> any OpenPort {
    try SystemPort(endpoint, shares: shares)
  }

  func resolve(_ host: String, _ port: UInt16, on loop: EventLoop, _ told: @escaping @Sendable (Addresses) -> Void) {
    resolver.resolve(host, port, on: loop, told)
  }

  func connect(_ address: SocketAddress, on loop: EventLoop, _ secret: ClientSecret?) throws(NetworkFailure) -> Stream {
    let descriptor = withUnsafePointer(to: address.raw) { csystem_connect($0) }
    guard descriptor >= 0 else { throw .system("cannot connect") }
    let tls = secret.map {
      TLSSession($0.tls.context($0.wire), descriptor: descriptor, isServer: false, name: $0.name)
    }
    return Stream(descriptor, on: loop, tls: tls, isConnecting: true)
  }

  func end() { resolver.end() }
  var usesTLS: Bool { true }
  var watcher: (@Sendable (EndedRequest) -> Void)? { nil }
}

/// Listening sockets, one for each loop; the system deals the connections out.
private final class SystemPort: OpenPort, @unchecked Sendable {
  private let sockets: [Int32]
  let address: SocketAddress

  init(_ endpoint: Endpoint, shares: Int) throws(NetworkFailure) {
    sockets = try Acceptor.sockets(endpoint, count: shares)
    address = SocketAddress.local(of: sockets[0])!
  }

  func share(
    _ place: Int, on loop: EventLoop, _ accepted: @escaping (Incoming, SocketAddress) -> Void,
    troubled: @escaping (NetworkFailure) -> Void
  ) -> any Accepting {
    Acceptor(sockets[place], on: loop, { accepted(.socket($0), $1) }, troubled: troubled)
  }
}
