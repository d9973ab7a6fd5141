/// Who exchanges models with whom in a round: pairs, so that nobody waits for two (GossipFL: Tang and others, 2022).
///
/// Every trainer makes it by itself from the round's number, the list of members and the bandwidths that all know, and
/// arrives at the same. Two kinds of rounds take turns:
///
/// - spanning ones pair those whose places, in an order that changes from cycle to cycle, differ in one bit. In as many
///   of them as the count has bits, everybody is connected with the first place, and so with everybody: what one has
///   learned reaches all, however slow some ways are.
/// - fast ones pair along the fastest ways first, where chance weighs in, so that it is not always the same pairs.
enum Matching {
  /// Rounds in which everybody is connected with everybody.
  static func cycleLength(_ count: Int) -> Int { 2 * bits(count) }

  private static func bits(_ count: Int) -> Int {
    count < 2 ? 1 : Int.bitWidth - (count - 1).leadingZeroBitCount
  }

  /// The partner of each who has one.
  static func partners(of members: [String], round: Int, bandwidths: Bandwidths) -> [String: String] {
    let all = Set(members).sorted()
    guard all.count > 1 else { return [:] }
    let cycle = cycleLength(all.count)
    var pairs: [(String, String)] = []
    if round % 2 == 0 {
      let order = all.sorted { key($0, "", round / cycle) < key($1, "", round / cycle) }
      pairs = spanning(order, bit: round % cycle / 2)
    }
    let taken = Set(pairs.flatMap { [$0.0, $0.1] })
    pairs += fastest(all.filter { !taken.contains($0) }, round, bandwidths)
    return Dictionary(pairs.flatMap { [($0.0, $0.1), ($0.1, $0.0)] }) { first, _ in first }
  }

  private static func spanning(_ order: [String], bit: Int) -> [(String, String)] {
    order.indices.compactMap { place in
      let other = place ^ (1 << bit)
      return place < other && other < order.count ? (order[place], order[other]) : nil
    }
  }

  /// Greedily, which is at least half as fast as the best. Ways that nobody has measured are tried first: they may be
  /// the fastest.
  private static func fastest(_ left: [String], _ round: Int, _ bandwidths: Bandwidths) -> [(String, String)] {
    var ways: [(weight: Double, key: UInt64, one: String, other: String)] = []
    for (place, one) in left.enumerated() {
      for other in left[(place + 1)...] {
        let chance = key(one, other, round)
        let rate = bandwidths.rate(one, other, round: round).map(Double.init) ?? .infinity
        ways.append((rate * (0.5 + Double(chance >> 11) * 0x1p-54), chance, one, other))
      }
    }
    ways.sort { ($0.weight, $0.key, $0.one, $0.other) > ($1.weight, $1.key, $1.one, $1.other) }
    var pairs: [(String, String)] = [], taken: Set<String> = []
    for way in ways where !taken.contains(way.one) && !taken.contains(way.other) {
      taken.formUnion([way.one, way.other])
      pairs.append((way.one, way.other))
    }
    return pairs
  }

  /// A number that looks like chance, and is the same everywhere: FNV's hash, mixed as SplitMix64 does.
  private static func key(_ one: String, _ other: String, _ number: Int) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in Array(one.utf8) + [0] + Array(other.utf8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    hash = hash &+ UInt64(truncatingIfNeeded: number) &* 0x9E37_79B9_7F4A_7C15
    hash = (hash ^ hash >> 30) &* 0xBF58_476D_1CE4_E5B9
    hash = (hash ^ hash >> 27) &* 0x94D0_49BB_1331_11EB
    return hash ^ hash >> 31
  }
}
