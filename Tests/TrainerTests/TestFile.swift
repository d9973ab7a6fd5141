import Glibc

/// Files for programs that a test starts, and what its environment says.
enum TestFile {
  struct Unwritten: Error {}

  static func write(_ path: String, _ bytes: [UInt8]) throws {
    guard let file = fopen(path, "w") else { throw Unwritten() }
    defer { fclose(file) }
    guard fwrite(bytes, 1, bytes.count, file) == bytes.count else { throw Unwritten() }
  }

  static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  static func remove(_ path: String) { unlink(path) }
}
