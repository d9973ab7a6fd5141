import NodeKit

/// What the fuzzer tries: the bytes as a message of either side, given to a trainer and to a server in the middle of a
/// round. Must never trap, and what is read and written again must be read the same.
package func fuzzSecureSum(_ bytes: [UInt8]) {
  if let request = try? SecureRequest(bytes) {
    precondition((try? SecureRequest(request.bytes)) == request, "what was written is read differently")
    give(request)
  }
  if let answer = try? SecureAnswer(bytes) {
    precondition((try? SecureAnswer(answer.bytes)) == answer, "what was written is read differently")
    give(answer)
  }
}

/// Two trainers who have shared, and their server.
private struct Middle {
  var trainers: [SecureTrainer]
  var server: SecureServer

  init() throws(RoleError) {
    let plan = try SecurePlan(round: "r", threshold: 2, participants: 3, count: 8, range: 1, weightLimit: 10)
    server = SecureServer(plan)
    trainers = []
    for number in 0..<2 as Range<UInt8> {
      trainers.append(try SecureTrainer(plan, random: [UInt8](repeating: number, count: 32)))
      try server.advertised("t\(number)", trainers[Int(number)].advert)
    }
  }
}

private func give(_ request: SecureRequest) {
  guard var middle = try? Middle() else { return }
  switch request {
  case .begin(let plan): _ = try? SecureTrainer(plan, random: [UInt8](repeating: 7, count: 32))
  case .roster(_, let roster): _ = try? middle.trainers[0].share(roster)
  case .deliver(_, let shares):
    guard let rosters = try? middle.server.closeKeys() else { return }
    _ = try? middle.trainers[0].share(rosters[0].roster)
    _ = try? middle.trainers[0].deliver(shares)
  case .unmask(_, let unmask): _ = try? middle.trainers[0].reveal(unmask)
  }
}

private func give(_ answer: SecureAnswer) {
  guard var middle = try? Middle() else { return }
  switch answer {
  case .keys(let advert):
    try? middle.server.advertised("t2", advert)
    guard let rosters = try? middle.server.closeKeys() else { return }
    _ = try? middle.trainers[0].share(rosters[0].roster)
  case .shares(let shares):
    _ = try? middle.server.closeKeys()
    try? middle.server.shared("t0", shares)
  case .ready: break
  case .revealed(let shares): try? middle.server.revealed("t0", shares)
  }
}
