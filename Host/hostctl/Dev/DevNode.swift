import CSystem
import Glibc
import HostCore
import NodeValues

/// The node that a session of `hostctl dev` has started.
final class DevNode {
  enum End: Equatable {
    case exited(Int32)
    case crashed(Int32)

    var words: String {
      switch self {
      case .exited(let code): "ended with exit code \(code)"
      case .crashed(let signal): "crashed (\(String(cString: strsignal(signal))))"
      }
    }
  }

  private let process: pid_t
  private(set) var end: End?
  private var socket: String?
  let started = System.monotonic

  init(_ program: String, manifest: String, folder: String) throws(CommandFailure) {
    let words = [program, "run", manifest, "--dev", "--no-watch"]
    var arguments = words.map { strdup($0) } + [nil]
    defer { for word in arguments { free(word) } }
    process = csystem_start_program(&arguments, folder, -1, SIGTERM)
    guard process > 0 else { throw CommandFailure("cannot run \(program)", System.message(errno)) }
  }

  /// Whether it has ended by now.
  func hasEnded() -> Bool {
    if end != nil { return true }
    var status: Int32 = 0
    guard waitpid(process, &status, WNOHANG) == process else { return false }
    end = status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .crashed(status & 0x7F)
    return true
  }

  func send(_ signal: Int32) { if end == nil { kill(process, signal) } }

  /// Nil while the node does not listen yet.
  private func connection() throws(CommandFailure) -> ControlConnection? {
    socket = socket ?? NodeFinder().records.first { $0.pid == process }?.socket
    guard let socket else { return nil }
    return try? ControlConnection(connecting: socket)
  }

  func ask(_ request: ControlRequest) throws(CommandFailure) -> JSON {
    guard let connection = try connection() else { throw CommandFailure("the node does not answer") }
    return try connection.ask(request, patience: ControlConnection.longPatienceSeconds)
  }

  /// The roles, once each of them runs or has failed for the first time; nil before.
  func settledRoles() -> [JSON]? {
    guard let roles = try? connection()?.ask(.roles).list("roles") else { return nil }
    return roles.allSatisfy { ["running", "failed", "stopped"].contains($0.text("state")) } ? roles : nil
  }
}
