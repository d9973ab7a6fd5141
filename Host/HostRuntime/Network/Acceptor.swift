import CSystem
import Glibc
import HostCore

/// A listening socket on one loop. With one on each loop at the same address the system deals the connections out.
final class Acceptor: Accepting, DescriptorWatcher, TimerTarget {
  static let backlog: Int32 = 1_024
  /// Connections taken in one turn before others have theirs.
  private static let acceptBudget = 64
  /// When no descriptors are left, others may end meanwhile.
  private static let breathMilliseconds: Int64 = 100

  typealias Accepted = (_ descriptor: Int32, _ from: SocketAddress) -> Void

  let descriptor: Int32
  private let loop: EventLoop
  private let accepted: Accepted
  /// Told once each time when connections cannot be taken.
  private let troubled: (NetworkFailure) -> Void
  private var isResting = false

  init(
    _ descriptor: Int32, on loop: EventLoop, _ accepted: @escaping Accepted,
    troubled: @escaping (NetworkFailure) -> Void
  ) {
    self.descriptor = descriptor
    self.loop = loop
    self.accepted = accepted
    self.troubled = troubled
  }

  deinit { Glibc.close(descriptor) }

  func start() { loop.watch(descriptor, csystem_readable, self) }

  /// Takes no more; those that came stay.
  func stop() { loop.unwatch(descriptor) }

  func descriptorReady(_ events: UInt32) {
    for _ in 0..<Self.acceptBudget {
      var from = csystem_address()
      let connection = csystem_accept_from(descriptor, &from)
      guard connection < 0 else {
        accepted(connection, SocketAddress(from))
        continue
      }
      switch errno {
      case EAGAIN: return
      case EMFILE, ENFILE, ENOBUFS, ENOMEM: return rest()
      default: continue
      }
    }
  }

  private func rest() {
    troubled(.system("cannot take a connection; raise the limit of open files (ulimit -n)"))
    loop.unwatch(descriptor)
    _ = loop.setTimer(after: Self.breathMilliseconds * 1_000_000, self)
  }

  func timerFired(_ timer: UInt64, token: UInt64) { start() }

  /// A port that the system chose may be gone before all have it: then it chooses anew.
  private static let choices = 16

  /// One socket for each loop, all at one address; a port that the system chose is the same for all.
  static func sockets(_ endpoint: Endpoint, count: Int) throws(NetworkFailure) -> [Int32] {
    var choicesLeft = endpoint.port == 0 ? choices : 1
    while true {
      choicesLeft -= 1
      do throws(NetworkFailure) { return try socketsOnce(endpoint, count: count) } catch {
        guard choicesLeft > 0 else { throw error }
      }
    }
  }

  private static func socketsOnce(_ endpoint: Endpoint, count: Int) throws(NetworkFailure) -> [Int32] {
    guard var address = try SocketAddress.resolve(endpoint, toListen: true).first else { return [] }
    // Shared addresses are shared with any process of the same user. One that is not tells if another has it already.
    let probe = try listen(address, endpoint, isShared: false)
    address = SocketAddress.local(of: probe) ?? address
    Glibc.close(probe)
    var sockets: [Int32] = []
    do throws(NetworkFailure) {
      for _ in 0..<count { sockets.append(try listen(address, endpoint, isShared: true)) }
    } catch {
      for socket in sockets { Glibc.close(socket) }
      throw error
    }
    return sockets
  }

  private static func listen(_ address: SocketAddress, _ endpoint: Endpoint, isShared: Bool) throws(NetworkFailure)
    -> Int32
  {
    let socket = withUnsafePointer(to: address.raw) { csystem_listen($0, backlog, isShared ? 1 : 0) }
    guard socket >= 0 else { throw .system("cannot listen at \(endpoint)") }
    return socket
  }
}
