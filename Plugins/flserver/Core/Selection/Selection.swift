/// Who of those that are there trains in a round.
struct Selection: Equatable {
  enum Rule: String, CaseIterable {
    /// Everybody.
    case all
    /// So many, each with the same chance.
    case randomSubset = "random_subset"
    /// A share of all, and one at least (McMahan and others, 2017).
    case fedavg
    /// Everybody who is idle: for asynchronous rounds.
    case fedasync
    /// Everybody of the tier that is to begin: for rounds of tiers.
    case fedat
    /// The same, a tier after the other.
    case tieredRoundRobin = "tiered_roundrobin"
    /// So many of a tier of equals in speed; tiers that learn badly come more often, each as often as its credits
    /// allow (Chai and others, 2020).
    case tifl
    /// From each cluster of trainers with similar data the fastest, larger clusters first (Wolfrath and others, 2022).
    case haccs
    case highLoss = "high_loss"
    case lowLoss = "low_loss"
    /// The greater the loss, the likelier.
    case probabilisticHighLoss = "probabilistic_high_loss"
    /// Those at even places in even rounds.
    case oddEven = "odd_even"
    /// A share of all, the reliable ones likelier.
    case reliableFedavg = "reliable_fedavg"
  }

  var rule = Rule.all
  /// For rules of so many; 0 takes ``share``.
  var count = 0
  var share = 0.1
  var tiers = 3
  /// Those that lack one of these are left out.
  var capabilities: Set<String> = []

  /// In an order that depends on nothing but what is given.
  func choose(from all: [Candidate], round: Int, seed: UInt64) -> [String] {
    let able = able(all)
    guard !able.isEmpty else { return [] }
    var dice = Dice(seed: seed, round: round)
    return places(able, round, &dice).sorted().map { able[$0].id }
  }

  func able(_ all: [Candidate]) -> [Candidate] {
    all.filter { capabilities.isSubset(of: $0.capabilities) }.sorted { $0.id < $1.id }
  }

  private func places(_ able: [Candidate], _ round: Int, _ dice: inout Dice) -> [Int] {
    let wanted = min(able.count, count > 0 ? count : max(1, Int((share * Double(able.count)).rounded(.up))))
    let losses = able.map { $0.loss ?? .infinity }
    switch rule {
    case .all, .fedasync: return Array(able.indices)
    case .randomSubset, .fedavg: return dice.draw(wanted, weights: able.map { _ in 1 })
    case .reliableFedavg: return dice.draw(wanted, weights: able.map(\.reliability))
    case .oddEven: return able.count == 1 ? [0] : able.indices.filter { ($0 - round) % 2 == 0 }
    case .lowLoss: return Array(able.indices.sorted { (losses[$0], $0) < (losses[$1], $1) }.prefix(wanted))
    case .highLoss: return Array(able.indices.sorted { (-losses[$0], $0) < (-losses[$1], $1) }.prefix(wanted))
    case .probabilisticHighLoss:
      // Whoever has not trained yet counts as the worst.
      let worst = losses.filter(\.isFinite).max() ?? 1
      return dice.draw(wanted, weights: losses.map { $0.isFinite ? $0 : worst })
    case .fedat, .tieredRoundRobin:
      let groups = Tiers.split(able, into: tiers)
      return groups[round % groups.count]
    case .tifl:
      let groups = Tiers.split(able, into: tiers)
      let tier = groups[Tiers.pick(groups, able, round: round, &dice)]
      return dice.draw(wanted, weights: tier.map { _ in 1 }).map { tier[$0] }
    case .haccs: return Clusters.choose(wanted, of: able, &dice)
    }
  }
}

/// Trainers of like speed.
enum Tiers {
  /// The fastest first, in groups of about the same size; those that were never seen are in the last one.
  static func split(_ able: [Candidate], into count: Int) -> [[Int]] {
    let order = able.indices.sorted {
      (able[$0].seconds ?? .infinity, $0) < (able[$1].seconds ?? .infinity, $1)
    }
    let groups = max(1, min(count, able.count))
    return (0..<groups).map { group in
      Array(order[(group * able.count / groups)..<((group + 1) * able.count / groups)])
    }
  }

  /// A tier in proportion to its loss. Of the rounds so far none may have had more than twice its even share, which
  /// are its credits; as nobody counts them, the tiers stand for theirs by turns where the losses are equal.
  static func pick(_ groups: [[Int]], _ able: [Candidate], round: Int, _ dice: inout Dice) -> Int {
    let losses = groups.map { group in
      let known = group.compactMap { able[$0].loss }
      return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
    }
    // At first each is looked at once.
    if let fresh = losses.indices.first(where: { losses[$0] == nil }) { return fresh }
    let mean = losses.reduce(0) { $0 + $1! } / Double(losses.count)
    let weights = losses.map { min(2 * mean, max(mean / 2, $0!)) }
    return dice.draw(1, weights: weights)[0]
  }
}

/// Trainers of like data.
enum Clusters {
  /// How far two shares of labels may be from one another, by Hellinger's distance, to be alike.
  private static let radius = 0.35

  static func choose(_ wanted: Int, of able: [Candidate], _ dice: inout Dice) -> [Int] {
    var clusters = group(able).map { cluster in
      cluster.sorted { (able[$0].seconds ?? .infinity, $0) < (able[$1].seconds ?? .infinity, $1) }
    }
    var chosen: [Int] = []
    while chosen.count < wanted {
      // Each cluster's fastest goes out of it, so that a large one comes again and a small one ends.
      let cluster = dice.draw(1, weights: clusters.map { Double($0.count) })[0]
      if !clusters[cluster].isEmpty { chosen.append(clusters[cluster].removeFirst()) }
    }
    return chosen
  }

  /// Whoever is near to one of a cluster is of it.
  private static func group(_ able: [Candidate]) -> [[Int]] {
    var cluster = Array(able.indices)
    func root(_ place: Int) -> Int { cluster[place] == place ? place : root(cluster[place]) }
    for first in able.indices {
      for second in 0..<first where distance(able[first].labels, able[second].labels) <= radius {
        cluster[root(first)] = root(second)
      }
    }
    return Dictionary(grouping: able.indices, by: root).sorted { $0.key < $1.key }.map(\.value)
  }

  static func distance(_ one: [Double], _ other: [Double]) -> Double {
    let sums = (one.reduce(0, +), other.reduce(0, +))
    guard sums.0 > 0, sums.1 > 0 else { return one.isEmpty && other.isEmpty ? 0 : 1 }
    var squares = 0.0
    for label in 0..<max(one.count, other.count) {
      let a = label < one.count ? (one[label] / sums.0).squareRoot() : 0
      let b = label < other.count ? (other[label] / sums.1).squareRoot() : 0
      squares += (a - b) * (a - b)
    }
    return (squares / 2).squareRoot()
  }
}
