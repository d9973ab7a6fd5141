internal import NodeKit
internal import Tensors
internal import TrainerWire

/// Makes the next model of a step's updates, a block of numbers at a time: the same block of all updates comes from the
/// disk, is combined on the CPU pool, and goes back to the disk. So the memory that it takes depends neither on the
/// size of the model nor on how many updates there are.
final class Combiner {
  struct Source: Equatable {
    var file: ModelFile
    var samples: Int
    /// How many steps ago its training began, and with what, where that matters.
    var age = 0
    var base: ModelFile?
  }

  private static let shortestBlock = 1024
  private static let longestBlock = 1 << 17
  /// What is handed to a role at a time goes into one call: 2 MiB of numbers.
  private static let roleRoom = 1 << 19

  private let context: RoleContext
  private let aggregation: Aggregation
  private let base: ModelFile
  private let moments: ModelFile?
  private var sources: [Source]
  private let reader: BlockReader
  private let name: String
  private let room: Int
  /// For a role that combines.
  private let arguments: JSON
  private var done: ((Result<Made, RoleError>) -> Void)?
  private var place = 0
  private var distances: [[Double]] = []
  private var model: BlockWriter?
  private var newMoments: BlockWriter?
  private var tree = ModelTree()

  /// What has come of it.
  struct Made: Equatable {
    var model: ModelFile
    var moments: ModelFile?
  }

  /// - Parameters:
  ///   - name: of the uploads, so that a new try takes the place of one that was killed.
  ///   - sources: in an order that is always the same.
  ///   - room: for so many numbers in memory, of all updates together.
  init(
    _ context: RoleContext, _ aggregation: Aggregation, base: ModelFile, moments: ModelFile?, sources: [Source],
    name: String, arguments: JSON = .null, room: Int = 1 << 20
  ) {
    (self.context, self.aggregation, self.base, self.moments) = (context, aggregation, base, moments)
    (self.sources, self.name, self.arguments) = (sources, name, arguments)
    if case .role = aggregation { self.room = min(room, Self.roleRoom) } else { self.room = room }
    reader = BlockReader(context.blobs)
  }

  private var blockLength: Int { max(Self.shortestBlock, min(Self.longestBlock, room / (sources.count + 4))) }
  private var length: Int { min(blockLength, base.count - place) }
  private var takesBases: Bool {
    if case .buffered = aggregation { return true }
    return false
  }
  private var optimizer: ServerOptimizer? {
    if case .mean(let settings) = aggregation { return ServerOptimizer(settings) }
    return nil
  }

  func run(then done: @escaping (Result<Made, RoleError>) -> Void) {
    self.done = done
    if case .krum = aggregation {
      distances = Array(repeating: Array(repeating: 0, count: sources.count), count: sources.count)
      measure()
    } else {
      begin()
    }
  }

  private func end(_ result: Result<Made, RoleError>) {
    if case .failure = result {
      model?.abandon()
      newMoments?.abandon()
    }
    // They hold the combiner, too.
    (model, newMoments) = (nil, nil)
    let done = done
    self.done = nil
    done?(result)
  }

  private func fail(_ error: any Error) { end(.failure(RoleError(error))) }

  // MARK: Who is near to whom

  private func measure() {
    guard place < base.count else { return choose() }
    let count = length
    reader.read(sources.map { ($0.file, 1) }, from: place, count: count) { [self] result in
      do {
        let rows = try result.get(), known = distances
        try context.work.run { _ in
          var distances = known
          Robust.addDistances(rows, count: count, to: &distances)
          return distances
        } then: { [self] result in
          do { distances = try result.get() } catch { return fail(error) }
          place += count
          measure()
        }
      } catch { fail(error) }
    }
  }

  private func choose() {
    guard case .krum(let faulty, let isMulti) = aggregation else { return }
    do {
      let chosen = try Robust.krum(distances, faulty: faulty, keep: isMulti ? sources.count - faulty : 1)
      sources = chosen.sorted().map { sources[$0] }
      place = 0
      begin()
    } catch { fail(RoleError(.failedPrecondition, "\(error)")) }
  }

  // MARK: Block by block

  private func begin() {
    do {
      model = try BlockWriter(context.blobs, name, size: base.bytes) { [self] in fail($0) }
      if optimizer?.keepsMoments == true {
        newMoments = try BlockWriter(context.blobs, "\(name)-moments", size: 8 * base.count) { [self] in fail($0) }
      }
      // The header is the old model's.
      var header: [UInt8] = []
      try context.blobs.read(base.object, from: 0, length: base.start) {
        header += $0.bytes
      } then: { [self] result in
        do { try result.get() } catch { return fail(error) }
        write(header) { [self] in goOn() }
      }
    } catch { fail(error) }
  }

  private func goOn() {
    guard done != nil else { return }
    guard place < base.count else { return finish() }
    let count = length
    let bases = takesBases ? sources.map { $0.base ?? base } : []
    var files = (sources.map(\.file) + bases + [base]).map { (file: $0, width: 1) }
    if let moments { files.append((moments, 2)) }
    reader.read(files, from: place, count: count) { [self] result in
      do {
        var rows = try result.get()
        let moments = moments == nil ? freshMoments(count) : rows.removeLast()
        let model = rows.removeLast(), own = Array(rows.prefix(sources.count))
        let block = Block(
          rows: own, bases: Array(rows.dropFirst(own.count)), model: model, moments: moments, count: count)
        try combine(block)
      } catch { fail(error) }
    }
  }

  private func freshMoments(_ count: Int) -> FloatBuffer? {
    guard let optimizer, optimizer.keepsMoments else { return nil }
    let moments = FloatBuffer(count: 2 * count)
    for place in 0..<count { moments.base[2 * place + 1] = optimizer.secondMoment }
    return moments
  }

  private func combine(_ block: Block) throws {
    if case .role(let role) = aggregation { return try ask(role, block) }
    let aggregation = aggregation, sources = sources.map { ($0.samples, $0.age) }
    try context.work.run { _ in
      try block.combine(aggregation, sources)
    } then: { [self] result in
      do { try result.get() } catch { return fail(error) }
      write(block)
    }
  }

  private func write(_ block: Block) {
    place += block.count
    let rest = { [self] in
      guard let newMoments, let moments = block.moments else { return goOn() }
      newMoments.write(moments.withBytes { Array($0)[...] }) { [self] in goOn() }
    }
    write(block.model.withBytes { Array($0) }, then: rest)
  }

  private func write(_ bytes: [UInt8], then: @escaping () -> Void) {
    tree.add(bytes)
    model?.write(bytes[...], then: then)
  }

  /// A role combines blocks of plain floats: the same stretch of each update, one after the other, and of the model.
  private func ask(_ role: String, _ block: Block) throws {
    let about: JSON = [
      "offset": .int(Int64(place)), "count": .int(Int64(block.count)), "of": .int(Int64(base.count)),
      "samples": .array(sources.map { .int(Int64($0.samples)) }), "ages": .array(sources.map { .int(Int64($0.age)) }),
      "arguments": arguments,
    ]
    let updates = block.rows.flatMap { row in row.withBytes { Array($0) } }, model = block.model.withBytes { Array($0) }
    try context.roles.call(role, "combine", about, updates, model) { [self] (answer: Result<[UInt8], RoleError>) in
      do {
        let made = try answer.get()
        guard made.count == 4 * block.count else {
          throw RoleError(
            .failedPrecondition,
            "the role \(role) has made \(made.count) bytes of a block of \(block.count) floats; answer with as many")
        }
        block.model.withBytes { $0.copyBytes(from: made) }
        let largest = Weights.largest(block.model)
        guard largest <= WeightedSum.valueLimit else {
          throw RoleError(.failedPrecondition, "the role \(role) has made a number of \(largest)")
        }
        write(block)
      } catch { fail(error) }
    }
  }

  private func finish() {
    model?.finish { [self] object in
      let file = ModelFile(object: object, start: base.start, count: base.count, tree: tree.digest())
      guard let newMoments else { return end(.success(Made(model: file, moments: nil))) }
      newMoments.finish { [self] object in
        end(.success(Made(model: file, moments: ModelFile(object: object, start: 0, count: base.count))))
      }
    }
  }
}

/// A stretch of all that goes into a step, and of what comes out.
private struct Block: Sendable {
  let rows: [FloatBuffer]
  let bases: [FloatBuffer]
  /// Before, and then after.
  let model: FloatBuffer
  let moments: FloatBuffer?
  let count: Int

  func combine(_ aggregation: Aggregation, _ sources: [(samples: Int, age: Int)]) throws {
    do {
      switch aggregation {
      case .mean(let settings):
        let mean = FloatBuffer(count: count)
        try self.mean(sources.map(\.samples), into: mean)
        ServerOptimizer(settings).step(model, towards: mean, moments: moments, count: count)
      case .mixed(let alpha, let staleness):
        for (row, source) in zip(rows, sources) {
          move(by: alpha * Aggregation.weight(ofAge: source.age, staleness: staleness), from: model, to: row)
        }
      case .buffered(let rate, let staleness):
        for ((row, base), source) in zip(zip(rows, bases), sources) {
          let share = rate * Aggregation.weight(ofAge: source.age, staleness: staleness) / Double(rows.count)
          move(by: share, from: base, to: row)
        }
      case .weighed(let weights): weigh(weights)
      case .trimmedMean(let share): take(try Robust.trimmedMean(rows, cut: Int(share * Double(rows.count))))
      case .median: take(try Robust.median(rows))
      // Those that are left.
      case .krum: try self.mean(rows.map { _ in 1 }, into: model)
      case .tiers: try self.mean(sources.map(\.samples), into: model)
      // Done on the loop, by the role.
      case .role: break
      }
    } catch { throw RoleError(.failedPrecondition, "\(error)") }
  }

  private func mean(_ samples: [Int], into mean: FloatBuffer) throws(TensorError) {
    let most = samples.max() ?? 1
    let sum = WeightedSum(count: count, weightLimit: UInt32(clamping: max(1, most)))
    let updates = zip(rows, samples).map { WeightedSum.Update($0.base, weight: UInt32(clamping: max(1, $1))) }
    try sum.mean(of: updates, into: mean.base)
  }

  private func move(by share: Double, from base: FloatBuffer, to row: FloatBuffer) {
    for place in 0..<count {
      let step = share * (Double(row.base[place]) - Double(base.base[place]))
      model.base[place] = Float(Double(model.base[place]) + step)
    }
  }

  private func weigh(_ weights: [Double]) {
    let all = weights.reduce(0, +)
    for place in 0..<count {
      let sum = zip(rows, weights).reduce(0) { $0 + Double($1.0.base[place]) * $1.1 }
      model.base[place] = Float(sum / all)
    }
  }

  private func take(_ made: FloatBuffer) { model.base.update(from: made.base, count: count) }
}
