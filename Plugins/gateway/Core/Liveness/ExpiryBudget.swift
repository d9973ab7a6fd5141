/// How many nodes may expire. When very many go silent at once it is more likely the gateway, or its network, that is
/// cut off: then they stay listed as silent, and only so many expire within a timeout, until the hard deadline of each.
struct ExpiryBudget {
  /// So many may always expire within one timeout.
  let least: Int
  let percent: Int
  let timeout: Int64
  /// Nodes that expired at a time, the latest last.
  private var spent: [(time: Int64, count: Int)] = []
  private var sum = 0

  init(least: Int, percent: Int, timeout: Int64) {
    (self.least, self.percent, self.timeout) = (least, percent, timeout)
  }

  /// How many more may expire now, of so many registered nodes.
  mutating func left(of count: Int, now: Int64) -> Int {
    while let oldest = spent.first, oldest.time <= now - timeout {
      sum -= oldest.count
      spent.removeFirst()
    }
    // Of all that were there before the first of them went.
    return max(0, max(least, (count + sum) * percent / 100) - sum)
  }

  mutating func spend(_ count: Int, now: Int64) {
    guard count > 0 else { return }
    sum += count
    // One item for each hundredth of a timeout, whatever the ticks are.
    if let last = spent.last, now - last.time < timeout / 100 {
      spent[spent.count - 1].count += count
    } else {
      spent.append((now, count))
    }
  }
}
