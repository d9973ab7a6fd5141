/// What a transaction holds alone: a key of a resource.
struct LockKey: Sendable, Hashable {
  var resource: String
  var key: String
}

/// Turns for keys. A transaction asks for all of its keys at once, and holds them when nobody who came before it wants
/// any of them: so those with different keys never wait for one another, and nobody waits in a circle.
struct KeyLocks {
  private struct Line {
    var holder: String
    var waiting: [String] = []
  }
  private struct Claim {
    var keys: [LockKey]
    /// So many of them somebody else has, or wanted first.
    var missing: Int
  }

  private var lines: [LockKey: Line] = [:]
  private var claims: [String: Claim] = [:]

  /// Whether it holds all of them now; if not, ``leave(_:)`` of another tells when.
  mutating func enter(_ id: String, _ keys: [LockKey]) -> Bool {
    let keys = keys.count < 2 ? keys : Array(Set(keys))
    var missing = 0
    for key in keys where !join(id, key) { missing += 1 }
    claims[id] = Claim(keys: keys, missing: missing)
    return missing == 0
  }

  private mutating func join(_ id: String, _ key: LockKey) -> Bool {
    if lines[key]?.waiting.append(id) != nil { return false }
    lines[key] = Line(holder: id)
    return true
  }

  /// Gives back what it has or waits for; says who holds all of its keys now, in the order in which they came.
  mutating func leave(_ id: String) -> [String] {
    guard let claim = claims.removeValue(forKey: id) else { return [] }
    var ready: [String] = []
    for key in claim.keys {
      guard let next = step(out: id, of: key) else { continue }
      claims[next]!.missing -= 1
      if claims[next]!.missing == 0 { ready.append(next) }
    }
    // The keys come in no order of their own.
    return ready.count < 2 ? ready : ready.sorted()
  }

  /// Who holds the key instead, if that changes.
  private mutating func step(out id: String, of key: LockKey) -> String? {
    guard let line = lines[key] else { return nil }
    if line.holder != id {
      lines[key]!.waiting.removeAll { $0 == id }
      return nil
    }
    guard let next = line.waiting.first else {
      lines[key] = nil
      return nil
    }
    lines[key]!.holder = next
    lines[key]!.waiting.removeFirst()
    return next
  }

  func holder(of key: LockKey) -> String? { lines[key]?.holder }
  var count: Int { claims.count }
}
