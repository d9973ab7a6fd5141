internal import NodeKit
internal import Tensors

// What a restart goes on from.
extension GossipLearner {
  var key: String { "gossip/\(settings.network)" }

  /// The file of the model that an earlier start has kept.
  func findKept(then done: @escaping ([UInt8]?) throws -> Void) throws {
    try context.store.get(key) { [self] (found: Result<Stored<JSON>?, RoleError>) in
      attempt {
        guard let record = try found.get()?.value, let object = record["model"]?.string,
          let round = record["round"]?.int
        else {
          return try done(nil)
        }
        var file: [UInt8] = []
        try context.blobs.read(object) {
          file += $0.bytes
        } then: { [self] result in
          attempt {
            try result.get()
            (self.round, kept) = (Int(round), object)
            try done(file)
          }
        }
      }
    }
  }

  /// The model and the round, so that a restart goes on from there.
  func keep() throws {
    guard let model, let engine else { return }
    let layout = try engine.layout, copy = FloatBuffer(copying: model.values), round = round
    try context.work.run { _ in
      Weights(layout, copy).file()
    } then: { [self] file in
      guard let bytes = try? file.get() else { return }
      try context.blobs.put(bytes, as: key) { [self] stored in
        do { try record(stored.get().sha256, round) } catch {
          context.log.warning("gossip: the model of round \(round) is not kept: \(error)")
        }
      }
    }
  }

  func record(_ object: String, _ round: Int) throws {
    try context.store.commit { [self] in
      let record: JSON = ["model": .string(object), "round": .int(Int64(round))]
      $0.put(key, record)
    } then: { [self] written in
      guard case .success = written else { return }
      let old = kept
      kept = object
      if !old.isEmpty, old != object { try context.blobs.remove(old) { _ in } }
    }
  }
}
