import Glibc
import HostCore

/// The commands that nodehost itself does: hostctl becomes it, with the same words.
enum NodehostCommands {
  static func become(_ invocation: Invocation) throws(CommandFailure) -> Never {
    let json = invocation.has("json") ? ["--json"] : []
    var pointers = (["nodehost", invocation.command] + json + invocation.arguments).map { strdup($0) } + [nil]
    // Only what lies beside this file is sure to fit it.
    if let beside = System.besideThis("nodehost"), access(beside, X_OK) == 0 { execv(beside, &pointers) }
    execvp("nodehost", &pointers)
    throw CommandFailure(
      "cannot run nodehost \(invocation.command)", System.message(errno),
      remedy: "nodehost belongs beside hostctl, or into a folder of PATH.")
  }
}
