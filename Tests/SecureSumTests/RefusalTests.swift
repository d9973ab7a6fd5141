import NodeKit
import Testing

@testable import SecureSum

/// What does not belong in a round is refused, by whoever it is sent to, and with the reason.
@Suite struct RefusalTests {
  private let plan = try! SecurePlan(
    round: "s/1", threshold: 3, participants: 4, count: 20, range: 1, weightLimit: 10)
  private var trainers: [SecureTrainer] = []
  private var server: SecureServer

  init() throws {
    server = SecureServer(plan)
    for index in 0..<4 as Range<UInt8> {
      trainers.append(try SecureTrainer(plan, random: [UInt8](repeating: index, count: 32)))
    }
  }

  private func expect<R>(_ words: String, _ body: () throws(RoleError) -> R) {
    do {
      _ = try body()
      Issue.record("it was not refused: \(words)")
    } catch { #expect(error.message.contains(words), "\(error.message)") }
  }

  private mutating func keys() throws -> [(name: String, roster: SecureRoster)] {
    for (index, trainer) in trainers.enumerated() { try server.advertised("t\(index)", trainer.advert) }
    return try server.closeKeys()
  }

  private mutating func shares() throws -> [(name: String, shares: [SealedShare])] {
    for (index, (name, roster)) in try keys().enumerated() { try server.shared(name, trainers[index].share(roster)) }
    return try server.closeShares()
  }

  /// All but the last bring numbers.
  private mutating func numbers() throws -> SecureUnmask {
    for (index, (name, shares)) in try shares().enumerated() {
      _ = try trainers[index].deliver(shares)
      if index < 3 { try server.collected(name, bytes: plan.bytes) }
    }
    return try server.closeNumbers().unmask
  }

  @Test func plansThatKeepNothingSecret() {
    func plan(_ threshold: Int, _ participants: Int, weight: Int = 10) throws(RoleError) -> SecurePlan {
      try SecurePlan(
        round: "r", threshold: threshold, participants: participants, count: 4, range: 1, weightLimit: weight)
    }
    expect("more than half") { () throws(RoleError) in try plan(2, 4) }
    expect("threshold of 5") { () throws(RoleError) in try plan(5, 4) }
    expect("from 2 to 512") { () throws(RoleError) in try plan(1, 1) }
    expect("below 2^32") { () throws(RoleError) in try plan(3, 4, weight: 1 << 30) }
  }

  @Test mutating func keysThatAreNotTheirs() throws {
    try server.advertised("t0", trainers[0].advert)
    expect("came before") { () throws(RoleError) in try server.advertised("t0", trainers[1].advert) }
    expect("key of somebody else") { () throws(RoleError) in try server.advertised("t1", trainers[0].advert) }
    expect("1 have keys") { () throws(RoleError) in try server.closeKeys() }
    expect("while it is advertising") { () throws(RoleError) in try server.shared("t0", []) }
  }

  @Test mutating func rostersThatAreWrong() throws {
    let roster = try keys()[0].roster
    func changed(_ change: (inout SecureRoster) -> Void) -> SecureRoster {
      var other = roster
      change(&other)
      return other
    }
    var trainer = trainers[0]
    expect("not its own") { () throws(RoleError) in try trainer.share(changed { $0.place = 2 }) }
    expect("not its own") { () throws(RoleError) in try trainer.share(changed { $0.place = 9 }) }
    expect("2 take part") { () throws(RoleError) in try trainer.share(changed { $0.adverts.removeLast(2) }) }
    expect("one key") { () throws(RoleError) in
      try trainer.share(changed { $0.adverts[2].masking = $0.adverts[1].masking })
    }
    expect("give no secret") { () throws(RoleError) in
      try trainer.share(changed { $0.adverts[1].sealing = [UInt8](repeating: 0, count: 32) })
    }
    _ = try trainer.share(roster)
    expect("came before") { () throws(RoleError) in try trainer.share(roster) }
  }

  @Test mutating func sharesThatAreWrong() throws {
    let rosters = try keys()
    let shares = try trainers[0].share(rosters[0].roster)
    expect("not one for each") { () throws(RoleError) in try server.shared("t0", Array(shares.dropLast())) }
    expect("not one for each") { () throws(RoleError) in try server.shared("t1", shares) }
    expect("takes no part") { () throws(RoleError) in try server.shared("t9", shares) }
    try server.shared("t0", shares)
    expect("came before") { () throws(RoleError) in try server.shared("t0", shares) }
    expect("1 have shared") { () throws(RoleError) in try server.closeShares() }
  }

  @Test mutating func deliveriesThatAreWrong() throws {
    let own = try shares()[0].shares
    let fresh = trainers[0]
    func deliver(_ words: String, _ change: (inout [SealedShare]) -> Void) {
      var trainer = fresh, other = own
      change(&other)
      expect(words) { () throws(RoleError) in try trainer.deliver(other) }
    }
    deliver("came before") { $0.append($0[0]) }
    deliver("which there is not") { $0[0].place = 77 }
    deliver("which there is not") { $0[0].place = 1 }
    deliver("2 are left") { $0.removeLast(2) }
    // Changed on the way, or somebody else's.
    deliver("not sealed by it") { $0[0].bytes[5] ^= 1 }
    deliver("not sealed by it") { ($0[0].bytes, $0[1].bytes) = ($0[1].bytes, $0[0].bytes) }
    var early = try SecureTrainer(plan, random: [UInt8](repeating: 9, count: 32))
    expect("none are expected") { () throws(RoleError) in try early.deliver(own) }
  }

  @Test mutating func numbersThatAreWrong() throws {
    _ = try shares()
    expect("84") { () throws(RoleError) in try server.collected("t0", bytes: 80) }
    expect("takes no part") { () throws(RoleError) in try server.collected("t8", bytes: 84) }
    try server.collected("t0", bytes: 84)
    expect("came before") { () throws(RoleError) in try server.collected("t0", bytes: 84) }
    expect("1 have brought") { () throws(RoleError) in try server.closeNumbers() }
  }

  @Test mutating func questionsThatWouldShowTooMuch() throws {
    let unmask = try numbers()
    #expect(unmask == SecureUnmask(survivors: [1, 2, 3], gone: [4]))
    var trainer = trainers[0]
    func ask(_ words: String, _ survivors: [Int], _ gone: [Int]) {
      expect(words) { () throws(RoleError) in try trainer.reveal(SecureUnmask(survivors: survivors, gone: gone)) }
    }
    ask("both secrets of place 2", [1, 2, 3], [2, 4])
    ask("not just those", [1, 2, 3], [])
    ask("not just those", [1, 2, 3, 3], [4])
    ask("not just those", [1, 2, 3], [4, 5])
    ask("2 came to the end", [1, 2], [3, 4])
    ask("this trainer among them", [2, 3, 4], [1])
    let first = try trainer.reveal(unmask)
    #expect(try trainer.reveal(unmask) == first, "the same question has the same answer")
    ask("opened for others", [1, 2, 4], [3])
  }

  @Test mutating func answersThatAreWrong() throws {
    let unmask = try numbers()
    let shares = try (0..<3).map { try trainers[$0].reveal(unmask) }
    expect("was not asked") { () throws(RoleError) in try server.revealed("t3", shares[0]) }
    var less = shares[0]
    less.keys = []
    expect("other shares") { () throws(RoleError) in try server.revealed("t0", less) }
    try server.revealed("t0", shares[0])
    expect("came before") { () throws(RoleError) in try server.revealed("t0", shares[0]) }
    try server.revealed("t1", shares[1])
    expect("2 have revealed") { () throws(RoleError) in try server.opening() }
    #expect(!server.canOpen)
    // A share that is none of the secret's.
    for isSeed in [true, false] {
      var spoiled = shares[2], server = server
      let wrong = SecretShare(numbers: Array(repeating: .one, count: 5))
      if isSeed { spoiled.seeds[1].share = wrong } else { spoiled.keys[0].share = wrong }
      try server.revealed("t2", spoiled)
      expect("a secret of \(isSeed ? "t1" : "t3") cannot") { () throws(RoleError) in try server.opening() }
    }
    try server.revealed("t2", shares[2])
    #expect(server.canOpen)
    #expect(try server.opening().survivors == ["t0", "t1", "t2"])
  }

  @Test mutating func messagesOfTheWrongLength() throws {
    var advert = trainers[0].advert
    advert.masking.removeLast()
    expect("32 bytes") { () throws(RoleError) in try SecureAnswer(SecureAnswer.keys(advert).bytes) }
    let share = SealedShare(place: 2, bytes: [1, 2, 3])
    expect("3 bytes") { () throws(RoleError) in try SecureAnswer(SecureAnswer.shares([share]).bytes) }
    let many = [SealedShare](repeating: SealedShare(place: 1, bytes: [UInt8](repeating: 0, count: 96)), count: 513)
    expect("more shares") { () throws(RoleError) in try SecureAnswer(SecureAnswer.shares(many).bytes) }
    expect("names no round") { () throws(RoleError) in try SecureRequest([]) }
    #expect(SecretShare([UInt8](repeating: 255, count: 40)) == nil, "a number above the field's")
  }
}
