internal import CTraining
package import NodeValues

/// A network with its parameters and what its optimiser remembers. It belongs to one job at a time: a role makes it,
/// lends it to a job of the pool, and touches it again when the job has ended.
package final class TrainingEngine: @unchecked Sendable {
  package let model: ModelDescription
  /// In the order of the buffer.
  package let tensors: [ParameterTensor]
  /// The most samples of a step.
  package let batch: Int
  let network: OpaquePointer
  private let room: EngineRoom?

  /// - Parameters:
  ///   - threads: which a job uses, its own among them; they live no longer than it.
  ///   - seed: of the first parameters and of dropout.
  ///   - kernels: avx512, avx2 or plain; without it, what is best on this machine.
  ///   - isFilled: otherwise its weights are for somebody to set, which large models are made sooner by.
  ///   - room: where its memory comes from and goes to, if it is not filled.
  package init(
    _ model: ModelDescription, batch: Int = 32, threads: Int = 1, seed: UInt64 = 0, kernels: String? = nil,
    isFilled: Bool = true, room: EngineRoom? = nil
  ) throws(RoleError) {
    let plan = try NetworkPlan(model)
    guard let batchLimit = UInt32(exactly: batch), let threadLimit = UInt32(exactly: threads) else {
      throw RoleError(.invalidArgument, "batches of \(batch) with \(threads) threads; take more than none of both")
    }
    let input = training_shape(
      channels: UInt32(plan.input.channels), height: UInt32(plan.input.height), width: UInt32(plan.input.width))
    var error = training_error()
    let made = (kernels ?? "").withCString { name in
      var options = training_options(
        batch: batchLimit, threads: threadLimit,
        loss: model.loss == .crossEntropy ? TRAINING_CROSS_ENTROPY : TRAINING_SQUARED_ERROR, seed: seed,
        kernels: kernels == nil ? nil : name, room: isFilled ? training_room() : room?.take() ?? training_room())
      return training_create(plan.layers, UInt32(plan.layers.count), input, &options, &error)
    }
    guard let made else { throw RoleError(.invalidArgument, error.words) }
    (network, self.model, self.batch, self.room) = (made, model, batch, room)
    tensors = Self.tensors(of: made, plan)
    if isFilled { withParameters { model.fill($0, tensors, seed: seed) } }
  }

  deinit {
    guard let room else { return training_destroy(network) }
    let parameters = parameterCount * MemoryLayout<Float>.stride
    room.keep(training_leave(network), parameters: parameters)
  }

  private static func tensors(of network: OpaquePointer, _ plan: NetworkPlan) -> [ParameterTensor] {
    let trained = training_trained_count(network)
    return (0..<training_tensor_count(network)).map { index in
      let tensor = training_tensor_at(network, index)
      let kind = plan.layers[Int(tensor.layer)].kind
      let norm = kind == TRAINING_BATCH_NORM || kind == TRAINING_LAYER_NORM
      let role = [
        TRAINING_WEIGHT: "weight", TRAINING_BIAS: "bias", TRAINING_RUNNING_MEAN: "running_mean",
        TRAINING_RUNNING_VARIANCE: "running_var",
      ][tensor.role]!
      let sizes = [tensor.shape.0, tensor.shape.1, tensor.shape.2, tensor.shape.3].prefix(Int(tensor.rank))
      return ParameterTensor(
        name: "\(plan.names[Int(tensor.layer)]).\(role)", shape: sizes.map { Int($0) }, offset: Int(tensor.offset),
        count: Int(tensor.count), isTrained: tensor.offset < trained, isWeight: tensor.role == TRAINING_WEIGHT && !norm)
    }
  }

  package var kernels: String { String(cString: training_kernel_name(network)) }
  /// Bytes that the network holds.
  package var memory: Int { Int(training_memory(network)) }
  package var parameterCount: Int { Int(training_parameter_count(network)) }
  /// How many of them, from the first on, an optimiser changes.
  package var trainedCount: Int { Int(training_trained_count(network)) }

  /// All parameters, where they lie: one buffer, described by ``tensors``.
  package func withParameters<Answer>(_ body: (UnsafeMutableBufferPointer<Float>) throws -> Answer) rethrows -> Answer {
    try body(UnsafeMutableBufferPointer(start: training_parameters(network), count: parameterCount))
  }

  /// The gradient of the trained parameters, after ``gradient(of:_:)``.
  package func withGradient<Answer>(_ body: (UnsafeMutableBufferPointer<Float>) throws -> Answer) rethrows -> Answer {
    try body(UnsafeMutableBufferPointer(start: training_gradients(network), count: trainedCount))
  }

  package var parameters: [Float] { withParameters { Array($0) } }

  package func setParameters(_ values: [Float]) throws(RoleError) {
    guard values.count == parameterCount else {
      throw RoleError(
        .invalidArgument, "\(values.count) parameters for a model of \(parameterCount); it is another model")
    }
    withParameters { _ = $0.update(fromContentsOf: values) }
  }

  /// Takes an optimiser, which remembers nothing yet; FedProx's anchor is where the parameters are now.
  package func optimise(_ optimiser: Optimiser) throws(RoleError) {
    var rule = optimiser.rule, error = training_error()
    guard training_optimise(network, &rule, &error) == 0 else { throw RoleError(.invalidArgument, error.words) }
  }

  package func setRate(_ rate: Float) { training_set_rate(network, rate) }

  /// FedProx: a round begins with the parameters as they are now.
  package func anchor() { training_anchor(network) }

  /// SCAFFOLD (Karimireddy and others, 2020), algorithm 1: what is added to each gradient, the server's control variate
  /// less the client's.
  package func correct(by correction: [Float]?) throws(RoleError) {
    if let correction, correction.count != trainedCount {
      throw RoleError(.invalidArgument, "a correction of \(correction.count) numbers for \(trainedCount) parameters")
    }
    training_correct(network, correction)
  }
}

extension training_error {
  var words: String {
    withUnsafeBytes(of: text) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
