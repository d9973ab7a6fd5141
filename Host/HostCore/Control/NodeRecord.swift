package import NodeValues

/// What a running node writes about itself so that `hostctl` finds it:
/// `<runtime folder>/<node name>.json`, removed when the node ends.
package struct NodeRecord: Sendable, Equatable {
  package var name: String
  package var id: Int64
  package var pid: Int32
  /// Absolute paths.
  package var socket: String
  package var manifest: String
  /// Since 1970.
  package var startedMilliseconds: Int64

  package init(name: String, id: Int64, pid: Int32, socket: String, manifest: String, startedMilliseconds: Int64) {
    self.name = name
    self.id = id
    self.pid = pid
    self.socket = socket
    self.manifest = manifest
    self.startedMilliseconds = startedMilliseconds
  }

  package var json: JSON {
    [
      "name": .string(name), "id": .int(id), "pid": .int(Int64(pid)), "socket": .string(socket),
      "manifest": .string(manifest), "started_ms": .int(startedMilliseconds),
    ]
  }

  /// The file's bytes.
  package var file: [UInt8] { Array((json.pretty + "\n").utf8) }

  /// Nil if the file is not such a record.
  package init?(file: [UInt8]) {
    guard let json = try? JSON(parsing: file), let name = json["name"]?.string, let socket = json["socket"]?.string,
      !name.isEmpty, !socket.isEmpty
    else { return nil }
    self.init(
      name: name, id: json["id"]?.int ?? 0, pid: Int32(clamping: json["pid"]?.int ?? 0), socket: socket,
      manifest: json["manifest"]?.string ?? "", startedMilliseconds: json["started_ms"]?.int ?? 0)
  }
}

/// Where the records of a user's running nodes lie.
package enum RuntimeFolder {
  package static let recordEnding = ".json"
  /// A record is small; a longer file is none.
  package static let recordLimit = 64 * 1024
  /// So many nodes on one machine are looked at.
  package static let recordCountLimit = 1000
  /// Of the folder, which the node makes if it is missing.
  package static let mode: UInt32 = 0o700

  package static func path(userID: UInt32, environment: (String) -> String?) -> String {
    func set(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }
    if let own = set("NODEHOST_RUNTIME_DIR") { return own }
    if let session = set("XDG_RUNTIME_DIR") { return session + "/nodehost" }
    return "/tmp/nodehost-\(userID)"
  }

  /// A name that begins with a point or has a slash is escaped, so that it stays in the folder and is seen.
  package static func fileName(of node: String) -> String {
    let escaped = HTTPRequestHead.escape(node)
    return (escaped.hasPrefix(".") ? "%2E" + escaped.dropFirst() : escaped) + recordEnding
  }

  /// Why the folder must not be believed, as anybody may make one in /tmp; nil if it may.
  package static func distrust(isFolder: Bool, ownerID: UInt32, mode: UInt32, userID: UInt32) -> String? {
    if !isFolder { return "it is not a folder" }
    if ownerID != userID { return "it belongs to user \(ownerID), not to \(userID)" }
    let permissions = mode & 0o777
    if permissions & 0o077 != 0 {
      return "others may use it (mode 0\(String(permissions, radix: 8))); repair it with chmod 700"
    }
    return nil
  }
}
