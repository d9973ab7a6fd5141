internal import NodeKit
internal import Tensors

/// Objects of the disk that are wanted whole in memory.
enum ObjectReader {
  static func whole(
    _ blobs: Blobs, _ object: String, limit: Int, then done: @escaping (Result<[UInt8], RoleError>) -> Void
  ) throws {
    var bytes: [UInt8] = []
    try blobs.read(object) {
      guard bytes.count + $0.bytes.count <= limit else {
        throw RoleError(.resourceExhausted, "the object \(object) has more than \(limit) bytes")
      }
      bytes += $0.bytes
    } then: {
      done($0.map { bytes })
    }
  }

  /// What a model's file says of its tensors.
  static func layout(
    _ blobs: Blobs, of model: ModelFile, then done: @escaping (Result<TensorLayout, RoleError>) -> Void
  ) throws {
    var header: [UInt8] = []
    try blobs.read(model.object, length: model.start) {
      header += $0.bytes
    } then: { result in
      do {
        try result.get()
        done(.success(try TensorLayout(SafetensorsHeader(beginning: header, of: model.bytes))))
      } catch { done(.failure(RoleError(.dataLoss, "the model \(model.object) cannot be read: \(error)"))) }
    }
  }

  /// The numbers of a model.
  static func weights(
    _ blobs: Blobs, of model: ModelFile, _ layout: TensorLayout,
    then done: @escaping (Result<Weights, RoleError>) -> Void
  ) {
    BlockReader(blobs).read([(model, 1)], from: 0, count: model.count) { read in
      done(read.map { Weights(layout, $0[0]) })
    }
  }
}
