import CNodeABI
import CSystem
import Glibc
package import HostCore
package import NodeValues
import Synchronization

/// What the node answers to a request.
package enum ControlReply: Sendable {
  case json(JSON, status: Int = 200)
  case text(String)
  case bytes([UInt8])
  case failure(ControlFailure)
  /// Lines as they were logged, and if it follows, as they will be.
  case logs(LogQuery)
}

/// HTTP/1.1 on the node's Unix socket, mode 0600. Lives on the control loop.
final class ControlServer: DescriptorWatcher {
  /// Operators and their tools, not users: a few are enough, and each costs memory.
  static let connectionLimit = 64
  /// A connection that does nothing for so long, or takes so long to send a request, is closed.
  static let idleLimitMilliseconds: Int64 = 60_000

  typealias Reply = @Sendable (ControlReply) -> Void
  typealias Handler = (ControlRequest, @escaping Reply) -> Void

  let path: String
  let loop: EventLoop
  let log: LogHub
  let handler: Handler
  /// The same from other machines, if the manifest wants it.
  private let remote: RemoteControl?
  private let listener: Int32
  private var connections: [Int32: ControlConnection] = [:]

  struct Problem: Error {
    var text: String
  }

  init(path: String, loop: EventLoop, log: LogHub, remote: RemoteControl? = nil, handler: @escaping Handler)
    throws(Problem)
  {
    self.path = path
    self.loop = loop
    self.log = log
    self.remote = remote
    self.handler = handler
    listener = try Self.listen(path)
  }

  func start() {
    loop.watch(listener, csystem_readable, self)
    remote?.start()
    let lines = LogFollowing(self)
    log.follow { lines.lineWritten() }
  }

  func close() {
    log.follow(nil)
    remote?.close()
    for connection in connections.values { connection.close() }
    loop.unwatch(listener)
    Glibc.close(listener)
    unlink(path)
  }

  func descriptorReady(_ events: UInt32) {
    while true {
      let descriptor = csystem_accept(listener)
      guard descriptor >= 0 else { return }
      guard connections.count < Self.connectionLimit else {
        Glibc.close(descriptor)
        continue
      }
      let connection = ControlConnection(descriptor, self)
      connections[descriptor] = connection
      connection.start()
    }
  }

  func forget(_ descriptor: Int32) { connections[descriptor] = nil }

  fileprivate func followersHaveNews() {
    for connection in connections.values { connection.sendNewLines() }
    remote?.sendNewLines()
  }

  // MARK: The socket

  private static func listen(_ path: String) throws(Problem) -> Int32 {
    guard var address = address(of: path) else {
      throw Problem(
        text: "control.socket: \(path) is \(path.utf8.count) bytes long, and the system allows "
          + "\(ManifestLimits.socketPath); choose a shorter path")
    }
    let descriptor = socket(
      AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { throw Problem(text: "no control socket: \(systemError())") }
    do throws(Problem) {
      try bind(descriptor, &address, path)
    } catch {
      Glibc.close(descriptor)
      throw error
    }
    return descriptor
  }

  private static func bind(_ descriptor: Int32, _ address: inout sockaddr_un, _ path: String) throws(Problem) {
    // A socket left by a node that was killed is taken over; one that answers is not.
    if isAnswered(path) { throw Problem(text: "another node answers at \(path); stop it, or use --instance") }
    try removeStale(path)
    let before = umask(0o177)
    defer { umask(before) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Glibc.bind(descriptor, $0, size) }
    }
    guard status == 0, Glibc.listen(descriptor, 64) == 0 else {
      throw Problem(text: "cannot listen at \(path): \(systemError()); check control.socket")
    }
  }

  /// Only a socket is ours to remove: a path that was mistyped may lead to somebody's file.
  private static func removeStale(_ path: String) throws(Problem) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFSOCK else {
      throw Problem(text: "\(path) is there and is not a socket; move it away, or change control.socket")
    }
    unlink(path)
  }

  private static func address(of path: String) -> sockaddr_un? {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    guard path.utf8.count <= ManifestLimits.socketPath else { return nil }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    return address
  }

  /// Whether somebody listens at a socket.
  static func isAnswered(_ path: String) -> Bool {
    guard var address = address(of: path) else { return false }
    let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    defer { Glibc.close(probe) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    return withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(probe, $0, size) == 0 }
    }
  }
}

/// Turns "a line was written" on any thread into one look by the control loop, however many lines.
private final class LogFollowing: @unchecked Sendable {
  private weak var server: ControlServer?
  private let loop: EventLoop
  private let isDue = Atomic<Bool>(false)

  init(_ server: ControlServer) {
    self.server = server
    loop = server.loop
  }

  func lineWritten() {
    guard !isDue.exchange(true, ordering: .acquiringAndReleasing) else { return }
    loop.post { [self] in
      isDue.store(false, ordering: .releasing)
      server?.followersHaveNews()
    }
  }
}
