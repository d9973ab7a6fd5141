import Glibc
import HostCore

/// The commands that nodehost itself does: hostctl becomes it, with the same words.
enum NodehostCommands {
  static func become(_ invocation: Invocation) throws(CommandFailure) -> Never {
    let json = invocation.has("json") ? ["--json"] : []
    var pointers = (["nodehost", invocation.command] + json + invocation.arguments).map { strdup($0) } + [nil]
    // Only what lies beside this file is sure to fit it.
    if let beside = besideThis("nodehost"), access(beside, X_OK) == 0 { execv(beside, &pointers) }
    execvp("nodehost", &pointers)
    throw CommandFailure(
      "cannot run nodehost \(invocation.command)", System.message(errno),
      remedy: "nodehost belongs beside hostctl, or into a folder of PATH.")
  }

  private static func besideThis(_ name: String) -> String? {
    var path = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = path.withUnsafeMutableBytes { readlink("/proc/self/exe", $0.baseAddress!, $0.count) }
    guard count > 0, let slash = path[..<count].lastIndex(of: UInt8(ascii: "/")) else { return nil }
    return String(decoding: path[...slash], as: UTF8.self) + name
  }
}
