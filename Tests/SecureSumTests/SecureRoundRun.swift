import NodeKit

@testable import SecureSum

/// A whole round in one process. Every message goes through its bytes.
struct SecureRoundRun {
  /// When a trainer goes away: before its keys, its shares, its numbers, its answer in the end; or never.
  enum Leaves: Int, CaseIterable { case atOnce, afterKeys, afterShares, afterNumbers, never }

  let plan: SecurePlan
  var updates: [[Float]]
  var weights: [Int]

  struct Outcome {
    var mean: [Float]
    var weight: UInt32
    var survivors: [String]
    var masked: [String: [UInt32]]
  }

  static func name(_ index: Int) -> String { "trainer-\(index)" }

  static func through(_ request: SecureRequest) throws -> SecureRequest { try SecureRequest(request.bytes) }
  static func through(_ answer: SecureAnswer) throws -> SecureAnswer { try SecureAnswer(answer.bytes) }

  func trainers() throws -> [SecureTrainer] {
    try updates.indices.map { index in
      guard case .begin(let told) = try Self.through(.begin(plan)) else { throw RoleError(.internal, "no plan") }
      return try SecureTrainer(told, random: (0..<32).map { UInt8(truncatingIfNeeded: 31 * index + $0) })
    }
  }

  func run(_ leaves: [Leaves]) throws -> Outcome {
    var server = SecureServer(plan), trainers = try trainers()
    func stays(_ index: Int, _ stage: Leaves) -> Bool { leaves[index].rawValue > stage.rawValue }
    func index(_ name: String) -> Int { Int(name.dropFirst(8))! }
    for (index, trainer) in trainers.enumerated() where stays(index, .atOnce) {
      guard case .keys(let advert) = try Self.through(.keys(trainer.advert)) else { continue }
      try server.advertised(Self.name(index), advert)
    }
    for (name, roster) in try server.closeKeys() where stays(index(name), .afterKeys) {
      guard case .roster(_, let told) = try Self.through(.roster(round: plan.round, roster)) else { continue }
      let shares = try trainers[index(name)].share(told)
      guard case .shares(let taken) = try Self.through(.shares(shares)) else { continue }
      try server.shared(name, taken)
    }
    var masked: [String: [UInt32]] = [:]
    for (name, shares) in try server.closeShares() where stays(index(name), .afterShares) {
      guard case .deliver(_, let told) = try Self.through(.deliver(round: plan.round, shares)) else { continue }
      let masking = try trainers[index(name)].deliver(told)
      let bytes = try masking.mask(updates[index(name)], weight: weights[index(name)]).bytes
      try server.collected(name, bytes: bytes.count)
      masked[name] = bytes.withUnsafeBytes { Array($0.bindMemory(to: UInt32.self)) }
    }
    let (names, unmask) = try server.closeNumbers()
    for name in names where stays(index(name), .afterNumbers) {
      guard case .unmask(_, let told) = try Self.through(.unmask(round: plan.round, unmask)) else { continue }
      let shares = try trainers[index(name)].reveal(told)
      guard case .revealed(let taken) = try Self.through(.revealed(shares)) else { continue }
      try server.revealed(name, taken)
    }
    return try open(server.opening(), masked)
  }

  private func open(_ opening: SecureOpening, _ masked: [String: [UInt32]]) throws -> Outcome {
    var sum = [UInt32](repeating: 0, count: plan.count + 1)
    for name in opening.survivors { SecureOpening.add(masked[name]!, to: &sum, count: sum.count) }
    // In two stretches, as a server does that has no room for all.
    let half = plan.count / 2 / SecureOpening.step * SecureOpening.step
    try sum.withUnsafeMutableBufferPointer { words in
      try opening.open(words.baseAddress!, first: 0, count: half)
      try opening.open(words.baseAddress! + half, first: half, count: words.count - half)
    }
    var mean = [Float](repeating: 0, count: plan.count)
    try opening.mean(sum, weight: sum[plan.count], into: &mean, count: plan.count)
    return Outcome(mean: mean, weight: sum[plan.count], survivors: opening.survivors, masked: masked)
  }

  /// The same without masks.
  func plainMean(of members: [Int]) -> [Float] {
    let weight = members.reduce(0) { $0 + weights[$1] }
    return (0..<plan.count).map { place in
      let sum = members.reduce(Int64(0)) { sum, member in
        let held = max(-plan.range, min(plan.range, updates[member][place]))
        return sum + Int64((Double(held) * (plan.factor * Double(weights[member]))).rounded(.toNearestOrEven))
      }
      return Float(Double(sum) * (1 / (plan.factor * Double(weight))))
    }
  }
}
