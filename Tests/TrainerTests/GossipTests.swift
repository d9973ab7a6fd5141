import FuzzSupport
import NodeKit
import Tensors
import Testing
import Training

@testable import TrainerCore

@Suite struct MatchingTests {
  private static func names(_ count: Int) -> [String] { (0..<count).map { "t\($0)" } }

  /// Of a list in any order, everybody has one partner, who has them.
  @Test(arguments: [0, 1, 2, 3, 5, 8, 13, 32, 33]) func pairsArePairs(_ count: Int) {
    let names = Self.names(count)
    for round in 0..<50 {
      let partners = Matching.partners(of: names, round: round, bandwidths: Bandwidths())
      #expect(
        partners == Matching.partners(of: names.reversed() + names.prefix(1), round: round, bandwidths: Bandwidths()))
      for (one, other) in partners { #expect(one != other && partners[other] == one) }
      #expect(partners.count == count / 2 * 2, "at most one has nobody")
    }
  }

  /// Whatever cycle it is: all pairs of its rounds together connect everybody, with nothing but a line's bandwidth.
  @Test(arguments: [2, 3, 5, 8, 13, 32, 33, 100]) func cyclesConnectEverybody(_ count: Int) {
    let names = Self.names(count), length = Matching.cycleLength(count)
    var table = Bandwidths()
    for epoch in 0..<4 {
      for place in 1..<count {
        table.measured(
          by: names[place], to: names[place - 1], bytes: 1 << 30, nanoseconds: 1, round: epoch * Bandwidths.epochLength)
      }
    }
    for cycle in 0..<5 {
      var group = Dictionary(uniqueKeysWithValues: names.map { ($0, $0) })
      // Only the rounds that are there for it.
      for round in stride(from: cycle * length, to: (cycle + 1) * length, by: 2) {
        for (one, other) in Matching.partners(of: names, round: round, bandwidths: table) {
          let (from, to) = (group[one]!, group[other]!)
          for name in names where group[name] == from { group[name] = to }
        }
      }
      #expect(Set(group.values).count == 1, "\(count) in cycle \(cycle)")
    }
  }

  /// Two sites with a slow line between them: fast rounds stay on their side, but others do not.
  @Test func fastWaysAreTaken() {
    let names = Self.names(8)
    var table = Bandwidths()
    for one in 0..<8 {
      for other in 0..<8 where one != other {
        let isNear = (one < 4) == (other < 4)
        table.measured(
          by: names[one], to: names[other], bytes: isNear ? 100_000_000 : 1_000_000, nanoseconds: 1_000_000_000,
          round: 0)
      }
    }
    func far(_ rounds: [Int]) -> Int {
      rounds.reduce(0) { count, round in
        count
          + Matching.partners(of: names, round: round, bandwidths: table).count {
            (Int($0.key.dropFirst())! < 4) != (Int($0.value.dropFirst())! < 4)
          } / 2
      }
    }
    let rounds = Array(2 * Bandwidths.epochLength..<3 * Bandwidths.epochLength)
    #expect(far(rounds.filter { $0 % 2 == 1 }) == 0)
    #expect(far(rounds.filter { $0 % 2 == 0 }) > 5)
    // What was not measured counts as the fastest, and is found out.
    #expect(far(Array(0..<32).filter { $0 % 2 == 1 }) > 5)
    let pairs = Set(
      rounds.filter { $0 % 2 == 1 }.flatMap { round in
        Matching.partners(of: names, round: round, bandwidths: table).map { "\($0.key)-\($0.value)" }
      })
    #expect(pairs.count > 8, "it is always the same pairs")
  }

  @Test func measurementsGetAround() {
    var one = Bandwidths(), other = Bandwidths()
    one.measured(by: "a", to: "b", bytes: 2_000_000, nanoseconds: 1_000_000_000, round: 3)
    other.measured(by: "b", to: "a", bytes: 1_000_000, nanoseconds: 1_000_000_000, round: 5)
    other.merge(one.rows, round: 20)
    one.merge(other.rows, round: 20)
    #expect(one.rate("a", "b", round: 40) == 1000 && other.rate("b", "a", round: 40) == 1000)
    #expect(one.rate("a", "b", round: 20) == nil && one.rate("a", "c", round: 40) == nil)
    // Old ones are forgotten, and what is far ahead is not believed.
    one.measured(by: "a", to: "b", bytes: 1, nanoseconds: 1, round: 100)
    one.merge([.init(epoch: 1 << 40, trainer: "x", rates: [:])], round: 100)
    #expect(one.rows.map(\.epoch) == [6])
  }
}

@Suite struct GossipTests {
  private static func exchange(_ one: GossipModel, _ other: GossipModel, share: Double) throws {
    let number = one.number(of: share)
    let request = try GossipRequest(
      GossipRequest(network: "n", round: 1, from: "a", part: .offer(one.offer(number))).bytes)
    guard case .offer(let offer) = request.part else { throw RoleError(.internal, "no offer") }
    let (means, own) = try other.answer(offer, number)
    let answer = try GossipAnswer(GossipAnswer(means: means, own: own).bytes)
    let settled = try one.take(answer.means, of: offer, answer.own)
    try other.settle(settled, at: own.places)
  }

  /// The mean over all is what it was, and differences go away, each place's in its turn.
  @Test func exchangesLoseNothing() throws {
    var numbers = SeededNumbers(seed: 1)
    let names = (0..<7).map { "t\($0)" }
    let start = FloatBuffer(count: 500)
    let models = names.map { _ in GossipModel(start) }
    for model in models { for place in 0..<500 { model.values[place] = numbers.fraction() * 8 - 4 } }
    func mean(_ place: Int) -> Double { models.reduce(0) { $0 + Double($1.values[place]) } / 7 }
    func spread() -> Double {
      (0..<500).reduce(0) { sum, place in
        let middle = mean(place)
        return sum + models.reduce(0) { $0 + (Double($1.values[place]) - middle) * (Double($1.values[place]) - middle) }
      }
    }
    let means = (0..<500).map(mean), before = spread()
    for round in 0..<60 {
      let partners = Matching.partners(of: names, round: round, bandwidths: Bandwidths())
      for (index, name) in names.enumerated() {
        guard let partner = partners[name], name < partner else { continue }
        try Self.exchange(models[index], models[names.firstIndex(of: partner)!], share: 1)
      }
    }
    #expect(spread() < before * 1e-6)
    for place in 0..<500 { #expect(abs(mean(place) - means[place]) < 1e-5) }
  }

  @Test func offersThatAreNone() throws {
    let model = GossipModel(FloatBuffer(count: 10))
    func refuse(_ places: [UInt32], _ values: [Float]) {
      #expect(throws: RoleError.self, "\(places) \(values)") {
        try model.answer(SparseNumbers(places: places, values: values), 2)
      }
    }
    refuse([1, 2], [1])
    refuse([2, 1], [1, 1])
    refuse([1, 1], [1, 1])
    refuse([10], [1])
    refuse([1], [.nan])
    refuse([1], [1e9])
    #expect(throws: RoleError.self) { try model.settle([.infinity], at: [1]) }
    #expect(throws: RoleError.self) { try model.settle([1, 2], at: [1]) }
    #expect(model.values.array == [Float](repeating: 0, count: 10))
  }

  @Test func whateverComes() throws { try fuzz("gossip", fuzzGossip) }

  /// Eight trainers with unlike parts of the data, and a quarter of the numbers each way in an exchange: as good as FedAvg
  /// with all of them in every round, and far better than everybody alone.
  @Test func gossipLearnsAsFedAvgDoes() throws {
    let trainers = 8, rounds = 30
    let classes = SyntheticImages(seed: 2)
    let all = classes.samples(480, stream: 1, noise: 0.3), trial = classes.samples(300, stream: 2, noise: 0.3)
    let data = try Partition.dirichlet(all.labels, among: trainers, alpha: 0.5, seed: 4).map { try all.chosen($0) }
    let model = try ModelDescription(json: ["input": [784], "layers": [["dense": 24], "relu", ["dense": 10]]])
    let engine = try TrainingEngine(model, batch: 300, seed: 9), start = engine.parameters
    func train(_ values: [Float], _ trainer: Int, _ round: Int) throws -> [Float] {
      try engine.setParameters(values)
      try engine.optimise(.sgd(rate: 0.05))
      _ = try engine.train(on: data[trainer].shaped(model.input), LocalTraining(batch: 16, seed: UInt64(round)))
      return engine.parameters
    }
    func accuracy(_ values: [Float]) throws -> Double {
      try engine.setParameters(values)
      return try engine.evaluate(trial.shaped(model.input)).accuracy
    }
    func mean(_ all: [[Float]]) -> [Float] {
      start.indices.map { place in all.reduce(0) { $0 + $1[place] } / Float(all.count) }
    }
    let names = (0..<trainers).map { "t\($0)" }
    var averaged = start, alone = [[Float]](repeating: start, count: trainers)
    let models = names.map { _ in GossipModel(FloatBuffer(start)) }
    for round in 0..<rounds {
      averaged = mean(try (0..<trainers).map { try train(averaged, $0, round) })
      for trainer in 0..<trainers {
        alone[trainer] = try train(alone[trainer], trainer, round)
        for (place, value) in try train(models[trainer].values.array, trainer, round).enumerated() {
          models[trainer].values[place] = value
        }
      }
      let partners = Matching.partners(of: names, round: round, bandwidths: Bandwidths())
      for (index, name) in names.enumerated() {
        guard let partner = partners[name], name < partner else { continue }
        try Self.exchange(models[index], models[names.firstIndex(of: partner)!], share: 0.25)
      }
    }
    let together = try accuracy(averaged)
    let gossiped = try models.map { try accuracy($0.values.array) }.reduce(0, +) / Double(trainers)
    let single = try alone.map(accuracy).reduce(0, +) / Double(trainers)
    print("accuracy: FedAvg \(together), gossip \(gossiped), alone \(single)")
    #expect(gossiped > together - 0.05 && gossiped > single + 0.2)
  }
}
