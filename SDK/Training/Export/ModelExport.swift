package import NodeValues

/// A tensor of a trained model, as its file has it.
package struct TrainedTensor: Sendable, Equatable {
  package var name: String
  package var shape: [Int]
  package var values: [Float]

  package init(name: String, shape: [Int], values: [Float]) {
    (self.name, self.shape, self.values) = (name, shape, values)
  }
}

/// Files that other programs read: NumPy's .npz and ONNX. (A model's own file, safetensors, is read by others as it is.)
package enum ModelExport {
  /// What a .npz without the extensions for large files holds, and what protobuf takes for a message.
  static let sizeLimit = 0x7FFF_0000

  /// One array for each tensor, stored uncompressed, as numpy.savez does it.
  package static func npz(_ tensors: [TrainedTensor]) throws(RoleError) -> [UInt8] {
    try check(tensors, "a .npz file")
    var writer = NpzWriter(reserving: tensors.reduce(0) { $0 + 4 * $1.values.count + 512 })
    for tensor in tensors { try writer.add(tensor.name, tensor.shape, tensor.values) }
    return writer.bytes
  }

  /// The network with its parameters, for inference: dropout is left out, batch norm takes its running statistics. The
  /// input is `input`, samples by whatever a sample is; the output is `output`, what the last layer puts out. Opset 17.
  ///
  /// - Parameter tensors: those of the model, in any order.
  package static func onnx(
    _ model: ModelDescription, _ tensors: [TrainedTensor], name: String = "model"
  ) throws(RoleError) -> [UInt8] {
    try check(tensors, "an ONNX file")
    let graph = try OnnxGraph(NetworkPlan(model), tensors)
    return graph.file(named: name)
  }

  private static func check(_ tensors: [TrainedTensor], _ file: String) throws(RoleError) {
    var bytes = 0
    for tensor in tensors {
      guard tensor.shape.reduce(1, *) == tensor.values.count else {
        throw RoleError(
          .invalidArgument, "`\(tensor.name)` has \(tensor.values.count) numbers, which \(tensor.shape) has not")
      }
      bytes += 4 * tensor.values.count + 1024
    }
    guard Set(tensors.map(\.name)).count == tensors.count else {
      throw RoleError(.invalidArgument, "two tensors have one name")
    }
    guard bytes <= sizeLimit else {
      throw RoleError(.resourceExhausted, "a model of \(bytes) bytes; \(file) takes \(sizeLimit). Use safetensors")
    }
  }
}
