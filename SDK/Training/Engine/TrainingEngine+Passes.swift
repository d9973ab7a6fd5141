internal import CTraining
internal import NodeValues

/// How a model did on some samples.
package struct Score: Sendable, Equatable {
  /// Mean over the samples.
  package var loss: Double
  /// The part of them that got their own class.
  package var accuracy: Double
}

/// How a client trains in a round.
package struct LocalTraining: Sendable, Equatable {
  package var epochs: Int
  package var batch: Int
  /// Of the order in which samples come.
  package var seed: UInt64
  /// Otherwise they come as they lie, in each epoch.
  package var isShuffled: Bool
  /// Ends after so many steps, wherever in an epoch that is; nil: after the last epoch.
  package var stepLimit: Int?

  package init(
    epochs: Int = 1, batch: Int = 32, seed: UInt64 = 0, isShuffled: Bool = true, stepLimit: Int? = nil
  ) {
    (self.epochs, self.batch, self.seed, self.isShuffled) = (epochs, batch, seed, isShuffled)
    self.stepLimit = stepLimit
  }
}

/// How far a training is.
package struct TrainingProgress: Sendable, Equatable {
  package var steps: Int
  package var of: Int
  /// Mean of the samples of this epoch so far.
  package var loss: Double

  package var part: Double { Double(steps) / Double(of) }
}

package struct TrainingReport: Sendable, Equatable {
  /// Of the last epoch, while it went on.
  package var score: Score
  package var steps: Int
}

extension TrainingEngine {
  /// Trains on a data set.
  ///
  /// A loss that is no number ends it with an error.
  ///
  /// - Parameter between: called after each batch with how far it is. What it throws ends the training at once; the
  ///   parameters are then those of the last step.
  package func train(
    on data: DataSet, _ plan: LocalTraining, between: (TrainingProgress) throws -> Void = { _ in }
  ) throws -> TrainingReport {
    try check(data)
    guard plan.epochs > 0, plan.batch > 0, plan.batch <= batch else {
      throw RoleError(
        .invalidArgument, "\(plan.epochs) epochs with batches of \(plan.batch); the engine takes batches up to \(batch)"
      )
    }
    var order = Array(0..<UInt32(data.count)), numbers = SeededNumbers(seed: plan.seed)
    let steps = (data.count + plan.batch - 1) / plan.batch, whole = plan.epochs.multipliedReportingOverflow(by: steps)
    let all = min(plan.stepLimit.map { max(1, $0) } ?? .max, whole.overflow ? .max : whole.partialValue)
    var score = Score(loss: 0, accuracy: 0), done = 0
    try withThreads {
      while done < all {
        if plan.isShuffled { order.shuffle(using: &numbers) }
        var loss = 0.0, correct = 0, seen = 0
        for step in 0..<min(steps, all - done) {
          let part = step * plan.batch..<min((step + 1) * plan.batch, data.count)
          let result = try pass(data, order[part], training_train)
          loss += result.loss * Double(part.count)
          correct += Int(result.correct)
          seen += part.count
          done += 1
          guard loss.isFinite else { throw Self.lost(at: done, of: all) }
          try between(TrainingProgress(steps: done, of: all, loss: loss / Double(seen)))
        }
        score = Score(loss: loss / Double(seen), accuracy: Double(correct) / Double(seen))
      }
    }
    return TrainingReport(score: score, steps: done)
  }

  private static func lost(at step: Int, of all: Int) -> RoleError {
    RoleError(
      .failedPrecondition,
      "the loss is no number any more after step \(step) of \(all); take a smaller learning rate, or look at the data")
  }

  /// One step of the optimiser on some samples, at most ``batch`` of them. On the caller's thread alone.
  @discardableResult
  package func step(on data: DataSet, _ places: [UInt32]) throws -> Score {
    try check(data)
    let result = try pass(data, places[...], training_train)
    return Score(loss: result.loss, accuracy: Double(result.correct) / Double(places.count))
  }

  /// The gradient of some samples' mean loss, and no step; see ``withGradient(_:)`` and ``step()``.
  @discardableResult
  package func gradient(of data: DataSet, _ places: [UInt32]) throws -> Score {
    try check(data)
    let result = try pass(data, places[...], training_gradient)
    return Score(loss: result.loss, accuracy: Double(result.correct) / Double(places.count))
  }

  /// A step of the optimiser with the gradient as it lies there now.
  package func step() { training_step(network) }

  /// Samples of an evaluation between two looks at the cancellation.
  private static let evaluated = 4_096

  package func evaluate(_ data: DataSet, between: (Double) throws -> Void = { _ in }) throws -> Score {
    try check(data)
    var loss = 0.0, correct = 0
    try withThreads {
      for start in stride(from: 0, to: data.count, by: Self.evaluated) {
        let end = min(start + Self.evaluated, data.count)
        let result = try pass(data, Array(UInt32(start)..<UInt32(end))[...], training_evaluate)
        loss += result.loss * Double(end - start)
        correct += Int(result.correct)
        try between(Double(end) / Double(data.count))
      }
    }
    return Score(loss: loss / Double(data.count), accuracy: Double(correct) / Double(data.count))
  }

  /// What the network puts out for each sample, without softmax, one sample after the other.
  package func predict(_ data: DataSet) throws -> [Float] {
    try check(data)
    var error = training_error()
    let outputs = Int(training_outputs(network))
    let result = [Float](unsafeUninitializedCapacity: data.count * outputs) { room, count in
      let failed = data.samples.withUnsafeBufferPointer { samples in
        var batch = training_batch(
          samples: samples.baseAddress!, count: UInt32(data.count), chosen: nil, labels: nil, targets: nil)
        return training_predict(network, &batch, room.baseAddress!, &error)
      }
      count = failed == 0 ? room.count : 0
    }
    guard !result.isEmpty else { throw RoleError(.invalidArgument, error.words) }
    return result
  }

  private func check(_ data: DataSet) throws(RoleError) {
    guard data.shape.features == model.input.features else {
      throw RoleError(
        .invalidArgument, "samples of \(data.shape) do not fit a model that takes \(model.input); change its input")
    }
    guard data.count > 0, data.count < Int(UInt32.max) else {
      throw RoleError(.invalidArgument, "a data set of \(data.count) samples; it needs one at least")
    }
    let outputs = Int(training_outputs(network))
    guard data.classes <= outputs else {
      throw RoleError(
        .invalidArgument,
        "the data set has \(data.classes) classes, the model puts out \(outputs) numbers; let its last "
          + "layer have \(data.classes) units")
    }
  }

  private func withThreads(_ body: () throws -> Void) throws {
    var error = training_error()
    guard training_begin(network, &error) == 0 else { throw RoleError(.resourceExhausted, error.words) }
    defer { training_end(network) }
    try body()
  }

  private typealias Pass = (
    OpaquePointer, UnsafePointer<training_batch>, UnsafeMutablePointer<training_result>,
    UnsafeMutablePointer<training_error>
  ) -> Int32

  private func pass(_ data: DataSet, _ places: ArraySlice<UInt32>, _ pass: Pass) throws(RoleError) -> training_result {
    guard places.allSatisfy({ Int($0) < data.count }) else {
      throw RoleError(.outOfRange, "a sample past the last of \(data.count)")
    }
    var result = training_result(), error = training_error()
    let failed = data.samples.withUnsafeBufferPointer { samples in
      data.labels.withUnsafeBufferPointer { labels in
        places.withUnsafeBufferPointer { chosen in
          var batch = training_batch(
            samples: samples.baseAddress!, count: UInt32(chosen.count), chosen: chosen.baseAddress,
            labels: labels.baseAddress, targets: nil)
          return pass(network, &batch, &result, &error)
        }
      }
    }
    guard failed == 0 else { throw RoleError(.invalidArgument, error.words) }
    return result
  }
}
