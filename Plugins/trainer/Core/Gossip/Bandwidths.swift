/// How fast trainers have sent to one another, as all of them know it: each tells what it has measured with every
/// exchange, and what it has heard.
///
/// Both sides of a pair have to come to the same matching without asking anybody. So rounds are counted in epochs, and
/// the matchings of one are made of what was measured two before: that has had an epoch's time to get around, and does
/// not change any more. Who has missed some of it may choose somebody else; that pair leaves out a round, no more.
struct Bandwidths: Equatable {
  static let epochLength = 16
  /// Of rows in an epoch, and of numbers in a row.
  static let rowLimit = 1024

  /// What one trainer has measured in an epoch: kilobytes in a second, by peer.
  struct Row: Equatable {
    var epoch: Int
    var trainer: String
    var rates: [String: Int]
  }

  private(set) var rows: [Row] = []

  static func epoch(of round: Int) -> Int { round / epochLength }

  mutating func measured(by own: String, to peer: String, bytes: Int, nanoseconds: Int64, round: Int) {
    let rate = max(1, Int(min(1e12, Double(bytes) * 1e6 / Double(max(1, nanoseconds)))))
    let epoch = Self.epoch(of: round)
    if let place = rows.firstIndex(where: { $0.epoch == epoch && $0.trainer == own }) {
      rows[place].rates[peer] = rate
    } else {
      rows.append(Row(epoch: epoch, trainer: own, rates: [peer: rate]))
    }
    forget(before: epoch)
  }

  /// Rows of others. Of one trainer and epoch the longer is the later.
  mutating func merge(_ others: [Row], round: Int) {
    let epoch = Self.epoch(of: round)
    for row in others where abs(row.epoch - epoch) <= 3 {
      if let place = rows.firstIndex(where: { $0.epoch == row.epoch && $0.trainer == row.trainer }) {
        if row.rates.count > rows[place].rates.count { rows[place] = row }
      } else if rows.count < 4 * Self.rowLimit {
        rows.append(row)
      }
    }
    forget(before: epoch)
  }

  private mutating func forget(before epoch: Int) { rows.removeAll { $0.epoch < epoch - 3 } }

  /// Between two trainers, for the matchings of a round: the slower way of the two. Nil if nobody has measured it.
  func rate(_ one: String, _ other: String, round: Int) -> Int? {
    let epoch = Self.epoch(of: round) - 2
    let rates = [(one, other), (other, one)].compactMap { from, to in
      rows.first { $0.epoch == epoch && $0.trainer == from }?.rates[to]
    }
    return rates.min()
  }
}
