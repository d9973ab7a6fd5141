import CNodeABI
import Glibc
import HostCore

/// The node's record in the runtime folder, by which hostctl finds it.
struct RecordFile {
  private let path: String

  struct Problem: Error {
    var text: String
  }

  /// Gives back the record of another node of this name that still runs, if this one took its place.
  static func write(for plan: NodePlan, started: Int64) throws(Problem) -> (RecordFile, displaced: NodeRecord?) {
    let folder = RuntimeFolder.path(userID: getuid()) { getenv($0).map { String(cString: $0) } }
    guard makeFolder(folder, mode: RuntimeFolder.mode), distrust(folder) == nil else {
      throw Problem(text: "\(folder): \(distrust(folder) ?? systemError())")
    }
    let record = NodeRecord(
      name: plan.name, id: Int64(plan.id), pid: getpid(), socket: plan.manifest.control.socket, manifest: plan.path,
      startedMilliseconds: started / 1_000_000)
    let file = RecordFile(path: "\(folder)/\(RuntimeFolder.fileName(of: plan.name))")
    let displaced = file.present.flatMap { isDisplaced($0, by: record) ? $0 : nil }
    let temporary = "\(file.path).\(getpid())"
    guard writeFile(temporary, record.file, mode: 0o600), rename(temporary, file.path) == 0 else {
      throw Problem(text: "\(file.path): \(systemError())")
    }
    return (file, displaced)
  }

  /// Only if it is still this node's: another one of the same name may have written its own.
  func remove() {
    if present?.pid == getpid() { unlink(path) }
  }

  private var present: NodeRecord? {
    readFile(path, limit: RuntimeFolder.recordLimit).flatMap(NodeRecord.init(file:))
  }

  /// A record that a killed node left is no loss: its process is gone, or its socket is this node's now.
  private static func isDisplaced(_ old: NodeRecord, by new: NodeRecord) -> Bool {
    old.pid != new.pid && old.socket != new.socket && ControlServer.isAnswered(old.socket)
  }

  private static func distrust(_ folder: String) -> String? {
    var status = stat()
    guard stat(folder, &status) == 0 else { return systemError() }
    return RuntimeFolder.distrust(
      isFolder: status.st_mode & S_IFMT == S_IFDIR, ownerID: status.st_uid, mode: status.st_mode, userID: getuid())
  }
}
