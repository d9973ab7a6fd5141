internal import NodeKit
internal import Tensors
internal import TrainerWire
internal import Training

/// A task as it is understood here: what a server sends is JSON and names, and nothing of it is believed.
struct TrainingOrder: Sendable {
  let task: TrainingTask
  let settings: LocalSettings
  let form: UpdateForm
  /// Nil: a program of the user's knows what the model is.
  let network: Network?

  struct Network: Sendable {
    let model: ModelDescription
    let plan: NetworkPlan
  }

  /// A safetensors file has at least the length of its header.
  private static let leastSize = 8
  /// Of an activation for a sample: it and its gradient.
  private static let bytesOfActivation = 8
  /// Of a parameter: it, its gradient, two moments and where the round began; as it came, as it is trained, as it goes.
  private static let bytesOfParameter = 32

  /// - Parameter memoryLimit: of the engine; nil: a program trains, and what it takes is its own affair.
  init(_ task: TrainingTask, modelLimit: Int, memoryLimit: Int?) throws {
    self.task = task
    guard task.size >= Self.leastSize else {
      throw RoleError(.invalidArgument, "a task without a model: a file of \(task.size) bytes is announced")
    }
    guard task.size <= UInt64(modelLimit) else {
      throw RoleError(
        .resourceExhausted, "a model of \(task.size) bytes; this trainer takes \(modelLimit), see its `model_bytes`")
    }
    settings = try LocalSettings(text: task.training)
    if memoryLimit == nil {
      network = nil
    } else {
      let model = try Self.model(task, settings)
      network = Network(model: model, plan: try NetworkPlan(model, at: "/model_config/description"))
    }
    do { form = try task.form.isEmpty ? .plain : UpdateForm(task.form) } catch {
      throw RoleError(.invalidArgument, error.description, at: "/session_config/update_form")
    }
    if let network, let memoryLimit { try checkSizes(network.plan, memoryLimit) }
  }

  /// What the task says and what its settings say, whichever is less.
  var stepLimit: Int? {
    let limits = [Int(clamping: task.batches), settings.maxBatches].filter { $0 > 0 }
    return limits.min()
  }

  private static func model(_ task: TrainingTask, _ settings: LocalSettings) throws -> ModelDescription {
    var json = JSON.null
    if !task.model.isEmpty {
      do { json = try JSON(parsing: task.model) } catch {
        throw RoleError(.invalidArgument, "the model's description is not JSON: \(error)", at: "/model_config")
      }
    }
    var model =
      if case .null = json {
        try ModelDescription(json: .string(settings.modelId), at: "/client_training_config/model_id")
      } else {
        try ModelDescription(json: json, at: "/model_config/description")
      }
    if settings.isSquaredError { model.loss = .squaredError }
    return model
  }

  /// What the engine would need, before it is made: a few words can describe a network larger than any machine.
  private func checkSizes(_ plan: NetworkPlan, _ limit: Int) throws {
    let parameters = plan.weightCount
    guard parameters <= Int(clamping: task.size) / 2 + 1 else {
      throw RoleError(
        .invalidArgument,
        "the model that is described has \(parameters) weights, and its file \(task.size) bytes; they are of "
          + "two models"
      )
    }
    let numbers = plan.input.features + plan.shapes.reduce(0) { $0 + $1.features }
    let activations = numbers.multipliedReportingOverflow(by: settings.batchSize * Self.bytesOfActivation)
    let needed = activations.overflow ? Int.max : activations.partialValue
    guard needed <= limit - min(limit, parameters * Self.bytesOfParameter) else {
      throw RoleError(
        .resourceExhausted,
        "a training with batches of \(settings.batchSize) takes more than \(limit) bytes; take a smaller batch_size, "
          + "or raise the trainer's `memory_bytes`")
    }
  }
}

/// How a trainer trains: what `client_training_config` of a session says. Settings that this build does not know are a
/// newer server's, which has checked them.
package struct LocalSettings: RoleConfig, @unchecked Sendable {
  @Setting("A shipped model.", length: 1...100) var modelId = "mlp"
  @Setting("Of the trainer's data sets.", length: 1...200) var dataset = "digits"
  @Setting("Times that it goes through its data; 0: it only tries the model on them.", in: 0...10_000) var epochs = 1
  @Setting("Samples of a step.", in: 1...65_536) var batchSize = 32
  @Setting("Ends after so many steps; 0: after the last epoch.", in: 0...1_000_000_000) var maxBatches = 0
  @Setting("Of the steps.", in: 1e-9...1000) var learningRate = 0.01
  @Setting("sgd, adam or adamw.", length: 1...100) var optimizer = "sgd"
  @Setting("Of sgd.", in: 0...0.9999) var momentum = 0.0
  @Setting("Pulls weights towards zero.", in: 0...10) var weightDecay = 0.0
  @Setting("FedProx: pulls weights towards the model of the round.", in: 0...100) var proximal = 0.0
  @Setting("Differential privacy: the greatest length of an update; 0: none is shortened.", in: 0...1e6)
  var clip = 0.0
  @Setting("Noise that is added to an update, in clips.", in: 0...1000) var noiseMultiplier = 0.0
  @Setting("crossentropy or mse.", length: 1...100) var lossFunction = "crossentropy"
  @Setting("For all of it.", in: 0.001...86_400) var trainTimeoutDurationS = 86_400.0
  package init() {}

  private static let place = "/client_training_config"
  private static let known: Set<String> = [
    "model_id", "dataset", "epochs", "batch_size", "max_batches", "learning_rate", "optimizer", "momentum",
    "weight_decay", "proximal", "loss_function", "train_timeout_duration_s", "clip", "noise_multiplier",
  ]

  init(text: String) throws {
    var settings = JSONObject()
    if !text.isEmpty {
      let json: JSON
      do { json = try JSON(parsing: text) } catch {
        throw RoleError(.invalidArgument, "the settings of the training are not JSON: \(error)", at: Self.place)
      }
      guard let object = json.object else {
        throw RoleError(.invalidArgument, "expected an object, not \(json.kind)", at: Self.place)
      }
      for member in object.members where Self.known.contains(member.key) { settings[member.key] = member.value }
    }
    try self.init(setting: .object(settings), at: Self.place)
    try check()
  }

  /// What the settings' own ranges do not say.
  func check() throws {
    _ = try optimiser
    guard noiseMultiplier == 0 || clip > 0 else {
      throw RoleError(
        .invalidArgument, "noise hides only what has a length that is known; set clip",
        at: "\(Self.place)/noise_multiplier")
    }
    _ = try isLossKnown
  }

  var optimiser: Optimiser {
    get throws {
      let rate = Float(learningRate), decay = Float(weightDecay)
      var optimiser: Optimiser
      switch optimizer.lowercased() {
      case "sgd": optimiser = .sgd(rate: rate, momentum: Float(momentum), decay: decay)
      case "adam": optimiser = .adam(rate: rate, decay: decay)
      case "adamw": optimiser = .adamW(rate: rate, decay: decay)
      default:
        throw RoleError(
          .invalidArgument, "there is no optimizer `\(optimizer)`; there are sgd, adam and adamw",
          at: "\(Self.place)/optimizer")
      }
      optimiser.proximal = Float(proximal)
      return optimiser
    }
  }

  private var loss: String { lossFunction.lowercased().filter { $0 != "_" && $0 != "-" } }

  private var isLossKnown: Bool {
    get throws {
      guard ["crossentropy", "mse"].contains(loss) else {
        throw RoleError(
          .invalidArgument, "there is no loss `\(lossFunction)`; there are crossentropy and mse",
          at: "\(Self.place)/loss_function")
      }
      return true
    }
  }

  /// Otherwise the model's own.
  var isSquaredError: Bool { loss == "mse" }
}

/// Reads the bytes as a request of a server. Must never trap or take much memory.
package func fuzzTrainingOrder(_ bytes: [UInt8]) {
  guard let request = try? TrainingRequest(bytes) else { return }
  precondition((try? TrainingRequest(request.bytes)) == request, "what was read is written as something else")
  guard case .task(let task) = request,
    let order = try? TrainingOrder(task, modelLimit: 1 << 20, memoryLimit: 1 << 24)
  else { return }
  guard let plan = order.network?.plan else { preconditionFailure("no network to train") }
  precondition(plan.weightCount <= 1 << 20, "a model that does not fit its file")
  precondition(order.settings.batchSize * plan.output.features <= 1 << 24, "more memory than there may be")
}
