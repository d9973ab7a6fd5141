import Glibc

/// The words for errno.
package func systemError(_ code: Int32 = errno) -> String { String(cString: strerror(code)) }

/// The whole of an open file, or nil (errno says why). Past `limit` it is cut. The size is only taken for
/// a hint: files in /proc have none, and others may grow meanwhile.
func readAll(_ descriptor: Int32, limit: Int) -> [UInt8]? {
  var status = stat()
  var room = fstat(descriptor, &status) == 0 ? min(Int(status.st_size), limit) + 1 : 0
  var bytes: [UInt8] = []
  while bytes.count < limit {
    let wanted = max(room - bytes.count, 64 << 10)
    room = 0
    var failed = false, ended = false
    let piece = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
      let got = readSome(descriptor, buffer)
      (failed, ended, count) = (got < 0, got == 0, max(0, got))
    }
    if failed { return nil }
    if ended { break }
    if bytes.isEmpty { bytes = piece } else { bytes += piece }
  }
  return bytes
}

private func readSome(_ descriptor: Int32, _ room: UnsafeMutableBufferPointer<UInt8>) -> Int {
  while true {
    let count = read(descriptor, room.baseAddress, room.count)
    if count >= 0 || errno != EINTR { return count }
  }
}

package func readFile(_ path: String, limit: Int) -> [UInt8]? {
  // Opened without blocking, or a named pipe that nobody writes to would stop the host; read with, or one
  // that somebody is about to write to would seem to fail.
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else { return nil }
  defer { close(descriptor) }
  _ = fcntl(descriptor, F_SETFL, 0)
  return readAll(descriptor, limit: limit)
}

/// Creates or replaces a file; false leaves errno.
package func writeFile(_ path: String, _ bytes: [UInt8], mode: UInt32, isDurable: Bool = false) -> Bool {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode)
  guard descriptor >= 0 else { return false }
  defer { close(descriptor) }
  return writeAll(descriptor, bytes) && (!isDurable || fsync(descriptor) == 0)
}

/// Makes a rename in the folder outlast a loss of power.
func syncFolder(_ path: String) -> Bool {
  let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard descriptor >= 0 else { return false }
  defer { close(descriptor) }
  return fsync(descriptor) == 0
}

package func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Bool {
  var rest = bytes[...]
  while !rest.isEmpty {
    let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count < 0, errno == EINTR { continue }
    if count < 0 { return false }
    rest = rest.dropFirst(count)
  }
  return true
}

/// Makes a folder and those above it. The last one gets `mode` if it is new.
package func makeFolder(_ path: String, mode: UInt32 = 0o755) -> Bool {
  if mkdir(path, mode) == 0 || errno == EEXIST { return isFolder(path) }
  guard errno == ENOENT, let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return false }
  return makeFolder(String(path[..<slash])) && (mkdir(path, mode) == 0 || errno == EEXIST)
}

package func isFolder(_ path: String) -> Bool {
  var status = stat()
  return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
}

/// The names in a folder; empty if it cannot be read.
package func filesIn(_ folder: String) -> [String] {
  guard let listing = opendir(folder) else { return [] }
  defer { closedir(listing) }
  var names: [String] = []
  while let entry = readdir(listing) {
    withUnsafeBytes(of: &entry.pointee.d_name) {
      names.append(String(cString: $0.assumingMemoryBound(to: CChar.self).baseAddress!))
    }
  }
  return names.filter { $0 != "." && $0 != ".." }
}

/// The path with every link followed, or nil if there is nothing.
package func resolvedPath(_ path: String) -> String? {
  guard let resolved = realpath(path, nil) else { return nil }
  defer { free(resolved) }
  return String(cString: resolved)
}

/// The path from the root, without "." and "..", of something that need not exist. Links stay.
package func absolutePath(_ path: String) -> String {
  var parts: [Substring] = []
  let whole = path.hasPrefix("/") ? path : "\(resolvedPath(".") ?? "")/\(path)"
  for part in whole.split(separator: "/") where part != "." {
    if part == ".." { _ = parts.popLast() } else { parts.append(part) }
  }
  return "/" + parts.joined(separator: "/")
}

/// The path of this process's executable.
package let ownExecutable: String = resolvedPath("/proc/self/exe") ?? CommandLine.arguments[0]
