import CSystem
import HostCore
import NodeValues

/// `hostctl key new`: a key for a cluster.
enum KeyCommand {
  /// As long as what is derived from it; more would add nothing.
  private static let length = 32
  private static let usualPath = "cluster.key"

  static func run(_ invocation: Invocation) throws(CommandFailure) {
    guard invocation.arguments[0] == "new" else {
      throw CommandFailure(
        "key takes new, not \"\(invocation.arguments[0])\"", remedy: "See hostctl key --help.", code: .usage)
    }
    let path = invocation.arguments.count > 1 ? invocation.arguments[1] : usualPath
    var key = [UInt8](repeating: 0, count: length)
    guard csystem_random(&key, key.count) == 0 else { throw CommandFailure("the system gives no random bytes") }
    try System.writeNew(path, Array((Base64.encode(key) + "\n").utf8), mode: 0o600)
    if invocation.has("json") { return try Output.json(["file": .string(System.absolute(path))]) }
    let name = path.hasPrefix("/") || path.hasPrefix("./") || path.hasPrefix("../") ? path : "./\(path)"
    try Output.write(
      """
      \(path) is a new key. Copy it to every node of the cluster, readable by nobody else, and write there:
        cluster: { key: "${file:\(name)}", peers: { ID: "HOST:PORT" } }
        listen: { peers: { address: "0.0.0.0:PORT" } }

      """)
  }
}
