internal import NodeKit

/// Leads requests to versions, by a state: the same key to the same version on every node, as a forward table does it.
struct Chooser {
  private struct Place {
    var release: Int
    var hash: StickyHash
    var weight: Double
  }
  private struct Rule {
    var header: String
    var value: RoutingState.Rule.Value
    var places: [Place]
  }

  private let places: [Place]
  private let rules: [Rule]
  /// xorshift64*, for requests without a key.
  private var numbers: UInt64

  /// - Parameter seed: of the host's random numbers.
  init(_ state: RoutingState, seed: UInt64) {
    places = state.releases.enumerated().compactMap { place, release in
      release.share == .none ? nil : Self.place(place, release, Double(release.share.millionths))
    }
    rules = state.rules.map { rule in
      let named = state.releases.enumerated().filter { rule.versions.contains($0.element.id) }
      // One that a rule names may have no share of its own; the least weight lets it be chosen.
      return Rule(
        header: rule.header, value: rule.value,
        places: named.map { Self.place($0.offset, $0.element, Double(max(1, $0.element.share.millionths))) })
    }
    numbers = seed | 1
  }

  private static func place(_ number: Int, _ release: RoutingState.Release, _ weight: Double) -> Place {
    Place(release: number, hash: StickyHash(place: release.id), weight: weight)
  }

  var hasRules: Bool { !rules.isEmpty }

  /// The number of a release. `headers` is asked for the header of each rule.
  mutating func choose(_ key: UInt64?, headers: (String) -> String?) -> Int {
    for rule in rules {
      guard let value = headers(rule.header), Self.fits(rule.value, value) else { continue }
      return choose(key ?? random(), among: rule.places)
    }
    if places.count == 1 { return places[0].release }
    return choose(key ?? random(), among: places)
  }

  private static func fits(_ wanted: RoutingState.Rule.Value, _ value: String) -> Bool {
    switch wanted {
    case .any: true
    case .exact(let text): value == text
    case .prefix(let text): value.hasPrefix(text)
    }
  }

  private func choose(_ key: UInt64, among places: [Place]) -> Int {
    var best = 0, least = Double.infinity
    for place in places {
      let draw = place.hash.draw(key, weight: place.weight)
      if draw < least { (best, least) = (place.release, draw) }
    }
    return best
  }

  private mutating func random() -> UInt64 {
    numbers ^= numbers >> 12
    numbers ^= numbers << 25
    numbers ^= numbers >> 27
    return numbers &* 0x2545_F491_4F6C_DD1D
  }
}
