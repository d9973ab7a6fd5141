internal import CSha256

/// The digest of a model that a task announces beside its SHA-256: the SHA-256 of the SHA-256 of each of its leaves of
/// 64 KiB. It says as much, and many leaves are hashed side by side, which takes a sixth of the time on a processor
/// without instructions for SHA-256.
public struct ModelTree: Sendable {
  static let leaf = 64 << 10
  private static let width = csha256_width()
  /// As many as go side by side at most.
  private static let stride = 16 * leaf

  private var values: [UInt8] = []
  private var rest: [UInt8] = []

  public init() {}

  /// The bytes of the model that come next.
  public mutating func add(_ bytes: some Collection<UInt8>) {
    rest += bytes
    let whole = rest.count / Self.stride * Self.stride
    guard whole > 0 else { return }
    hash(whole)
    rest.removeFirst(whole)
  }

  /// Of all that has come: hexadecimal digits.
  public func digest() -> String {
    var all = self
    all.hash(all.rest.count)
    return Self.text(Self.leaves(all.values[...], leaf: max(1, all.values.count)))
  }

  /// Of a whole model.
  public static func digest(_ model: [UInt8]) -> String {
    let values = leaves(model[...], leaf: leaf)
    return text(leaves(values[...], leaf: max(1, values.count)))
  }

  private mutating func hash(_ count: Int) { values += Self.leaves(rest[..<count], leaf: Self.leaf) }

  private static func leaves(_ bytes: ArraySlice<UInt8>, leaf: Int) -> [UInt8] {
    let count = (bytes.count + leaf - 1) / leaf
    return [UInt8](unsafeUninitializedCapacity: count * Int(CSHA256_SIZE)) { room, filled in
      bytes.withUnsafeBytes { bytes in
        guard let start = bytes.baseAddress, let room = room.baseAddress, count > 0 else { return }
        csha256_leaves(start, bytes.count, leaf, room, width)
      }
      filled = count * Int(CSHA256_SIZE)
    }
  }

  private static func text(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
