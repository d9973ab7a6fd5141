import Glibc

/// The seeds of the fuzz targets, in Tests/Fuzz/corpus, a folder for each target.
package enum Corpus {
  /// Longer seeds than this nobody keeps.
  private static let seedLimit = 64 << 10

  package struct Missing: Error, CustomStringConvertible {
    package var description: String
  }

  /// All seeds of a target, in an order that does not depend on the file system.
  package static func seeds(_ target: String) throws -> [[UInt8]] {
    let tests = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    let folder = "/\(tests)/Fuzz/corpus/\(target)"
    guard let stream = opendir(folder) else { throw Missing(description: "\(folder) is missing") }
    defer { closedir(stream) }
    var seeds: [[UInt8]] = []
    while let entry = readdir(stream) {
      let file = withUnsafeBytes(of: &entry.pointee.d_name) {
        String(cString: $0.bindMemory(to: CChar.self).baseAddress!)
      }
      if !file.hasPrefix("."), let seed = bytes(of: "\(folder)/\(file)") { seeds.append(seed) }
    }
    guard !seeds.isEmpty else { throw Missing(description: "\(folder) is empty") }
    return seeds.sorted { $0.lexicographicallyPrecedes($1) }
  }

  private static func bytes(of path: String) -> [UInt8]? {
    guard let handle = fopen(path, "r") else { return nil }
    defer { fclose(handle) }
    return [UInt8](unsafeUninitializedCapacity: seedLimit) { room, count in
      count = fread(room.baseAddress, 1, room.count, handle)
    }
  }
}
