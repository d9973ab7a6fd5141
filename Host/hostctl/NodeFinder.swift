import Glibc
import HostCore
import NodeSchema
import NodeValues

/// Finds the node to talk to among those that run on this machine.
struct NodeFinder {
  /// A record with whether its node still listens.
  struct Entry {
    var record: NodeRecord
    var isAlive: Bool
  }

  let folder: String
  /// Why records were passed over.
  private(set) var warnings: [String] = []
  private(set) var records: [NodeRecord] = []

  init() {
    folder = RuntimeFolder.path(userID: getuid(), environment: System.environment)
    var status = stat()
    guard lstat(folder, &status) == 0 else { return }
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    let distrust = RuntimeFolder.distrust(
      isFolder: isFolder, ownerID: status.st_uid, mode: status.st_mode, userID: getuid())
    if let distrust {
      warnings.append("\(folder) is ignored: \(distrust)")
      return
    }
    let names = System.names(in: folder).filter { $0.hasSuffix(RuntimeFolder.recordEnding) }
    for name in names.prefix(RuntimeFolder.recordCountLimit) {
      let file = try? System.read("\(folder)/\(name)", limit: RuntimeFolder.recordLimit)
      if let record = file.flatMap(NodeRecord.init(file:)) {
        records.append(record)
      } else {
        warnings.append("\(folder)/\(name) is ignored: it is not a node's record")
      }
    }
    records.sort { $0.name < $1.name }
  }

  var entries: [Entry] { records.map { Entry(record: $0, isAlive: ControlConnection.isAlive($0.socket)) } }

  /// The connection that the options, else the environment, else the only running node stand for.
  static func connect(_ invocation: Invocation) throws(CommandFailure) -> ControlConnection {
    if let address = invocation.value("at") { return try connect(at: address, invocation) }
    if let socket = invocation.value("socket") { return try connect(to: socket) }
    if let name = invocation.value("node") { return try NodeFinder().connect(named: name) }
    if let address = System.set("NODEHOST_AT") { return try connect(at: address, invocation) }
    if let socket = System.set("NODEHOST_SOCKET") { return try connect(to: socket) }
    if let name = System.set("NODEHOST_NODE") { return try NodeFinder().connect(named: name) }
    return try NodeFinder().connectToOnly()
  }

  private static func connect(at address: String, _ invocation: Invocation) throws(CommandFailure) -> ControlConnection
  {
    try ControlConnection(connecting: RemoteNode(address, invocation))
  }

  func warn() { for warning in warnings { Output.complain("hostctl: warning: \(TextLayout.harmless(warning))\n") } }

  private static let howToStart = "Start one with: nodehost run MANIFEST"

  private func connect(named name: String) throws(CommandFailure) -> ControlConnection {
    warn()
    if let record = records.first(where: { $0.name == name }) {
      do { return try ControlConnection(connecting: record.socket) } catch {
        throw CommandFailure(
          "the node \(name) is not running", Self.explain(error.code, record.socket), remedy: Self.remedy(error.code))
      }
    }
    let alive = entries.filter(\.isAlive).map(\.record.name)
    let near = nearestWord(to: name, among: alive).map { "; did you mean \"\($0)\"?" } ?? ""
    let others = alive.isEmpty ? "no node is running" : "running are \(alive.joined(separator: ", "))"
    throw CommandFailure("there is no node \"\(name)\"", others + near, remedy: alive.isEmpty ? Self.howToStart : nil)
  }

  private func connectToOnly() throws(CommandFailure) -> ControlConnection {
    warn()
    let alive = entries.filter(\.isAlive).map(\.record)
    switch alive.count {
    case 1:
      do { return try ControlConnection(connecting: alive[0].socket) } catch {
        throw CommandFailure(
          "cannot talk to the node \(alive[0].name)", Self.explain(error.code, alive[0].socket),
          remedy: Self.remedy(error.code))
      }
    case 0:
      let place = "looked in \(folder)" + (records.isEmpty ? "" : "; hostctl nodes shows those that are gone")
      throw CommandFailure("no node is running", place, remedy: Self.howToStart)
    default:
      let names = alive.map { "\($0.name) (\($0.manifest))" }.joined(separator: ", ")
      throw CommandFailure(
        "several nodes are running", names, remedy: "Say which: hostctl --node \(alive[0].name) …, or set NODEHOST_NODE"
      )
    }
  }

  private static func connect(to socket: String) throws(CommandFailure) -> ControlConnection {
    do { return try ControlConnection(connecting: socket) } catch {
      throw CommandFailure(
        "cannot connect to \(socket)", explain(error.code, socket), remedy: remedy(error.code))
    }
  }

  private static func explain(_ code: Int32, _ socket: String) -> String {
    switch code {
    case ENOENT: "there is no such socket"
    case ECONNREFUSED: "nobody listens there: the node that made the socket has ended"
    case EACCES, EPERM: "permission denied: the socket belongs to another user"
    case EAGAIN: "the node does not accept connections just now: too many are waiting"
    case ENAMETOOLONG: "a socket's path has at most 107 bytes, and this one has \(socket.utf8.count)"
    default: System.message(code)
    }
  }

  private static func remedy(_ code: Int32) -> String? {
    switch code {
    case ENOENT, ECONNREFUSED: "hostctl nodes lists the nodes that run. " + howToStart
    case EACCES, EPERM: "Run hostctl as the user who runs the node."
    default: nil
    }
  }
}
