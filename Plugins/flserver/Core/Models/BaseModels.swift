internal import NodeKit
internal import Tensors

/// Models in memory that updates are differences from: the last few, each read once.
final class BaseModels {
  private static let limit = 4

  private let blobs: Blobs
  private let layout: TensorLayout
  private var loaded: [(object: String, weights: Weights)] = []
  private var waiting: [String: [(Result<Weights, RoleError>) -> Void]] = [:]

  init(_ blobs: Blobs, _ layout: TensorLayout) { (self.blobs, self.layout) = (blobs, layout) }

  func get(_ model: ModelFile, then done: @escaping (Result<Weights, RoleError>) -> Void) {
    if let known = loaded.first(where: { $0.object == model.object }) { return done(.success(known.weights)) }
    waiting[model.object, default: []].append(done)
    guard waiting[model.object]?.count == 1 else { return }
    ObjectReader.weights(blobs, of: model, layout) { [self] result in
      if case .success(let weights) = result {
        loaded.append((model.object, weights))
        loaded.removeFirst(max(0, loaded.count - Self.limit))
      }
      for done in waiting.removeValue(forKey: model.object) ?? [] { done(result) }
    }
  }
}
