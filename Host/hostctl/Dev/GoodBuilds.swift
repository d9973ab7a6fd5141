import Glibc

/// Builds that have run, by the file that they were built into: what to go back to when one takes the node down.
struct GoodBuilds {
  /// A build may be this large, as the node has it.
  private static let sizeLimit = 1 << 30

  /// For each file the node's private copies, the newest last, two at most.
  private var copies: [String: [String]] = [:]

  mutating func add(_ copy: String, of file: String) {
    var kept = copies[file] ?? []
    kept.removeAll { $0 == copy }
    copies[file] = (kept + [copy]).suffix(2)
  }

  /// Puts the last good build back in place of each file; if that is the one that failed, the build before it. False if
  /// there was none.
  mutating func restore(newestFailed: Bool) -> Bool {
    var restored = 0
    for (file, kept) in copies {
      let good = newestFailed ? Array(kept.dropLast()) : kept
      guard let copy = good.last, let bytes = try? System.read(copy, limit: Self.sizeLimit) else { continue }
      unlink(file + ".new")
      guard (try? System.writeNew(file + ".new", bytes)) != nil, rename(file + ".new", file) == 0 else { continue }
      copies[file] = good
      restored += 1
    }
    return restored > 0
  }
}
