import Glibc

/// Medians of alternating runs, so that a machine whose speed drifts treats both sides alike.
enum Measure {
  static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }

  /// Nanoseconds a round of each side.
  static func pair(runs: Int = 9, rounds: Int, _ ours: (Int) -> Void, _ peer: (Int) -> Void) -> (Double, Double) {
    var mine: [Double] = [], theirs: [Double] = []
    ours(rounds / 10)
    peer(rounds / 10)
    for _ in 0..<runs {
      mine.append(time(rounds, ours))
      theirs.append(time(rounds, peer))
    }
    return (median(mine), median(theirs))
  }

  private static func time(_ rounds: Int, _ work: (Int) -> Void) -> Double {
    let start = now()
    work(rounds)
    return (now() - start) / Double(rounds)
  }

  static func median(_ numbers: [Double]) -> Double { numbers.sorted()[numbers.count / 2] }

  /// A row: what, our figure, the peer's, the ratio, and the aim.
  static func report(_ what: String, _ ours: Double, _ peer: Double, unit: String, peerName: String, aim: String) {
    print(
      "\(pad(what, 44)) \(pad(text(ours) + " " + unit, 12)) \(pad(peerName, 26)) \(pad(text(peer) + " " + unit, 12)) "
        + "\(pad(text(ours / peer) + " x", 9)) aim: \(aim)")
  }

  static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  static func text(_ number: Double) -> String {
    let scaled = (number * 100).rounded() / 100
    return scaled >= 100 ? String(Int(scaled.rounded())) : "\(scaled)"
  }
}
