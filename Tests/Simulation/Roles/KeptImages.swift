import HostCore
import HostRuntime
import NodeValues
package import Simulator

/// Invariants of the image sink, as its users see it: each image is there or not as if every request had happened at
/// one moment, it is given as it was sent, and when all is well nobody is sent away.
package final class KeptImages: WorldWatcher {
  package static let rule = "acknowledged images are kept"
  package static let served = "images are given as they were sent"
  package static let available = "images are taken when all is well"
  /// At the end of a run nothing is amiss for longer than this.
  private static let calm: Int64 = 5_000_000_000

  private let end: Int64
  private var isWatching = false
  private var isOver = false
  private var history = History()
  /// What each request is in the history: what it does if it does anything, and what it shows of the image.
  private var places: [Int: (write: Int?, read: Int?)] = [:]
  /// Of all that is acknowledged, so that a test can see that something was.
  package private(set) var stored = 0
  package private(set) var given = 0
  package private(set) var removed = 0
  private var lateRefusals: [String] = []

  package init(minutes: Int64) { end = minutes * 60_000_000_000 - 100_000_000 }

  package func worldMoved(_ world: World) {
    if !isWatching {
      isWatching = true
      world.clientObservers.append { [unowned self, unowned world] in took($0, $1, world) }
    }
    guard world.now >= end, !isOver else { return }
    isOver = true
    finish(world)
  }

  private func took(_ number: Int, _ operation: ClientOperation, _ world: World) {
    guard places[number] != nil else { return begin(number, operation) }
    guard case .answered(let answer) = operation.outcome, operation.end != nil else {
      // A read that was not answered shows nothing; a write may have happened.
      if let read = places[number]!.read { history.withdraw(read) }
      return
    }
    ended(number, operation, answer, world)
  }

  private static func body(_ operation: ClientOperation) -> [UInt8] { OutsideRequest.bytes(of: operation.words[1]) }

  private static func image(_ operation: ClientOperation) -> String {
    if operation.method == "PUT" { return BlobName(digest: ContentDigest.of(body(operation))).text }
    return String(operation.words[0].dropFirst("/images/".count))
  }

  private func begin(_ number: Int, _ operation: ClientOperation) {
    let image = Self.image(operation)
    var place: (write: Int?, read: Int?) = (nil, nil)
    if operation.method != "GET" {
      let value = operation.method == "PUT" ? "there" : ""
      place.write = history.begin(operation.client, .write(value), key: image, at: operation.start)
    }
    if operation.method != "PUT" {
      place.read = history.begin(operation.client, .read, key: image, at: operation.start)
    }
    places[number] = place
  }

  private func ended(_ number: Int, _ operation: ClientOperation, _ answer: String, _ world: World) {
    let place = places[number]!, now = world.now
    // While the role starts anew its node knows of no images, and says so in words of its own.
    let isForeign = answer.hasPrefix("404") && !answer.contains("there is no image")
    let status = isForeign ? "503" : answer.prefix(3)
    // Who sends an image while somebody removes it sends it again.
    let isRace = answer.contains("was being removed")
    if status == "503", !isRace, operation.start > end - Self.calm { lateRefusals.append(answer) }
    switch (operation.method, status) {
    case ("PUT", "200"), ("PUT", "201"):
      stored += 1
      history.end(place.write!, at: now)
    case ("DELETE", "204"):
      removed += 1
      history.end(place.write!, at: now)
      history.withdraw(place.read!)
    case ("DELETE", "404"):
      history.withdraw(place.write!)
      history.end(place.read!, answer: "", at: now)
    case ("GET", "200"):
      given += 1
      history.end(place.read!, answer: "there", at: now)
      let image = Self.image(operation)
      if operation.answerDigest != image {
        world.fail(Self.served, "image \(image) is given as \(operation.answerDigest ?? "nothing")")
      }
    case ("GET", "404"): history.end(place.read!, answer: "", at: now)
    case (_, "307"): withdraw(place)
    case ("PUT", "415"), ("PUT", "413"), ("PUT", "422"), ("PUT", "400"):
      world.fail("images are taken", "a good image is refused: \(answer)")
    // Nobody knows whether it was done.
    case (_, "503"), (_, "507"), (_, "500"):
      if let read = place.read { history.withdraw(read) }
    default: withdraw(place)
    }
  }

  private func withdraw(_ place: (write: Int?, read: Int?)) {
    for part in [place.write, place.read] { if let part { history.withdraw(part) } }
  }

  private func finish(_ world: World) {
    switch Linearizability.check(history) {
    case .holds: break
    case .undecided(let image): world.fail(Self.rule, "cannot be decided for image \(image): ask for less at a time")
    case .broken(let explanation): world.fail(Self.rule, "\(explanation)")
    }
    if let late = lateRefusals.first {
      world.fail(Self.available, "\(lateRefusals.count) requests were refused: \(late)")
    }
  }
}
