/// Which gateways there are, and which of them is asked: the one that worked last, until it fails.
package struct GatewayList: Sendable {
  package static let learnedLimit = 16

  /// "http://host:port" or "https://host:port": those of the configuration first, then those that a gateway has told
  /// of.
  package private(set) var targets: [String]
  private let configured: Int
  private var place = 0
  /// How many have failed, one after the other, since one worked.
  private var failures = 0

  package init(_ gateways: [String], learned: [String] = []) {
    targets = []
    for target in gateways.map(Self.target) where !targets.contains(target) { targets.append(target) }
    configured = targets.count
    learn(learned)
  }

  package var current: String { targets[place] }
  package var learned: [String] { Array(targets[configured...]) }

  /// The current one does not answer. True if there is another that was not tried since one worked, which then is the
  /// current one; else all were tried, and the next round begins with the next.
  package mutating func fail() -> Bool {
    failures += 1
    place = (place + 1) % targets.count
    guard failures < targets.count else {
      failures = 0
      return false
    }
    return true
  }

  package mutating func works() { failures = 0 }

  /// What a gateway says of all gateways takes the place of what was said before. The current one stays in any case.
  package mutating func learn(_ addresses: [String]) {
    guard !addresses.isEmpty else { return }
    let kept = current
    let scheme = kept.hasPrefix("https://") ? "https://" : "http://"
    targets.removeLast(targets.count - configured)
    for address in addresses.prefix(Self.learnedLimit) {
      let target = address.utf8.contains(UInt8(ascii: "/")) ? address : scheme + address
      if Self.isTarget(target), !targets.contains(target) { targets.append(target) }
    }
    if !targets.contains(kept) { targets.append(kept) }
    place = targets.firstIndex(of: kept) ?? 0
  }

  /// Begins with this one, if it is known.
  package mutating func prefer(_ target: String) {
    if let known = targets.firstIndex(of: target) { place = known }
  }

  /// "host:port" is by plain HTTP/2.
  static func target(_ gateway: String) -> String {
    gateway.hasPrefix("http://") || gateway.hasPrefix("https://") ? gateway : "http://\(gateway)"
  }

  /// Whether a configuration may name it.
  static func isGateway(_ gateway: String) -> Bool { isTarget(target(gateway)) }

  private static func isTarget(_ target: String) -> Bool {
    for scheme in ["http://", "https://"] where target.hasPrefix(scheme) {
      let rest = target.dropFirst(scheme.count)
      guard let colon = rest.lastIndex(of: ":"), colon != rest.startIndex else { return false }
      // Where it listens everywhere it is nowhere to be found.
      guard !["0.0.0.0", "[::]", "*"].contains(rest[..<colon]) else { return false }
      return UInt16(rest[colon...].dropFirst()).map { $0 != 0 } ?? false
    }
    return false
  }
}
