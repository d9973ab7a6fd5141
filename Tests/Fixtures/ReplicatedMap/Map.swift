import ReplicatedLog

/// What the entries make, and a digest of them in their order.
final class Map: ReplicatedState {
  private(set) var values: [String: String] = [:]
  private(set) var digest: UInt64 = 0xCBF2_9CE4_8422_2325
  var whenApplied: (UInt64, UInt64) -> Void = { _, _ in }

  static func entry(_ key: String, _ value: String) -> [UInt8] { Array("\(key)=\(value)".utf8) }

  func apply(_ entry: [UInt8], at index: UInt64) -> [UInt8] {
    let parts = String(decoding: entry, as: UTF8.self).split(separator: "=", maxSplits: 1)
    if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
    digest = entry.reduce(digest) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    whenApplied(index, digest)
    return []
  }

  /// A line for each key, behind the digest.
  func snapshot() -> [UInt8] {
    let lines = values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return Array((["\(digest)"] + lines).joined(separator: "\n").utf8)
  }

  func restore(_ snapshot: [UInt8], at index: UInt64) throws {
    let lines = String(decoding: snapshot, as: UTF8.self).split(separator: "\n")
    digest = lines.first.flatMap { UInt64($0) } ?? 0
    values = [:]
    for line in lines.dropFirst() {
      let parts = line.split(separator: "=", maxSplits: 1)
      values[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
    }
  }
}
