internal import NodeKit
internal import Tensors
internal import Training

/// Writes models in the forms of other programs. What it has made stays for a while, for whoever fetches it.
final class ModelExporter {
  enum Format: String, CaseIterable { case safetensors, npz, onnx }

  struct Made: Equatable {
    var object: String
    var bytes: Int
  }

  private static let keptFor = Duration.seconds(600)

  private let context: RoleContext
  private var number = 0

  init(_ context: RoleContext) { self.context = context }

  func export(
    _ model: ModelFile, _ description: ModelDescription?, _ format: Format, limit: Int,
    then done: @escaping (Result<Made, RoleError>) -> Void
  ) {
    if format == .safetensors { return done(.success(Made(object: model.object, bytes: model.bytes))) }
    do {
      try ObjectReader.whole(context.blobs, model.object, limit: limit) { [self] file in
        do { try write(file.get(), description, format, then: done) } catch { done(.failure(RoleError(error))) }
      }
    } catch { done(.failure(RoleError(error))) }
  }

  private func write(
    _ file: [UInt8], _ description: ModelDescription?, _ format: Format,
    then done: @escaping (Result<Made, RoleError>) -> Void
  ) throws {
    number += 1
    let name = "export-\(context.timeSince1970.nanoseconds)-\(number)"
    try context.work.run { _ in
      try Self.converted(file, description, format)
    } then: { [self] bytes in
      do {
        let bytes = try bytes.get()
        try context.blobs.put(bytes, as: name) { [self] stored in
          if case .success(let stored) = stored, !stored.isDuplicate { try forgetLater(stored.sha256) }
          done(stored.map { Made(object: $0.sha256, bytes: $0.size) })
        }
      } catch { done(.failure(RoleError(error))) }
    }
  }

  private func forgetLater(_ object: String) throws {
    try context.timer.once(after: Self.keptFor) { [context] in try context.blobs.remove(object) { _ in } }
  }
}

extension ModelExporter {
  private static func converted(
    _ file: [UInt8], _ description: ModelDescription?, _ format: Format
  ) throws -> [UInt8] {
    let tensors = try tensors(file)
    guard format == .onnx else { return try ModelExport.npz(tensors) }
    guard let description else {
      throw RoleError(
        .failedPrecondition, "only trainers know this model, so there is no graph of it; take safetensors")
    }
    return try ModelExport.onnx(description, tensors)
  }

  private static func tensors(_ file: [UInt8]) throws -> [TrainedTensor] {
    do {
      let weights = try Weights(Safetensors(file)), numbers = weights.buffer.array
      return weights.layout.tensors.map {
        TrainedTensor(name: $0.name, shape: $0.shape, values: Array(numbers[$0.offset..<$0.offset + $0.count]))
      }
    } catch { throw RoleError(.dataLoss, "\(error)") }
  }
}
