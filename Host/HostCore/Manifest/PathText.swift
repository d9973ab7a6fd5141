/// Paths as text, without asking the file system.
package enum PathText {
  /// What a relative path means in a folder; an absolute one stays.
  package static func resolve(_ path: String, in folder: String) -> String {
    guard !path.hasPrefix("/") else { return path }
    var path = path[...]
    while path.hasPrefix("./") { path = path.dropFirst(2).drop { $0 == "/" } }
    if path == "." { path = "" }
    if folder.isEmpty || folder == "." { return path.isEmpty ? "." : String(path) }
    return path.isEmpty ? folder : folder.hasSuffix("/") ? folder + path : "\(folder)/\(path)"
  }

  /// The folder that holds a file; "." for a bare name.
  package static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The path below a folder, or nil if it is elsewhere.
  static func remainder(of path: String, below folder: String) -> String? {
    let prefix = folder.hasSuffix("/") ? folder : folder + "/"
    return path.hasPrefix(prefix) ? String(path.dropFirst(prefix.count)) : nil
  }
}
