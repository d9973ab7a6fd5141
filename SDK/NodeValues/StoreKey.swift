/// Keys of a store are ordered by their bytes.
public enum StoreKey {
  /// The first key behind all that begin with `prefix`; empty if there is none.
  public static func end(ofPrefix prefix: [UInt8]) -> [UInt8] {
    var end = prefix
    while let last = end.popLast() {
      if last < 255 { return end + [last + 1] }
    }
    return []
  }
}
