import HostCore
import NodeValues

/// What is kept of a role over restarts: its state and its history. Each file is replaced as a whole, and is on the
/// disk when the function returns, so that a kill at any moment leaves the old one or the new one.
struct RoleArchive: Sendable {
  private static let historyLimit = 1 << 20

  let folder: String
  private let files: any StateFiles

  init(node state: String, role: String, _ files: any StateFiles) {
    folder = "\(state)/roles/\(role)"
    self.files = files
  }

  var statePath: String { "\(folder)/state" }
  private var historyPath: String { "\(folder)/history.json" }

  func readState() -> SavedState? { Self.state(at: statePath, files) }

  static func state(at path: String, _ files: any StateFiles = DiskFiles()) -> SavedState? {
    files.read(path, limit: SavedState.sizeLimit + 4096).flatMap { SavedState(file: $0, PluginFile.sha256) }
  }

  func write(_ state: SavedState) -> Bool { files.replace(statePath, state.file(PluginFile.sha256)) }

  func readHistory() -> RoleHistory {
    guard let text = files.read(historyPath, limit: Self.historyLimit), let json = try? JSON(parsing: text) else {
      return RoleHistory()
    }
    return RoleHistory(json)
  }

  /// The copies of plugins that a history of this node names, also of roles that it has no more.
  static func namedCopies(node state: String, _ files: any StateFiles) -> Set<String> {
    var copies: Set<String> = []
    for role in files.names(in: "\(state)/roles") {
      let history = RoleArchive(node: state, role: role, files).readHistory()
      copies.formUnion(history.generations.map(\.copy))
    }
    return copies
  }

  func write(_ history: RoleHistory) -> Bool { files.replace(historyPath, Array(history.json.description.utf8)) }
}
