internal import NodeKit
internal import Tensors
internal import TrainerWire
internal import Training

/// Tries models on data that the server has itself.
final class ModelTester {
  private let context: RoleContext
  private let sources: [String: JSON]
  private let threads: Int
  private var loaded: [String: DataSet] = [:]

  init(_ context: RoleContext, _ settings: ServerSettings) throws {
    (self.context, sources, threads) = (context, settings.data, settings.threads)
    for (name, source) in sources { _ = try DataSource(json: source, at: "/data/\(name)") }
  }

  /// Whether a session's data is there, before it begins.
  func check(_ name: String, _ model: ModelDescription?) throws {
    guard !name.isEmpty else { return }
    let place = "/server_training_config/validation_dataset"
    guard sources[name] != nil else {
      let known = sources.keys.sorted().joined(separator: ", ")
      throw RoleError(
        .invalidArgument,
        "the server has no data `\(name)`; it has \(known.isEmpty ? "none" : known); add it to `data` of the role, or "
          + "leave this out", at: place)
    }
    guard model != nil else {
      throw RoleError(
        .invalidArgument, "the server cannot try a model that only trainers know; describe it in model_config",
        at: place)
    }
  }

  func test(
    _ file: ModelFile, _ layout: TensorLayout, _ model: ModelDescription, on name: String, batch: Int,
    then done: @escaping (Result<ModelQuality, RoleError>) -> Void
  ) {
    ObjectReader.weights(context.blobs, of: file, layout) { [self] read in
      do {
        let weights = try read.get(), known = loaded[name], threads = threads
        let source = try DataSource(json: sources[name] ?? .null, at: "/data/\(name)")
        try context.work.run { job in
          let data = try (known ?? source.load()).shaped(model.input)
          let engine = try TrainingEngine(model, batch: batch, threads: threads)
          do { try engine.set(weights) } catch { throw RoleError(.invalidArgument, "\(error)") }
          let score = try engine.evaluate(data) { _ in try job.checkCancellation() }
          return (data, score)
        } then: { [self] result in
          done(
            result.map { data, score in
              loaded[name] = data
              return ModelQuality(samples: data.count, loss: score.loss, accuracy: score.accuracy)
            })
        }
      } catch { done(.failure(RoleError(error))) }
    }
  }
}
