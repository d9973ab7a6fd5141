internal import CTrainer
internal import NodeKit
internal import Privacy
internal import SecureSum
internal import Synchronization
internal import Tensors
internal import TrainerWire
internal import Training

/// How far a job of the pool is, for the role's loop to look at.
final class JobProgress: Sendable {
  struct State: Equatable {
    var batches = 0
    var of = 0
    var loss = 0.0
  }

  private let state = Mutex(State())

  var now: State { state.withLock { $0 } }
  func set(_ new: State) { state.withLock { $0 = new } }
}

/// All that a training needs, for a job of the pool.
struct TrainingJob: Sendable {
  enum Purpose: Sendable { case train, validate }

  /// What has come of it.
  struct Outcome: Sendable {
    var quality: ModelQuality
    var update = UpdateFile()
    /// What the update leaves out.
    var left: FloatBuffer?
  }

  var purpose: Purpose
  var order: TrainingOrder
  var model: [UInt8]
  var data: TrainerData
  var threads: Int
  var room: EngineRoom?
  /// Trains instead of the engine.
  var program: TrainingProgram?
  var residual: FloatBuffer?
  /// Nobody has yet compared the model with the digest that was announced.
  var isNew: Bool
  /// Of a secure sum.
  var masking: SecureMasking?
  /// Of the noise, if there is to be any.
  var noiseSeed: [UInt8]?
  let progress = JobProgress()

  /// Whatever does the work, it gets weights as they came and gives weights back.
  func run(_ thread: PoolThread) throws -> Outcome {
    if isNew { try checkDigest() }
    if let program { return try run(program, thread) }
    guard let model = order.network?.model, case .here(let data) = data else {
      throw RoleError(
        .failedPrecondition, "the data set `\(order.settings.dataset)` is one of a program; set `engine: process`")
    }
    let engine = try TrainingEngine(
      model, batch: order.settings.batchSize, threads: threads, seed: order.task.seed, isFilled: false, room: room)
    let layout = try engine.layout
    let parameters = engine.withParameters { FloatBuffer($0, of: engine) }
    try tensorWords { () throws(TensorError) in try Safetensors(self.model).read(as: layout, into: parameters.base) }
    switch purpose {
    case .validate: return Outcome(quality: try validate(engine, data.tried.shaped(model.input), thread))
    case .train:
      let quality = try train(engine, data.training.shaped(model.input), thread)
      return try encoded(Weights(layout, parameters), quality)
    }
  }

  // MARK: By a program

  private func run(_ program: TrainingProgram, _ thread: PoolThread) throws -> Outcome {
    let layout = try tensorWords { () throws(TensorError) in try TensorLayout(Safetensors(model).header) }
    // The widest that it may write are doubles.
    let room = layout.count * 8 + SafetensorsHeader.limit
    let result = try program.run(taskJSON, model: model, room: room, thread) { tell($0) }
    guard purpose == .train else { return Outcome(quality: result.quality) }
    let trained: Weights
    do { trained = try Weights(Safetensors(result.weights), as: layout) } catch {
      throw RoleError(.failedPrecondition, "the program's weights: \(error)")
    }
    return try encoded(trained, result.quality)
  }

  /// What a program is told; see SDK/python/README.md.
  private var taskJSON: JSON {
    let task = order.task
    return [
      "purpose": purpose == .train ? "train" : "validate", "session": .string(task.session),
      "ticket": JSON(task.ticket), "version": JSON(task.version), "seed": JSON(task.seed), "threads": JSON(threads),
      "settings": (try? JSON(parsing: task.training)) ?? [:], "model": (try? JSON(parsing: task.model)) ?? .null,
      "data": data.configuration,
    ]
  }

  private func checkDigest() throws {
    guard order.task.tree.isEmpty else {
      let found = ModelTree.digest(model)
      guard found == order.task.tree else {
        throw RoleError(.dataLoss, "the model that came has the tree \(found), and \(order.task.tree) was announced")
      }
      return
    }
    guard !order.task.sha256.isEmpty else { return }
    let found = try hexadecimalSHA256(model)
    guard found == order.task.sha256 else {
      throw RoleError(.dataLoss, "the model that came has the SHA-256 \(found), and \(order.task.sha256) was announced")
    }
  }

  private func validate(_ engine: TrainingEngine, _ data: DataSet, _ thread: PoolThread) throws -> ModelQuality {
    let score = try engine.evaluate(data) { _ in try thread.checkCancellation() }
    guard score.loss.isFinite else {
      throw RoleError(.failedPrecondition, "the model's loss on `\(order.settings.dataset)` is \(score.loss)")
    }
    return ModelQuality(samples: data.count, loss: score.loss, accuracy: score.accuracy)
  }

  private func train(_ engine: TrainingEngine, _ data: DataSet, _ thread: PoolThread) throws -> ModelQuality {
    let settings = order.settings
    guard settings.epochs > 0 else { return try validate(engine, data, thread) }
    try engine.optimise(settings.optimiser)
    engine.anchor()
    let plan = LocalTraining(
      epochs: settings.epochs, batch: settings.batchSize, seed: order.task.seed,
      stepLimit: order.stepLimit)
    let report = try engine.train(on: data, plan) { state in
      try thread.checkCancellation()
      tell(.init(batches: state.steps, of: state.of, loss: state.loss))
    }
    return ModelQuality(samples: data.count, loss: report.score.loss, accuracy: report.score.accuracy)
  }

  /// What goes into a sum or is hidden in noise has no loss that anybody is told.
  private func tell(_ state: JobProgress.State) {
    var state = state
    if masking != nil || noiseSeed != nil { state.loss = 0 }
    progress.set(state)
  }

  /// The trained weights may change with it.
  func encoded(_ trained: Weights, _ quality: ModelQuality) throws -> Outcome {
    guard trained.largest <= WeightedSum.valueLimit else {
      throw RoleError(
        .failedPrecondition,
        "a weight has become \(trained.largest); take a smaller learning_rate, or look at the data")
    }
    let given = try given(as: trained.layout), told = keepPrivate(trained, given, quality)
    if let masking, let given { return try masked(trained, given, told, masking) }
    if order.form == .plain { return Outcome(quality: told, update: UpdateFile(plain: trained)) }
    let encoder = UpdateEncoder(trained.layout, order.form, residual: residual)
    let file = try tensorWords { () throws(TensorError) in
      try encoder.encode(trained, base: given, seed: order.task.seed)
    }
    return Outcome(quality: told, update: UpdateFile(file), left: encoder.residual)
  }

  /// What the trained weights are compared with, if they are.
  private func given(as layout: TensorLayout) throws -> Weights? {
    guard order.form.isDelta || order.settings.clip > 0 || masking != nil else { return nil }
    return try tensorWords { () throws(TensorError) in try Weights(Safetensors(model), as: layout) }
  }

  /// Shortens what was learned, and hides it in noise, if the settings ask for that; then all trainers count the same,
  /// and nothing else is told.
  private func keepPrivate(_ trained: Weights, _ given: Weights?, _ quality: ModelQuality) -> ModelQuality {
    let clip = order.settings.clip, count = trained.layout.count
    guard clip > 0, let given else { return quality }
    return withExtendedLifetime((trained, given)) {
      Clipping.clip(trained.buffer.base, base: given.buffer.base, to: clip, count: count)
      guard let noiseSeed else { return ModelQuality(samples: 1, loss: quality.loss, accuracy: quality.accuracy) }
      GaussianNoise(seed: noiseSeed, deviation: order.settings.noiseMultiplier * clip)
        .add(to: trained.buffer.base, count: count)
      return ModelQuality(samples: 1)
    }
  }

  private func masked(
    _ trained: Weights, _ given: Weights, _ quality: ModelQuality, _ masking: SecureMasking
  ) throws -> Outcome {
    guard masking.plan.count == trained.layout.count else {
      throw RoleError(
        .invalidArgument, "the round sums \(masking.plan.count) numbers, and the model has \(trained.layout.count)")
    }
    let weight = min(quality.samples, masking.plan.weightLimit)
    let masked = try withExtendedLifetime((trained, given)) {
      try masking.mask(trained.buffer.base, base: given.buffer.base, weight: weight)
    }
    return Outcome(quality: ModelQuality(samples: weight), update: UpdateFile(masked.bytes))
  }
}

extension TrainingEngine {
  /// Of a file of its parameters.
  var layout: TensorLayout {
    get throws {
      try tensorWords { () throws(TensorError) in try TensorLayout(tensors.map { ($0.name, $0.shape) }) }
    }
  }
}

/// What is wrong with a file, as an error that goes to the server.
func tensorWords<R>(_ body: () throws(TensorError) -> R) throws(RoleError) -> R {
  do { return try body() } catch { throw RoleError(.invalidArgument, "the model's file: \(error.description)") }
}

func hexadecimalSHA256(_ bytes: [UInt8]) throws -> String {
  var digest = [UInt8](repeating: 0, count: 32)
  let failed = bytes.withUnsafeBytes { raw in
    // Of no bytes there is no address, and none is read.
    withUnsafeBytes(of: UInt8(0)) { trainer_sha256(raw.baseAddress ?? $0.baseAddress!, UInt64(raw.count), &digest) }
  }
  guard failed == 0 else { throw RoleError(.internal, "OpenSSL makes no SHA-256 of the model") }
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
