import HostCore

/// Where the SDK lies that belongs to this hostctl: `share/nodehost` beside the folder that it is installed in, or
/// `SDK` of the repository that it was built in.
enum SDKFolder {
  /// A header that every SDK has.
  private static let mark = "CNodeABI/include/nodehost.h"
  /// Folders above the program's own: .build/x86_64-unknown-linux-gnu/release, and some to spare.
  private static let depth = 6

  static func find() throws(CommandFailure) -> String {
    guard let own = System.ownFolder else { throw CommandFailure("cannot tell where hostctl lies") }
    var folders = ["\(own)/../share/nodehost"]
    var folder = own
    for _ in 0..<depth {
      guard let slash = folder.lastIndex(of: "/"), slash != folder.startIndex else { break }
      folder = String(folder[..<slash])
      folders.append("\(folder)/SDK")
    }
    let found = folders.first { System.exists("\($0)/\(mark)") }
    if let sdk = found.flatMap(System.resolved) { return sdk }
    throw CommandFailure(
      "there is no SDK that belongs to this hostctl",
      "looked for \(folders[0]) and for SDK in the folders above \(own)",
      remedy: "Install both with Host/start --install PREFIX.")
  }
}
