import Glibc
import HostCore
import HostRuntime
import NodeValues

/// `nodehost schema PLUGIN.so`: what a plugin says of itself, without a node.
enum SchemaCommand {
  static func run(_ invocation: Invocation) -> ExitCode {
    let path = invocation.arguments[0]
    let scratch = ScratchFolder()
    let loader = PluginLoader(
      folders: PluginFolders([], allowsOtherPaths: true), cache: PluginCache(folder: scratch.path),
      executable: ownExecutable)
    do {
      // A name without a slash is still a file here.
      let (file, description) = try loader.describe(path.contains("/") ? path : "./\(path)")
      let schema = description.schema == .null ? ["type": "object", "additionalProperties": false] : description.schema
      Console.write((invocation.has("all") ? all(file, description) : schema).pretty + "\n")
      return .success
    } catch {
      Console.complain("nodehost: \(error)\n")
      return .failure
    }
  }

  private static func all(_ file: PluginFile, _ description: PluginDescription) -> JSON {
    let entry = RoleEntry(
      name: description.id, role: description.id, plugin: file.path, version: description.version,
      language: file.note.languageName, state: "", health: "")
    var whole = RoleDescription(entry)
    Node.fill(&whole, description, file)
    guard var object = whole.json.object else { return whole.json }
    // What only a running role has.
    for key in ["state", "health", "reason", "uptime_ms", "generation", "isolation", "loop", "restarts"] {
      object[key] = nil
    }
    return .object(object)
  }
}

/// A folder for private copies of plugins, for as long as a command runs.
final class ScratchFolder {
  let path: String

  init() {
    var template = Array("/tmp/nodehost-XXXXXX".utf8CString)
    path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
  }

  deinit {
    guard path != "/tmp" else { return }
    for name in filesIn(path) { unlink("\(path)/\(name)") }
    rmdir(path)
  }
}
