import NodeKit
import NodeTesting
import Tensors
import Testing

@testable import LearningCore

/// Lends its context.
private final class Bench: Role {
  static let about = About("bench", version: "0.0.0", "Lends its context.")
  static let needs: [Need] = [.blob, .work]
  let context: RoleContext
  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
  func start() {}
}

/// Steps of several blocks, on a fake host's disk and pool, beside the same computed in one go.
@Suite struct CombinerTests {
  private static let layout = try! TensorLayout([("w", [10, 299]), ("b", [10])])
  private static let count = layout.count

  private static func weights(_ seed: UInt64) -> Weights {
    var dice = Dice(seed: seed, round: 0)
    return Weights(layout, FloatBuffer((0..<count).map { _ in Float(dice.unit() - 0.5) }))
  }

  private let host: FakeHost

  init() throws {
    host = try FakeHost(Bench.self)
    try host.start()
  }

  private func put(_ weights: Weights) -> ModelFile {
    let bytes = weights.file()
    return ModelFile(object: host.blobs.add(bytes), start: bytes.count - 4 * Self.count, count: Self.count)
  }

  private func combine(
    _ aggregation: Aggregation, _ base: ModelFile, _ sources: [Combiner.Source], moments: ModelFile? = nil
  ) throws -> Combiner.Made {
    let context = try #require(host.role(as: Bench.self)).context
    var made: Result<Combiner.Made, RoleError>?
    weak var combiner: Combiner?
    do {
      let one = Combiner(context, aggregation, base: base, moments: moments, sources: sources, name: "next", room: 1)
      combiner = one
      one.run { made = $0 }
    }
    for _ in 0..<200 where made == nil { host.clock.advance(by: .milliseconds(10)) }
    #expect(host.misuse.isEmpty)
    #expect(combiner == nil)
    return try #require(made).get()
  }

  private func read(_ file: ModelFile) throws -> [Float] {
    let object = try #require(host.blobs.objects[file.object])
    #expect(object.bytes.count == file.bytes)
    return try Weights(Safetensors(object.bytes), as: Self.layout).buffer.array
  }

  private func expect(_ file: ModelFile, _ wanted: (Int) -> Double, within allowed: Double = 1e-6) throws {
    let made = try read(file)
    let worst = (0..<Self.count).map { abs(Double(made[$0]) - wanted($0)) }.max()!
    #expect(worst <= allowed)
  }

  private static let updates = (1...5 as ClosedRange<UInt64>).map(weights)
  private static let base = weights(99)
  private func sources() -> [Combiner.Source] {
    Self.updates.enumerated().map { Combiner.Source(file: put($1), samples: [10, 20, 30, 1, 600][$0], age: $0) }
  }

  @Test func meansAreWeighed() throws {
    let made = try combine(.mean(.init(.fedavg)), put(Self.base), sources())
    #expect(made.moments == nil)
    let weights = [10.0, 20, 30, 1, 600]
    try expect(made.model) { place in
      zip(Self.updates, weights).reduce(0) { $0 + Double($1.0.buffer[place]) * $1.1 } / 661
    }
  }

  @Test func momentsGoOnFromStepToStep() throws {
    let optimizer = ServerOptimizer(.init(.fedadam)), base = put(Self.base), sources = sources()
    let model = FloatBuffer(copying: Self.base.buffer), moments = FloatBuffer(count: 2 * Self.count)
    for place in 0..<Self.count { moments[2 * place + 1] = optimizer.secondMoment }
    var made = Combiner.Made(model: base, moments: nil)
    for _ in 0..<3 {
      made = try combine(.mean(.init(.fedadam)), made.model, sources, moments: made.moments)
      let mean = FloatBuffer(count: Self.count)
      let all = zip(Self.updates, sources).map {
        WeightedSum.Update($0.buffer.base, weight: UInt32($1.samples))
      }
      try WeightedSum(count: Self.count, weightLimit: 600).mean(of: all, into: mean.base)
      optimizer.step(model, towards: mean, moments: moments, count: Self.count)
    }
    #expect(try read(made.model) == model.array)
  }

  @Test func robustRulesSeeAllUpdates() throws {
    let base = put(Self.base)
    func sorted(_ place: Int) -> [Double] { Self.updates.map { Double($0.buffer[place]) }.sorted() }
    try expect(try combine(.median, base, sources()).model) { sorted($0)[2] }
    try expect(try combine(.trimmedMean(share: 0.2), base, sources()).model) { sorted($0)[1...3].reduce(0, +) / 3 }
    // One is far from all others.
    var five = sources()
    let far = Weights(Self.layout, FloatBuffer(Self.base.buffer.array.map { $0 + 100 }))
    five[3].file = put(far)
    let nearest = try read(try combine(.krum(faulty: 1, isMulti: false), base, five).model)
    func isLike(_ update: Int) -> Bool {
      zip(nearest, Self.updates[update].buffer.array).allSatisfy { abs($0 - $1) < 1e-9 }
    }
    #expect([0, 1, 2, 4].contains(where: isLike))
    try expect(try combine(.krum(faulty: 1, isMulti: true), base, five).model) { place in
      [0, 1, 2, 4].reduce(0) { $0 + Double(Self.updates[$1].buffer[place]) } / 4
    }
    #expect(throws: RoleError.self) { try combine(.krum(faulty: 2, isMulti: false), base, five) }
  }

  @Test func lateUpdatesCountLess() throws {
    let base = put(Self.base), one = [Combiner.Source(file: put(Self.updates[0]), samples: 1, age: 3)]
    try expect(try combine(.mixed(alpha: 0.6, staleness: 0.5), base, one).model) { place in
      let old = Double(Self.base.buffer[place])
      return old + 0.3 * (Double(Self.updates[0].buffer[place]) - old)
    }
    let start = Self.weights(50)
    let buffered = sources().prefix(2).map { source in
      var source = source
      source.base = put(start)
      return source
    }
    try expect(try combine(.buffered(rate: 1, staleness: 1), base, buffered).model) { place in
      let moved = [(0, 1.0), (1, 0.5)].reduce(0.0) { sum, update in
        sum + update.1 * (Double(Self.updates[update.0].buffer[place]) - Double(start.buffer[place]))
      }
      return Double(Self.base.buffer[place]) + moved / 2
    }
  }

  /// Numbers that are none make no model, and nothing is left behind.
  @Test func whatCannotBeCombinedFails() throws {
    let bad = Weights(Self.layout, FloatBuffer(copying: Self.base.buffer))
    bad.buffer[2500] = .nan
    let sources = [Combiner.Source(file: put(bad), samples: 1)], base = put(Self.base)
    let before = host.blobs.objects.count
    #expect(throws: RoleError.self) { try combine(.mean(.init(.fedavg)), base, sources) }
    host.clock.advance(by: .seconds(1))
    #expect(host.blobs.objects.count == before && host.blobs.unfinished.isEmpty)
  }
}
