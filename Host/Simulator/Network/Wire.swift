import CNodeABI
import HostCore
import HostRuntime

/// What lies between two nodes: down, or a link that both have, one after the other.
///
/// It behaves as the peers service over TCP does: in order in each lane while the link stays, and nothing of what was
/// on its way after it broke. A cut holds things up first; only when it lasts longer than a link bears to hear nothing
/// does the link break, on each side when that notices.
final class Wire {
  /// How long a link bears to hear nothing; see the real links' timing.
  private static let silence: ClosedRange<Int64> = 5_000_000_000...6_000_000_000
  private static let firstPause: Int64 = 100_000_000, longestPause: Int64 = 5_000_000_000

  let pair: Network.Pair
  private unowned(unsafe) let network: Network
  private unowned(unsafe) let world: World
  private let low: SimNode?
  private let high: SimNode?
  /// Counts the links there have been.
  private var link: UInt64 = 0
  private var isUp: (low: Bool, high: Bool) = (false, false)
  private var isDialling = false
  private var failures = 0
  /// When the last of each lane arrives, for each direction.
  private var last: (toHigh: [Int64], toLow: [Int64]) = ([0, 0, 0], [0, 0, 0])
  private var sent: UInt64 = 0
  /// Held up by a cut.
  private var heldUp: [Parcel] = []
  private var cuts: UInt64 = 0

  init(_ pair: Network.Pair, _ network: Network) {
    (self.pair, self.network, world) = (pair, network, network.world)
    (low, high) = (network.node(pair.low), network.node(pair.high))
  }

  private func other(_ id: UInt32) -> UInt32 { id == pair.low ? pair.high : pair.low }

  // MARK: Up and down

  func dialSoon() {
    guard !isDialling, !isUp.low || !isUp.high else { return }
    isDialling = true
    let pause = failures == 0 ? 0 : min(Self.longestPause, Self.firstPause << Int64(min(failures, 6)))
    let delay = Int64.random(in: pause / 2...max(pause, 1), using: &world.chance) + 3 * network.takes()
    world.after(delay) { [self] in dial() }
  }

  private func dial() {
    isDialling = false
    guard let low = network.end(pair.low), let high = network.end(pair.high) else { return }
    guard low.knows(pair.high), high.knows(pair.low) else { return }
    guard !isUp.low, !isUp.high, !network.isCut(pair.low, pair.high), !network.isCut(pair.high, pair.low) else {
      failures += 1
      return dialSoon()
    }
    failures = 0
    link += 1
    isUp = (true, true)
    heldUp = []
    // The one that dialled learns of it a little later, and nothing comes for it before that.
    let delay = network.takes(), link = link
    last = (Array(repeating: world.now + delay, count: 3), [0, 0, 0])
    world.after(delay) { [self] in if self.link == link, isUp.high { up(high, pair.low) } }
    up(low, pair.high)
  }

  private func up(_ end: SimLinks, _ peer: UInt32) {
    world.trace.note(.linkUp, world.now, end.number, UInt64(peer), "link up with \(network.node(peer)?.name ?? "?")")
    end.up(peer, name: network.node(peer)?.name ?? "")
  }

  /// One side has no link any more. `tells`: the other learns of it as soon as it can.
  func take(down side: UInt32, tells: Bool) {
    let isLow = side == pair.low
    guard isLow ? isUp.low : isUp.high else { return dialSoon() }
    if isLow { isUp.low = false } else { isUp.high = false }
    heldUp.removeAll { $0.from == side }
    if let end = network.end(side) {
      let peer = other(side)
      world.trace.note(
        .linkDown, world.now, end.number, UInt64(peer), "link down with \(network.node(peer)?.name ?? "?")")
      end.down(peer)
    }
    let peer = other(side), link = link
    guard isLow ? isUp.high : isUp.low else { return dialSoon() }
    let delay =
      tells && !network.isCut(side, peer)
      ? network.takes() : Int64.random(in: Self.silence, using: &world.chance)
    world.after(delay) { [self] in if self.link == link { take(down: peer, tells: true) } }
  }

  func endWent(_ id: UInt32, says: Bool) {
    // Nobody is there to hear of it on this side.
    if id == pair.low { isUp.low = false } else { isUp.high = false }
    let peer = other(id), link = link
    guard peer == pair.low ? isUp.low : isUp.high else { return }
    let delay =
      says && !network.isCut(id, peer)
      ? network.takes() : Int64.random(in: Self.silence, using: &world.chance)
    world.after(delay) { [self] in if self.link == link { take(down: peer, tells: true) } }
  }

  // MARK: Cuts

  func wasCut(to: UInt32) {
    cuts += 1
    let cuts = cuts, link = link
    world.after(Int64.random(in: Self.silence, using: &world.chance)) { [self] in
      guard self.link == link, self.cuts == cuts || network.isCut(other(to), to) else { return }
      if network.isCut(other(to), to) { take(down: to, tells: true) }
    }
  }

  func wasHealed(from: UInt32) {
    cuts += 1
    // What was on its way when it was cut came to a halt later than what was sent after it.
    let waiting = heldUp.filter { $0.from == from }.sorted { $0.number < $1.number }
    heldUp.removeAll { $0.from == from }
    for parcel in waiting { put(parcel) }
  }

  // MARK: Parcels

  func send(_ bytes: [UInt8], lane: Int, from: UInt32) {
    guard from == pair.low ? isUp.low : isUp.high else { return }
    world.trace.note(
      .sent, world.now, number(from), bytes.withUnsafeBytes(Trace.number(of:)),
      Self.words(bytes) + " to \(name(other(from)))")
    if network.breaks() {
      world.trace.note(.lost, world.now, number(from), 0, "the link to \(name(other(from))) breaks")
      return take(down: from, tells: true)
    }
    sent += 1
    let parcel = Parcel(wire: self, link: link, from: from, lane: lane, number: sent, bytes: bytes)
    if network.isCut(from, other(from)) { heldUp.append(parcel) } else { put(parcel) }
  }

  private func put(_ parcel: Parcel) {
    var time = world.now + network.takes()
    let toHigh = parcel.from == pair.low
    let overtakes =
      network.overtakeChance > 0 && Double.random(in: 0..<1, using: &world.chance) < network.overtakeChance
    if !overtakes {
      time = max(time, toHigh ? last.toHigh[parcel.lane] : last.toLow[parcel.lane])
      if toHigh { last.toHigh[parcel.lane] = time } else { last.toLow[parcel.lane] = time }
    }
    world.add(parcel, at: time)
    if network.duplicateChance > 0, Double.random(in: 0..<1, using: &world.chance) < network.duplicateChance {
      world.add(parcel, at: time + network.takes())
    }
  }

  func arrived(_ parcel: Parcel) {
    let to = other(parcel.from)
    guard parcel.link == link, to == pair.low ? isUp.low : isUp.high, let end = network.end(to) else {
      return world.trace.note(.lost, world.now, number(to), 0, "what \(name(parcel.from)) sent is lost with its link")
    }
    // On its way when it was cut: it waits like the rest.
    if network.isCut(parcel.from, to) { return heldUp.append(parcel) }
    world.trace.note(.arrived, world.now, end.number, UInt64(parcel.from), "hears from \(name(parcel.from))")
    end.take(parcel)
  }

  /// "sends 26 bytes to register", as far as that can be told.
  private static func words(_ bytes: [UInt8]) -> String {
    var words: [String] = []
    var reader = PeerReader()
    _ = bytes.withUnsafeBytes { bytes in
      try? reader.read(bytes) { kind, _, body throws(PeerFault) in
        guard kind == .message else {
          words.append("a \(kind) of \(body.count) bytes")
          return true
        }
        let message = try PeerMessage(body)
        words.append("\(message.payload.count) bytes for \(String(decoding: message.to, as: UTF8.self))")
        return true
      }
    }
    return "sends " + (words.isEmpty ? "a part" : words.joined(separator: ", "))
  }

  private func number(_ id: UInt32) -> Int { (id == pair.low ? low : high)?.number ?? -1 }
  private func name(_ id: UInt32) -> String { (id == pair.low ? low : high)?.name ?? "\(id)" }
}
