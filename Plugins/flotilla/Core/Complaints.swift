import NodeKit

/// Warnings of what others send, of each kind at most one in a while: who sends nonsense sends much of it.
struct Complaints {
  private static let pause = Duration.seconds(10)

  private var kinds: [String: (next: Moment, left: Int)] = [:]

  /// The words to log now, if any. Kinds are few, and known.
  mutating func words(_ kind: String, _ message: String, at now: Moment) -> String? {
    if var known = kinds[kind], now < known.next {
      known.left += 1
      kinds[kind] = known
      return nil
    }
    let left = kinds[kind]?.left ?? 0
    kinds[kind] = (now.advanced(by: Self.pause), 0)
    return left == 0 ? message : "\(message) (and \(left) more like it since)"
  }
}
