import Glibc
import HostCore

/// Small files read whole, with a bound.
package enum YamlFiles {
  package static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  static func readText(_ path: String, limit: Int) -> Result<String, Interpolation.FileProblem> {
    read(path, limit: limit).flatMap { bytes in
      String(validating: bytes, as: UTF8.self).map { .success($0) } ?? .failure(.init("is not UTF-8 text"))
    }
  }

  static func read(_ path: String, limit: Int) -> Result<[UInt8], Interpolation.FileProblem> {
    // Not blocking, so that a pipe without a writer does not stop the host.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return .failure(systemProblem()) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { return .failure(systemProblem()) }
    if status.st_mode & S_IFMT == S_IFDIR { return .failure(.init("is a folder")) }
    return readAll(of: file, limit: limit)
  }

  /// Its size is not trusted: files in /proc have none, and a file may grow meanwhile.
  private static func readAll(of file: Int32, limit: Int) -> Result<[UInt8], Interpolation.FileProblem> {
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 64 << 10)
    while bytes.count <= limit {
      let count = Glibc.read(file, &part, part.count)
      if count == 0 { return .success(bytes) }
      if count < 0 {
        if errno == EINTR { continue }
        return .failure(systemProblem())
      }
      bytes += part[..<count]
    }
    return .failure(.init("is longer than \(limit) bytes"))
  }

  private static func systemProblem() -> Interpolation.FileProblem {
    let words = strerror(errno).map { String(cString: $0) } ?? "error \(errno)"
    return .init("cannot be read: \(words)")
  }
}
