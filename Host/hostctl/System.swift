import Glibc
import HostCore
import NodeValues

/// The system calls that several commands need.
enum System {
  static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  /// The same, where empty is as good as not there.
  static func set(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }

  static func message(_ code: Int32) -> String { String(cString: strerror(code)) }

  /// Nanoseconds, for durations.
  static var monotonic: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// Milliseconds since 1970.
  static var now: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
  }

  /// A whole file, or why not; files beyond the limit are refused rather than cut.
  static func read(_ path: String, limit: Int) throws(CommandFailure) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw CommandFailure("cannot open \(path)", message(errno)) }
    defer { close(file) }
    var bytes: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let count = Glibc.read(file, &piece, piece.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw CommandFailure("cannot read \(path)", message(errno)) }
      if count == 0 { return bytes }
      bytes += piece[..<count]
      guard bytes.count <= limit else {
        throw CommandFailure("\(path) is larger than \(HumanUnits.bytes(UInt64(limit)))")
      }
    }
  }

  /// The names in a folder, sorted; empty if it cannot be read.
  static func names(in folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafeBytes(of: &entry.pointee.d_name) { String(cString: $0.bindMemory(to: CChar.self).baseAddress!) })
    }
    return names.sorted()
  }

  /// The folder of this program's own file, with links resolved.
  static var ownFolder: String? {
    guard let own = resolved("/proc/self/exe"), let slash = own.lastIndex(of: "/") else { return nil }
    return String(own[..<slash])
  }

  static func besideThis(_ name: String) -> String? { ownFolder.map { "\($0)/\(name)" } }

  /// A path without links and dots; nil if nothing is there.
  static func resolved(_ path: String) -> String? {
    guard let found = realpath(path, nil) else { return nil }
    defer { free(found) }
    return String(cString: found)
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// Makes a folder and those above it.
  static func makeFolder(_ path: String) throws(CommandFailure) {
    if isFolder(path) { return }
    if let slash = path.lastIndex(of: "/"), slash != path.startIndex { try makeFolder(String(path[..<slash])) }
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else {
      throw CommandFailure("cannot make the folder \(path)", message(errno))
    }
  }

  /// Writes a new file. One that is there already is not touched: that is an error.
  static func writeNew(_ path: String, _ bytes: [UInt8], mode: mode_t = 0o666) throws(CommandFailure) {
    let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard file >= 0 else { throw CommandFailure("cannot write \(path)", message(errno)) }
    defer { close(file) }
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw CommandFailure("cannot write \(path)", message(errno)) }
      rest = rest.dropFirst(count)
    }
  }

  /// A path that means the same to the node, whose folder is another.
  static func absolute(_ path: String) -> String {
    if path.hasPrefix("/") { return path }
    var folder = [CChar](repeating: 0, count: Int(PATH_MAX))
    guard getcwd(&folder, folder.count) != nil else { return path }
    return folder.withUnsafeBufferPointer { String(cString: $0.baseAddress!) } + "/" + path
  }
}

/// Standard output and error.
enum Output {
  static let isTerminal = isatty(STDOUT_FILENO) == 1

  static let style = Style(terminal: isTerminal, environment: System.environment)

  /// Nil where lines may be of any length.
  static var width: Int? {
    guard isTerminal else { return nil }
    if let columns = System.environment("COLUMNS").flatMap({ Int($0) }), columns > 0 { return columns }
    var size = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return TextLayout.usualWidth }
    return Int(size.ws_col)
  }

  /// A reader that went away, as `head` does, has had enough: that is a success.
  static func write(_ text: String) throws(CommandFailure) { try write(Array(text.utf8)) }

  static func write(_ bytes: [UInt8]) throws(CommandFailure) {
    var start = 0
    while start < bytes.count {
      let count = bytes[start...].withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
      if count >= 0 {
        start += count
      } else if errno == EPIPE {
        exit(ExitCode.success.rawValue)
      } else if errno != EINTR {
        throw CommandFailure("cannot write the output", System.message(errno))
      }
    }
  }

  static func json(_ json: JSON) throws(CommandFailure) { try write(json.pretty + "\n") }

  static func table(_ table: Table) throws(CommandFailure) { try write(table.text(width: width, style: style)) }

  static func complain(_ text: String) {
    let bytes = Array(text.utf8)
    _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
  }
}
