internal import NodeKit

/// An object that this node lacks and asks others for, one after the other.
final class Fetch {
  let id: ImageID
  var sources: [Int]
  var source: Int?
  var waiting: [(Bool) -> Void] = []
  private let next: (Fetch) -> Void

  init(_ id: ImageID, _ sources: [Int], _ next: @escaping (Fetch) -> Void) {
    (self.id, self.sources, self.next) = (id, sources, next)
  }

  func failed(from node: Int) { if source == node { next(self) } }
  func askNext() { next(self) }
}

extension ImagesNode {
  private static let fetchesAtATime = 8

  /// Gets the bytes of an image from whoever has them.
  func fetch(_ id: ImageID, then done: @escaping (Bool) -> Void) {
    if catalogue.holds(id) { return done(true) }
    if let fetch = fetches[id] { return fetch.waiting.append(done) }
    // Who leads is the likeliest to have it.
    let sources = linked.sorted { one, other in
      (one == leadership.leader ? 0 : 1) < (other == leadership.leader ? 0 : 1)
    }
    let fetch = Fetch(id, sources) { [self] in askNext($0) }
    fetch.waiting = [done]
    fetches[id] = fetch
    fetch.askNext()
  }

  private func askNext(_ fetch: Fetch) {
    guard fetches[fetch.id] === fetch else { return }
    guard !fetch.sources.isEmpty else { return endFetch(fetch.id, false) }
    let source = fetch.sources.removeFirst()
    fetch.source = source
    say(.fetch(id: fetch.id), to: source)
    attempt("a timer") { try watch(fetch, source) }
  }

  /// A source that is silent gives way to the next.
  private func watch(_ fetch: Fetch, _ source: Int) throws {
    try context.timer.once(after: .seconds(3)) { [self] in
      guard fetches[fetch.id] === fetch, fetch.source == source else { return }
      if let arrival = arrivals[fetch.id], now - arrival.touched < 3_000_000_000 { return try watch(fetch, source) }
      if let arrival = arrivals[fetch.id], arrival.node == source, !arrival.isNew { return drop(arrival, .busy) }
      askNext(fetch)
    }
  }

  private func endFetch(_ id: ImageID, _ isHere: Bool) {
    guard let fetch = fetches.removeValue(forKey: id) else { return }
    for done in fetch.waiting { done(isHere) }
  }

  /// The object is on the disk.
  func holdNow(_ id: ImageID) {
    catalogue.hold(id)
    endFetch(id, true)
  }

  func fetchCame(_ id: ImageID, from node: Int) {
    guard let entry = catalogue.live(id), catalogue.holds(id) else { return say(.absent(id: id), to: node) }
    let number = ask(node) { _ in }
    send(object: entry, to: node, number, isNew: false, term: fence)
  }

  /// What lies on this node's disk is not what was written.
  func foundDamaged(_ id: ImageID, _ why: String) {
    guard catalogue.holds(id) else { return }
    context.log.error("the copy of image \(id.short) is damaged, and fetched anew: \(why)")
    measures?.damaged.add()
    catalogue.lose(id)
  }

  /// Some of what this node lacks.
  func repairSome() {
    guard !linked.isEmpty, !catalogue.missing.isEmpty else { return }
    var room = Self.fetchesAtATime - fetches.count
    for id in catalogue.missing.sorted() where room > 0 && fetches[id] == nil && arrivals[id] == nil {
      room -= 1
      fetch(id) { [self] isHere in
        if isHere { measures?.repaired.add() }
      }
    }
  }
}
