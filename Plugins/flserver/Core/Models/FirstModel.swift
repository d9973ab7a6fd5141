internal import NodeKit
internal import Tensors
internal import Training

/// What a session's trainers are to train, as the document says.
struct ModelChoice {
  /// Nil: only trainers know it, by its name; its tensors come from a file.
  var description: ModelDescription?
  /// What trainers are told: a description, or the name of a model that is shipped; JSON.
  var text: String

  init(_ document: SessionDocument) throws {
    let described = document.modelConfig.description, name = document.clientTrainingConfig.modelId
    if described != .null {
      description = try ModelDescription(json: described, at: "/model_config/description")
      text = described.description
    } else if let known = ModelDescription.shipped.first(where: { Self.plain($0.name) == Self.plain(name) }) {
      description = known.model
      text = JSON.string(known.name).description
    } else {
      text = "null"
      guard !document.modelConfig.initial.isEmpty else {
        let names = ModelDescription.shipped.map(\.name).joined(separator: ", ")
        throw RoleError(
          .invalidArgument,
          "there is no model `\(name)`; shipped are \(names); describe its layers in model_config.description, or "
            + "begin with a file of its tensors in model_config.initial", at: "/client_training_config/model_id")
      }
    }
  }

  /// `LeNet5`, `lenet_5` and `lenet-5` are one.
  private static func plain(_ name: String) -> String { name.lowercased().filter { $0.isLetter || $0.isNumber } }
}

/// Makes the model that a session begins with: by chance, or of a file that somebody has brought.
enum FirstModel {
  static func make(
    _ context: RoleContext, _ choice: ModelChoice, _ document: SessionDocument, name: String, limit: Int,
    then done: @escaping (Result<(ModelFile, TensorLayout), RoleError>) -> Void
  ) throws {
    let description = choice.description, seed = UInt64(document.sessionConfig.seed)
    let initial = document.modelConfig.initial
    if let description { try check(description, limit: limit) }
    if initial.isEmpty {
      return try write(context, name, then: done) {
        guard let description else { throw RoleError(.internal, "a model of nothing") }
        return try TrainingEngine(description, batch: 1, seed: seed).weights
      }
    }
    try ObjectReader.whole(context.blobs, initial, limit: limit) { file in
      do {
        let bytes = try file.get()
        try write(context, name, then: done) { try brought(bytes, description) }
      } catch { done(.failure(RoleError(error).inside("/model_config/initial"))) }
    }
  }

  /// Before it is made: a few words can describe a network larger than the machine.
  private static func check(_ description: ModelDescription, limit: Int) throws {
    let bytes = 4 * (try NetworkPlan(description, at: "/model_config/description").weightCount)
    guard bytes <= limit else {
      throw RoleError(
        .resourceExhausted, "a model of \(bytes) bytes; this server takes \(limit), see its `model_bytes`",
        at: "/model_config/description")
    }
  }

  /// Its tensors in the order that trainers have them.
  private static func brought(_ bytes: [UInt8], _ description: ModelDescription?) throws -> Weights {
    do {
      let weights = try Weights(Safetensors(bytes))
      guard weights.largest <= WeightedSum.valueLimit else {
        throw TensorError("a number of it is \(weights.largest); models have numbers up to \(WeightedSum.valueLimit)")
      }
      guard let description else { return weights }
      let engine = try TrainingEngine(description, batch: 1)
      try engine.set(weights)
      return try engine.weights
    } catch let error as TensorError {
      throw RoleError(.invalidArgument, error.description, at: "/model_config/initial")
    }
  }

  private static func write(
    _ context: RoleContext, _ name: String, then done: @escaping (Result<(ModelFile, TensorLayout), RoleError>) -> Void,
    _ make: @escaping @Sendable () throws -> Weights
  ) throws {
    try context.work.run { _ in
      let weights = try make()
      return (weights.file(), weights.layout)
    } then: { made in
      do {
        let (bytes, layout) = try made.get()
        try context.blobs.put(bytes, as: name) { stored in
          done(
            stored.map {
              (ModelFile(object: $0.sha256, start: bytes.count - 4 * layout.count, count: layout.count), layout)
            })
        }
      } catch { done(.failure(RoleError(error))) }
    }
  }
}

extension RoleError {
  /// Where in the document it is, if it does not say so itself.
  func inside(_ place: String) -> RoleError {
    self.place.isEmpty ? RoleError(status, message, at: place) : self
  }
}

extension TrainingEngine {
  /// A copy of the parameters, as tensors with names.
  var weights: Weights {
    get throws {
      do {
        let layout = try TensorLayout(tensors.map { ($0.name, $0.shape) })
        let weights = Weights(layout)
        withParameters { weights.buffer.base.update(from: $0.baseAddress!, count: layout.count) }
        return weights
      } catch { throw RoleError(.invalidArgument, "\(error)") }
    }
  }

  /// Takes the parameters from tensors of the same names and shapes, in whatever order they are.
  func set(_ weights: Weights) throws(TensorError) {
    let own = try TensorLayout(tensors.map { ($0.name, $0.shape) })
    let given = Dictionary(uniqueKeysWithValues: weights.layout.tensors.map { ($0.name, $0) })
    for tensor in own.tensors where given[tensor.name]?.shape != tensor.shape {
      throw TensorError(
        "the model has `\(tensor.name)` of shape \(tensor.shape), the file "
          + (given[tensor.name].map { "one of \($0.shape)" } ?? "has none"))
    }
    if let more = weights.layout.tensors.first(where: { tensor in !own.tensors.contains { $0.name == tensor.name } }) {
      throw TensorError("the file has `\(more.name)`, which is not in the model")
    }
    withParameters { parameters in
      for tensor in own.tensors {
        let source = weights.buffer.base + given[tensor.name]!.offset
        (parameters.baseAddress! + tensor.offset).update(from: source, count: tensor.count)
      }
    }
    withExtendedLifetime(weights.buffer) {}
  }
}
