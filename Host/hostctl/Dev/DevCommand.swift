import Glibc
import HostCore

/// `hostctl dev DIR`: a role's project, built and running while it is edited.
enum DevCommand {
  static func run(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let folder = invocation.arguments.first ?? "."
    let project = try RoleProject(folder)
    let manifest = invocation.value("manifest").map(System.absolute) ?? "\(project.folder)/node.yaml"
    guard System.exists(manifest) else {
      throw CommandFailure(
        "there is no manifest \(manifest)", remedy: "Write one, or name another with --manifest; hostctl new makes one."
      )
    }
    guard let nodehost = System.besideThis("nodehost"), access(nodehost, X_OK) == 0 else {
      throw CommandFailure("there is no nodehost beside hostctl", remedy: "It belongs into the same folder.")
    }
    let session = try DevSession(project, manifest: System.resolved(manifest) ?? manifest, nodehost)
    session.run()
    return .success
  }
}
