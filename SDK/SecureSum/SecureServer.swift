public import NodeKit

/// The server's side of a round of secure aggregation; see ``SecureTrainer``. Pure: it says what to send to whom, and
/// refuses what does not belong there. When a phase is over its caller decides, by a deadline; who has not answered by
/// then has gone, and if fewer than the plan's threshold are left, the round is over and nobody's numbers are known.
public struct SecureServer: Sendable {
  public let plan: SecurePlan
  private var phase = Phase.advertising
  /// In the order of the places, once there are any.
  private var members: [Member] = []
  /// Who has come to the end, and who was lost after sharing: places.
  private var asked = SecureUnmask(survivors: [], gone: [])
  private var answers: [(place: Int, shares: SecureShares)] = []

  private enum Phase: String, Sendable {
    case advertising, sharing, collecting, opening
  }

  private struct Member: Sendable {
    var name: String
    var advert: SecureAdvert
    var shares: [SealedShare]?
    var hasNumbers = false
  }

  public init(_ plan: SecurePlan) { self.plan = plan }

  private func expect(_ wanted: Phase, _ what: String) throws(RoleError) {
    guard phase == wanted else {
      throw RoleError(.failedPrecondition, "\(what) of round \(plan.round) come while it is \(phase.rawValue)")
    }
  }

  /// Where somebody stands in the list who takes part.
  private func index(of name: String) throws(RoleError) -> Int {
    guard let index = members.firstIndex(where: { $0.name == name }) else {
      throw RoleError(.permissionDenied, "\(name) takes no part in round \(plan.round)")
    }
    return index
  }

  private func needEnough(_ count: Int, _ what: String) throws(RoleError) {
    guard count >= plan.threshold else {
      throw RoleError(.failedPrecondition, "\(count) have \(what); \(plan.threshold) are needed")
    }
  }

  private func twice(_ name: String, _ what: String) -> RoleError {
    RoleError(.alreadyExists, "\(what) of \(name) came before")
  }

  // MARK: Keys

  public mutating func advertised(_ name: String, _ advert: SecureAdvert) throws(RoleError) {
    try expect(.advertising, "keys")
    guard !members.contains(where: { $0.name == name }) else { throw twice(name, "keys") }
    guard members.count < plan.participants else {
      throw RoleError(.resourceExhausted, "more than \(plan.participants) take part")
    }
    guard !members.contains(where: { $0.advert.sealing == advert.sealing || $0.advert.masking == advert.masking })
    else {
      throw RoleError(.permissionDenied, "\(name) has a key of somebody else")
    }
    members.append(Member(name: name, advert: advert))
  }

  /// To each their place and all keys.
  public mutating func closeKeys() throws(RoleError) -> [(name: String, roster: SecureRoster)] {
    try expect(.advertising, "keys")
    try needEnough(members.count, "keys")
    members.sort { $0.name < $1.name }
    phase = .sharing
    let adverts = members.map(\.advert)
    return members.enumerated().map { ($1.name, SecureRoster(place: $0 + 1, adverts: adverts)) }
  }

  // MARK: Shares

  public mutating func shared(_ name: String, _ shares: [SealedShare]) throws(RoleError) {
    try expect(.sharing, "shares")
    let own = try index(of: name)
    guard members[own].shares == nil else { throw twice(name, "shares") }
    guard shares.map(\.place).sorted() == (1...members.count).filter({ $0 != own + 1 }) else {
      throw RoleError(.invalidArgument, "the shares of \(name) are not one for each other place")
    }
    members[own].shares = shares
  }

  /// To each what the others have sealed for it. Who has not shared is not among them.
  public mutating func closeShares() throws(RoleError) -> [(name: String, shares: [SealedShare])] {
    try expect(.sharing, "shares")
    try needEnough(members.count { $0.shares != nil }, "shared their secrets")
    phase = .collecting
    var deliveries: [Int: [SealedShare]] = [:]
    for (index, member) in members.enumerated() {
      for share in member.shares ?? [] {
        deliveries[share.place, default: []].append(SealedShare(place: index + 1, bytes: share.bytes))
      }
    }
    return members.indices.filter { members[$0].shares != nil }
      .map { (members[$0].name, deliveries[$0 + 1] ?? []) }
  }

  // MARK: Numbers

  /// All of its masked numbers are there.
  public mutating func collected(_ name: String, bytes: Int) throws(RoleError) {
    try expect(.collecting, "numbers")
    let own = try index(of: name)
    guard members[own].shares != nil else {
      throw RoleError(.permissionDenied, "\(name) has shared no secrets, so nobody could open its numbers")
    }
    guard !members[own].hasNumbers else { throw twice(name, "numbers") }
    guard bytes == plan.bytes else {
      throw RoleError(.invalidArgument, "\(bytes) bytes of \(name); the round's sum has \(plan.bytes)")
    }
    members[own].hasNumbers = true
  }

  /// To each who has brought numbers what is asked of it.
  public mutating func closeNumbers() throws(RoleError) -> (names: [String], unmask: SecureUnmask) {
    try expect(.collecting, "numbers")
    try needEnough(members.count(where: \.hasNumbers), "brought their numbers")
    phase = .opening
    let sharing = members.indices.filter { members[$0].shares != nil }
    asked = SecureUnmask(
      survivors: sharing.filter { members[$0].hasNumbers }.map { $0 + 1 },
      gone: sharing.filter { !members[$0].hasNumbers }.map { $0 + 1 })
    return (survivors, asked)
  }

  private var survivors: [String] { asked.survivors.map { members[$0 - 1].name } }

  // MARK: Opening

  public mutating func revealed(_ name: String, _ shares: SecureShares) throws(RoleError) {
    try expect(.opening, "shares")
    let place = try index(of: name) + 1
    guard asked.survivors.contains(place) else {
      throw RoleError(.permissionDenied, "\(name) was not asked for shares")
    }
    guard !answers.contains(where: { $0.place == place }) else { throw twice(name, "shares") }
    guard shares.seeds.map(\.place).sorted() == asked.survivors, shares.keys.map(\.place).sorted() == asked.gone else {
      throw RoleError(.invalidArgument, "\(name) reveals other shares than were asked for")
    }
    answers.append((place, shares))
  }

  /// So many have answered as are needed.
  public var canOpen: Bool { phase == .opening && answers.count >= plan.threshold }

  /// What opens the sum of the survivors' numbers. It takes a while if many have gone: a job.
  public func opening() throws(RoleError) -> SecureOpening {
    try expect(.opening, "shares")
    try needEnough(answers.count, "revealed their shares")
    let used = answers.prefix(plan.threshold)
    let weights = SecretShare.weights(of: used.map(\.place))
    var streams = MaskStreams()
    for survivor in asked.survivors { streams.add(try seed(of: survivor, used, weights), sign: -1) }
    for lost in asked.gone {
      let key = try key(of: lost, used, weights)
      // Each survivor has masked with it; the lost one itself has not.
      for survivor in asked.survivors {
        let seed = try SecureKeys.pairSeed(key, members[survivor - 1].advert.masking, plan)
        streams.add(pairOf: survivor, with: lost, seed, negated: true)
      }
    }
    return SecureOpening(plan: plan, streams: streams, survivors: survivors)
  }

  private typealias Answers = ArraySlice<(place: Int, shares: SecureShares)>

  private func seed(of place: Int, _ answers: Answers, _ weights: [FieldNumber]) throws(RoleError) -> [UInt8] {
    let seed = join(answers.map { share(of: place, in: $0.shares.seeds) }, weights)
    guard let seed, try SecureKeys.commitment(seed, plan) == members[place - 1].advert.commitment else {
      throw wrongShares(place)
    }
    return seed
  }

  private func key(of place: Int, _ answers: Answers, _ weights: [FieldNumber]) throws(RoleError) -> [UInt8] {
    let key = join(answers.map { share(of: place, in: $0.shares.keys) }, weights)
    guard let key, try SecureKeys.publicKey(key) == members[place - 1].advert.masking else { throw wrongShares(place) }
    return key
  }

  private func share(of place: Int, in list: [SecureShares.Revealed]) -> SecretShare? {
    list.first { $0.place == place }?.share
  }

  private func join(_ shares: [SecretShare?], _ weights: [FieldNumber]) -> [UInt8]? {
    let known = shares.compactMap { $0 }
    return known.count == weights.count ? SecretShare.join(known, weights: weights) : nil
  }

  private func wrongShares(_ place: Int) -> RoleError {
    RoleError(
      .dataLoss,
      "a secret of \(members[place - 1].name) cannot be put together: somebody has shared or revealed it wrong")
  }
}
