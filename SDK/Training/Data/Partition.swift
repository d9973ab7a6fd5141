internal import CTraining
package import NodeValues

/// Shares a data set out among clients: for each of them, the places of its samples in rising order. A seed gives the
/// same shares again.
package enum Partition {
  private static let clientLimit = 1 << 20

  /// Each client gets equally many samples, chosen by chance.
  package static func equal(_ count: Int, among clients: Int, seed: UInt64) throws(RoleError) -> [[UInt32]] {
    try check(clients, count)
    var numbers = SeededNumbers(seed: seed)
    let order = Array(0..<UInt32(count)).shuffled(using: &numbers)
    return (0..<clients).map { order[count * $0 / clients..<count * ($0 + 1) / clients].sorted() }
  }

  /// Hsu and others, "Measuring the effects of non-identical data distribution" (2019), section 3, with the shares of a
  /// class drawn over the clients: each class is shared out by a Dirichlet distribution. A small `alpha` gives each
  /// client few classes, a large one nearly the same of all. Nobody gets fewer than `least` samples: what is missing is
  /// taken from who has most.
  package static func dirichlet(
    _ labels: [Int32], among clients: Int, alpha: Double, least: Int = 1, seed: UInt64
  ) throws(RoleError) -> [[UInt32]] {
    try check(clients, labels.count)
    guard alpha > 0, alpha <= 1e6 else { throw RoleError(.invalidArgument, "alpha is above 0 and at most 1000000") }
    guard least >= 0, least <= labels.count / clients else {
      throw RoleError(
        .invalidArgument, "\(labels.count) samples are too few for \(clients) clients with \(least) each; ask for fewer"
      )
    }
    var numbers = SeededNumbers(seed: seed)
    var shares = [[UInt32]](repeating: [], count: clients)
    for places in byClass(labels) {
      let order = places.shuffled(using: &numbers)
      let weights = (0..<clients).map { _ in gamma(alpha, &numbers) }
      let whole = weights.reduce(0, +)
      var sum = 0.0, begin = 0
      for client in 0..<clients {
        sum += weights[client]
        // Of weights that are all too small to be told from nothing, everybody gets the same.
        let part = whole > 0 ? sum / whole : Double(client + 1) / Double(clients)
        let end = client == clients - 1 ? order.count : min(order.count, Int(part * Double(order.count)))
        shares[client] += order[begin..<end]
        begin = end
      }
    }
    level(&shares, least)
    return shares.map { $0.sorted() }
  }

  private static func check(_ clients: Int, _ count: Int) throws(RoleError) {
    guard (1...clientLimit).contains(clients) else {
      throw RoleError(.invalidArgument, "\(clients) clients; from 1 to \(clientLimit) can be")
    }
    guard count < Int(UInt32.max) else { throw RoleError(.invalidArgument, "\(count) samples are too many") }
  }

  private static func byClass(_ labels: [Int32]) -> [[UInt32]] {
    var places: [Int32: [UInt32]] = [:]
    for (place, label) in labels.enumerated() { places[label, default: []].append(UInt32(place)) }
    return places.sorted { $0.key < $1.key }.map(\.value)
  }

  private static func level(_ shares: inout [[UInt32]], _ least: Int) {
    for poor in shares.indices {
      while shares[poor].count < least {
        let rich = shares.indices.max { shares[$0].count < shares[$1].count }!
        shares[poor].append(shares[rich].removeLast())
      }
    }
  }

  private static func gamma(_ shape: Double, _ numbers: inout SeededNumbers) -> Double {
    withUnsafeMutablePointer(to: &numbers) { generator in
      training_gamma(
        shape,
        { context in
          // In the middle of its step, so that it is neither 0 nor 1.
          let word = context.assumingMemoryBound(to: SeededNumbers.self).pointee.next()
          return (Double(word >> 11) + 0.5) * 0x1p-53
        }, UnsafeMutableRawPointer(generator))
    }
  }
}
