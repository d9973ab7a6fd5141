public import NodeKit

/// One trainer's side of a round of secure aggregation (Bonawitz and others, "Practical secure aggregation for
/// privacy-preserving machine learning", 2017, figure 4). Pure: messages go in and come out, and all chance comes from
/// the bytes that it is made with.
///
/// Each two of a round agree on a mask that one adds and the other takes away, so all of them vanish in the sum. On top
/// each has a mask of its own. The seed of that one and the key of the common ones are shared out among all, so that the
/// server can ask for the former of those who came to the end, and for the latter of those who have gone. It never gets
/// both of one trainer, with which it could see that one's numbers.
///
/// As in the paper's section 4 the server is curious but plays by the rules: it hands on the keys as they come. What it
/// could do in spite of them with keys of its own making is not prevented, since nobody here knows anybody else's keys.
/// Beyond the paper, each seed is committed to, so that a wrong share spoils no sum unnoticed.
public struct SecureTrainer: Sendable {
  public let plan: SecurePlan
  private var stage: Stage
  private let sealingKey: [UInt8]
  private let maskingKey: [UInt8]
  private let ownSeed: [UInt8]
  private let sharingSeed: [UInt8]
  public let advert: SecureAdvert

  private enum Stage: Sendable {
    case advertised
    case shared(Round)
    case delivered(Round, shares: [Int: Held])
    /// It answers the same question again, and no other one.
    case revealed(Round, shares: [Int: Held], SecureUnmask)
  }

  private struct Round: Sendable {
    var place: Int
    var adverts: [SecureAdvert]
    var own: Held
  }

  /// Shares of one trainer's secrets.
  private struct Held: Sendable {
    var seed: SecretShare
    var key: SecretShare
  }

  /// - Parameter random: 32 bytes fit for keys, for this round alone.
  public init(_ plan: SecurePlan, random: [UInt8]) throws(RoleError) {
    guard random.count >= SecureKeys.size else { throw RoleError(.internal, "too few random bytes for keys") }
    self.plan = plan
    sealingKey = try SecureKeys.derive(random, "sealing")
    maskingKey = try SecureKeys.derive(random, "masking")
    ownSeed = try SecureKeys.derive(random, "own mask")
    sharingSeed = try SecureKeys.derive(random, "sharing")
    var advert = SecureAdvert()
    advert.sealing = try SecureKeys.publicKey(sealingKey)
    advert.masking = try SecureKeys.publicKey(maskingKey)
    advert.commitment = try SecureKeys.commitment(ownSeed, plan)
    self.advert = advert
    stage = .advertised
  }

  private static func refuse(_ why: String) -> RoleError { RoleError(.permissionDenied, why) }

  /// The keys of all have come: the shares of its secrets, for each of the others.
  public mutating func share(_ roster: SecureRoster) throws(RoleError) -> [SealedShare] {
    guard case .advertised = stage else { throw Self.refuse("the keys of round \(plan.round) came before") }
    try check(roster)
    let count = roster.adverts.count
    let seeds = try SecretShare.split(
      ownSeed, count: count, threshold: plan.threshold, seed: SecureKeys.derive(sharingSeed, "seed"))
    let keys = try SecretShare.split(
      maskingKey, count: count, threshold: plan.threshold, seed: SecureKeys.derive(sharingSeed, "key"))
    let own = roster.place
    var sealed: [SealedShare] = []
    for place in 1...count where place != own {
      let key = try sealingKey(from: own, to: place, roster.adverts[place - 1])
      let bytes = try SecureKeys.seal(seeds[place - 1].bytes + keys[place - 1].bytes, key)
      sealed.append(SealedShare(place: place, bytes: bytes))
    }
    stage = .shared(Round(place: own, adverts: roster.adverts, own: Held(seed: seeds[own - 1], key: keys[own - 1])))
    return sealed
  }

  private func check(_ roster: SecureRoster) throws(RoleError) {
    let count = roster.adverts.count
    guard (plan.threshold...plan.participants).contains(count) else {
      throw Self.refuse("\(count) take part; the plan takes \(plan.threshold) to \(plan.participants)")
    }
    guard (1...count).contains(roster.place), roster.adverts[roster.place - 1] == advert else {
      throw Self.refuse("the keys at its own place \(roster.place) are not its own")
    }
    // One who is there twice could have two shares of each secret.
    guard Set(roster.adverts.map(\.sealing)).count == count, Set(roster.adverts.map(\.masking)).count == count else {
      throw Self.refuse("two places have one key")
    }
  }

  private func sealingKey(from: Int, to: Int, _ advert: SecureAdvert) throws(RoleError) -> [UInt8] {
    let shared = try SecureKeys.agree(sealingKey, advert.sealing)
    return try SecureKeys.derive(shared, "seal \(from) to \(to) in \(plan.round)")
  }

  /// The shares of the others have come: what masks its numbers. Whose shares are not among them has gone before.
  public mutating func deliver(_ shares: [SealedShare]) throws(RoleError) -> SecureMasking {
    guard case .shared(let round) = stage else {
      throw Self.refuse("shares come where none are expected in round \(plan.round)")
    }
    guard shares.count + 1 >= plan.threshold else {
      throw Self.refuse("\(shares.count + 1) are left; \(plan.threshold) are needed")
    }
    var held: [Int: Held] = [round.place: round.own]
    var streams = MaskStreams()
    streams.add(ownSeed, sign: 1)
    for share in shares {
      guard (1...round.adverts.count).contains(share.place), held[share.place] == nil else {
        throw Self.refuse("shares of place \(share.place), which there is not, or which came before")
      }
      held[share.place] = try open(share, round)
      let seed = try SecureKeys.pairSeed(maskingKey, round.adverts[share.place - 1].masking, plan)
      streams.add(pairOf: round.place, with: share.place, seed)
    }
    stage = .delivered(round, shares: held)
    return SecureMasking(plan: plan, streams: streams)
  }

  private func open(_ share: SealedShare, _ round: Round) throws(RoleError) -> Held {
    let key = try sealingKey(from: share.place, to: round.place, round.adverts[share.place - 1])
    guard let text = SecureKeys.open(share.bytes, key), let seed = SecretShare(text.prefix(SecretShare.size)),
      let masking = SecretShare(text.dropFirst(SecretShare.size))
    else { throw Self.refuse("the shares of place \(share.place) were not sealed by it for this trainer") }
    return Held(seed: seed, key: masking)
  }

  /// Who has come to the end is known: the shares that open the sum.
  public mutating func reveal(_ unmask: SecureUnmask) throws(RoleError) -> SecureShares {
    let round: Round, held: [Int: Held]
    switch stage {
    case .delivered(let at, let shares): (round, held) = (at, shares)
    case .revealed(let at, let shares, unmask): (round, held) = (at, shares)
    case .revealed: throw Self.refuse("round \(plan.round) was opened for others; together they would show too much")
    case .advertised, .shared: throw Self.refuse("round \(plan.round) cannot be opened before its shares have come")
    }
    let survivors = Set(unmask.survivors), gone = Set(unmask.gone)
    guard survivors.isDisjoint(with: gone) else {
      throw Self.refuse("both secrets of place \(survivors.intersection(gone).min() ?? 0) are asked for")
    }
    guard survivors.count == unmask.survivors.count, gone.count == unmask.gone.count,
      survivors.union(gone) == Set(held.keys)
    else { throw Self.refuse("not just those who have shared are named, each once") }
    guard survivors.contains(round.place), survivors.count >= plan.threshold else {
      throw Self.refuse("\(survivors.count) came to the end; \(plan.threshold) are needed, and this trainer among them")
    }
    stage = .revealed(round, shares: held, unmask)
    return SecureShares(
      seeds: survivors.sorted().map { .init(place: $0, share: held[$0]!.seed) },
      keys: gone.sorted().map { .init(place: $0, share: held[$0]!.key) })
  }
}

extension SecureKeys {
  static func commitment(_ seed: [UInt8], _ plan: SecurePlan) throws(RoleError) -> [UInt8] {
    try derive(seed, "commitment in \(plan.round)")
  }

  /// The same for both of them.
  static func pairSeed(_ secret: [UInt8], _ publicKey: [UInt8], _ plan: SecurePlan) throws(RoleError) -> [UInt8] {
    try derive(agree(secret, publicKey), "mask in \(plan.round)")
  }
}
