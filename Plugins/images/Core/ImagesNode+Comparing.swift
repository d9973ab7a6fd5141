internal import NodeKit

/// The leader's comparison of its entries with another node's. It serves to take over, and later to repair.
final class Comparison {
  enum Stage: Int, Comparable {
    case asked, reading, merging, read, pushing, done
    static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
  }

  let node: Int
  let term: UInt64
  var stage = Stage.asked
  var touched: Int64
  /// What the node has said of the buckets that differ.
  var buckets: [Int] = []
  var told: [ImageID: ImageEntry] = [:]
  var waiting = 0

  init(_ node: Int, _ term: UInt64, _ now: Int64) { (self.node, self.term, touched) = (node, term, now) }

  var isUnderWay: Bool { stage != .done && stage != .read }

  /// As it was when the node's entries had been read.
  func again(_ now: Int64) -> Comparison {
    let copy = Comparison(node, term, now)
    (copy.stage, copy.buckets, copy.told) = (.read, buckets, told)
    return copy
  }
}

extension ImagesNode {
  func compareWithAll() {
    lastComparison = now
    for node in linked where comparisons[node].map({ $0.stage == .done }) ?? true { compare(with: node) }
  }

  func compare(with node: Int) {
    guard leadership.leads, durableFence >= leadership.term else { return }
    comparisons[node] = Comparison(node, leadership.term, now)
    say(.gather(term: leadership.term), to: node)
  }

  private func comparison(_ node: Int, _ term: UInt64, _ stage: Comparison.Stage) -> Comparison? {
    guard let comparison = comparisons[node], comparison.term == term, leadership.leads, leadership.term == term,
      comparison.stage == stage
    else { return nil }
    comparison.touched = now
    return comparison
  }

  // MARK: The node that is asked

  func gatherCame(_ term: UInt64, from node: Int) {
    guard raise(to: term, for: node, 0) else { return }
    write([], term) { [self] result in
      guard case .success = result, term == fence else { return }
      say(.summary(term: term, digests: catalogue.digests), to: node)
    }
  }

  /// Refuses what is of an earlier term; stops leading for a later one.
  func raise(to term: UInt64, for node: Int, _ number: UInt64) -> Bool {
    guard term >= fence else {
      say(.refused(number: number, term: fence, reason: .earlierTerm), to: node)
      return false
    }
    fence = term
    if leadership.leads, term > leadership.term { follow(nil, nil) }
    return true
  }

  func askCame(_ term: UInt64, _ buckets: [UInt8], from node: Int) {
    guard term == fence else { return }
    let entries = buckets.flatMap { catalogue.entries(in: Int($0)) }
    var rest = entries[...]
    repeat {
      let part = rest.prefix(ImageMessage.entriesLimit)
      rest = rest.dropFirst(part.count)
      say(.entries(term: term, entries: Array(part), isLast: rest.isEmpty), to: node)
    } while !rest.isEmpty
  }

  func keepCame(_ term: UInt64, _ number: UInt64, _ entries: [ImageEntry], from node: Int) {
    guard raise(to: term, for: node, number) else { return }
    write(entries, term) { [self] result in
      guard case .success = result, term == fence else {
        return say(.refused(number: number, term: fence, reason: .disk), to: node)
      }
      say(.kept(number: number), to: node)
    }
  }

  // MARK: The leader

  func summaryCame(_ term: UInt64, _ digests: [UInt64], from node: Int) {
    guard let comparison = comparison(node, term, .asked) else { return }
    comparison.buckets = (0..<Catalogue.bucketCount).filter { digests[$0] != catalogue.digests[$0] }
    guard !comparison.buckets.isEmpty else {
      comparison.stage = .read
      return haveRead(comparison)
    }
    comparison.stage = .reading
    say(.ask(term: term, buckets: comparison.buckets.map { UInt8($0) }), to: node)
  }

  func entriesCame(_ term: UInt64, _ entries: [ImageEntry], _ isLast: Bool, from node: Int) {
    guard let comparison = comparison(node, term, .reading) else { return }
    for entry in entries { comparison.told[entry.id] = entry }
    guard isLast else { return }
    comparison.stage = .merging
    let news = comparison.told.values.filter { catalogue.isNews($0) }.sorted { $0.id < $1.id }
    if !news.isEmpty { context.log.info("node \(node) has \(news.count) entries that were not here") }
    write(news, term) { [self] result in
      guard case .success = result, let comparison = self.comparison(node, term, .merging) else { return }
      for entry in news { unsettled.insert(entry.id) }
      comparison.stage = .read
      haveRead(comparison)
    }
  }

  private func haveRead(_ comparison: Comparison) {
    if leadership.isTaking { lookWhetherTaken() } else { pushEntries(comparison) }
  }

  /// Tells the node all that it lacks: of what differed, and of what came from others meanwhile.
  func pushEntries(_ comparison: Comparison) {
    comparison.stage = .pushing
    var lacking = comparison.buckets.flatMap { catalogue.entries(in: $0) }
    let known = Set(comparison.buckets)
    if leadership.isTaking {
      lacking += unsettled.sorted().compactMap { id in known.contains(id.bucket) ? nil : catalogue[id] }
    }
    var rest = lacking.filter { entry in comparison.told[entry.id].map { $0.version < entry.version } ?? true }[...]
    comparison.waiting = 1
    while !rest.isEmpty {
      let part = Array(rest.prefix(ImageMessage.entriesLimit))
      rest = rest.dropFirst(part.count)
      comparison.waiting += 1
      let number = ask(comparison.node) { [self] result in
        guard case .success = result, comparisons[comparison.node] === comparison else { return }
        comparison.touched = now
        pushed(comparison)
      }
      say(.keep(term: comparison.term, number: number, entries: part), to: comparison.node)
    }
    pushed(comparison)
  }

  private func pushed(_ comparison: Comparison) {
    comparison.waiting -= 1
    guard comparison.waiting == 0 else { return }
    comparison.stage = .done
    if !leadership.isTaking { (comparison.told, comparison.buckets) = ([:], []) }
    // What is kept is kept, and who is compared with is compared with again later.
    lookWhetherTaken()
  }
}
