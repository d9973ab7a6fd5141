import Glibc
import HostCore
import NodeValues

/// What is kept of a role over restarts: its state and its history. Each file is replaced as a whole, and is on the
/// disk when the function returns, so that a kill at any moment leaves the old one or the new one.
struct RoleArchive: Sendable {
  private static let historyLimit = 1 << 20

  let folder: String

  init(node state: String, role: String) { folder = "\(state)/roles/\(role)" }

  var statePath: String { "\(folder)/state" }
  private var historyPath: String { "\(folder)/history.json" }

  func readState() -> SavedState? { Self.state(at: statePath) }

  static func state(at path: String) -> SavedState? {
    readFile(path, limit: SavedState.sizeLimit + 4096).flatMap { SavedState(file: $0, PluginFile.sha256) }
  }

  func write(_ state: SavedState) -> Bool { replace(statePath, state.file(PluginFile.sha256)) }

  func readHistory() -> RoleHistory {
    guard let text = readFile(historyPath, limit: Self.historyLimit), let json = try? JSON(parsing: text) else {
      return RoleHistory()
    }
    return RoleHistory(json)
  }

  func write(_ history: RoleHistory) -> Bool { replace(historyPath, Array(history.json.description.utf8)) }

  private func replace(_ path: String, _ bytes: [UInt8]) -> Bool {
    guard makeFolder(folder, mode: 0o700) else { return false }
    let temporary = "\(path).new"
    guard writeFile(temporary, bytes, mode: 0o600, isDurable: true), rename(temporary, path) == 0 else { return false }
    return syncFolder(folder)
  }
}
