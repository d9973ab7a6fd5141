internal import NodeKit
internal import Tensors
internal import TrainerWire

// How updates become the next model.
extension SessionRunner {
  func make(_ step: Step) {
    guard let base = record.recent[session.version] else { return }
    if let secure { return open(step, base, secure) }
    let sources = step.updates.map { update in
      Combiner.Source(
        file: ModelFile(object: update.object, start: update.start, count: layout.count), samples: update.samples,
        age: session.version - update.version, base: record.recent[update.version])
    }
    let began = now
    combine(aggregation, base, sources, "model-\(step.version)") { [self] made in
      if case .tiers(let share) = aggregation { return weigh(made, step, began, share) }
      finish(made, of: step, began)
    }
  }

  /// Of the sum, as if it were one trainer's.
  private func open(_ step: Step, _ base: ModelFile, _ secure: SecureSession) {
    let began = now
    secure.open(step, base: base, name: "\(prefix)sum-\(step.version)") { [self] result in
      switch result {
      case .failure(let error): finish(.failure(error), of: step, began)
      case .success(let sum):
        let source = Combiner.Source(file: sum.file, samples: sum.weight)
        combine(aggregation, base, [source], "model-\(step.version)") { [self] made in
          finish(made, of: step, began)
          remove(sum.file.object)
        }
      }
    }
  }

  private func combine(
    _ aggregation: Aggregation, _ base: ModelFile, _ sources: [Combiner.Source], _ name: String,
    then done: @escaping (Result<Combiner.Made, RoleError>) -> Void
  ) {
    Combiner(
      context, aggregation, base: base, moments: record.moments, sources: sources, name: prefix + name,
      arguments: document.sessionConfig.aggregatorArgs.setting ?? .null
    ).run(then: done)
  }

  /// The mean of the step's updates is its tier's model; the session's is the mean of all tiers', of which those that
  /// have made fewer steps weigh more (Chai and others, 2021).
  private func weigh(_ made: Result<Combiner.Made, RoleError>, _ step: Step, _ began: Int64, _ tiers: Int) {
    guard case .success(let tier) = made else { return finish(made, of: step, began) }
    let group = step.updates[0].group, old = record.tiers[group]
    record.tiers[group] = SessionRecord.Tier(model: tier.model, steps: (old?.steps ?? 0) + 1)
    let known = record.tiers.sorted { $0.key < $1.key }
    let weights = Self.tierWeights(known.map(\.value.steps))
    let sources = known.map { Combiner.Source(file: $0.value.model, samples: 1) }
    combine(.weighed(weights), tier.model, sources, "tiers-\(step.version)") { [self] made in
      if let old, case .success = made { outdated.append(old.model.object) }
      finish(made, of: step, began)
    }
  }

  /// The tier with the most steps gets the weight that the one with the fewest has earned, and so on.
  static func tierWeights(_ steps: [Int]) -> [Double] {
    let order = steps.indices.sorted { (steps[$0], $0) < (steps[$1], $1) }
    var weights = [Double](repeating: 0, count: steps.count)
    for (place, tier) in order.enumerated() { weights[tier] = Double(steps[order[order.count - 1 - place]]) }
    return weights
  }

  private func finish(_ made: Result<Combiner.Made, RoleError>, of step: Step, _ began: Int64) {
    // Its updates stay on the disk: whoever goes on with the session makes the same of them.
    guard session.end == nil else { return throwAway(made) }
    switch made {
    case .success(let made): keep(made, of: step, took: now - began)
    case .failure(let error):
      tell(["event": "step_failed", "version": .int(Int64(step.version)), "why": .string(error.message)])
      happened(.stepFailed(error.message))
    }
  }

  private func throwAway(_ made: Result<Combiner.Made, RoleError>) {
    guard case .success(let made) = made else { return }
    for object in [made.model.object, made.moments?.object].compactMap({ $0 }) { remove(object) }
  }

  private func keep(_ made: Combiner.Made, of step: Step, took: Int64) {
    if let old = record.moments { outdated.append(old.object) }
    (record.version, record.model, record.moments) = (step.version, made.model, made.moments)
    record.recent[step.version] = made.model
    if step.version % document.sessionConfig.checkpointInterval == 0 { record.checkpoints[step.version] = made.model }
    forgetOldModels()
    outdated += step.updates.map(\.object)
    spendPrivacy(step)
    writeRecord { [self] commit in
      #if !BROKEN_COUNTS_TWICE
        for update in step.updates { commit.delete(updateKey(update.ticket)) }
      #endif
      #if BROKEN_LOSES_UPDATES
        for update in session.waiting { commit.delete(updateKey(update.ticket)) }
      #endif
    } then: { [self] in
      tellModel(step, took)
      happened(.stepped(version: step.version))
      // Only now does the disk say that they are not needed.
      for object in outdated { remove(object) }
      outdated = []
    }
  }

  private func spendPrivacy(_ step: Step) {
    guard ledger != nil else { return }
    let there = trainers.candidates(for: document).count, plan = session.plan
    ledger?.stepped(
      updates: step.updates.count,
      share: plan.chooser == nil ? plan.selection.chance(ofBeingAmong: asked, of: there) : 1)
    record.privacy = ledger?.json
    asked = 0
  }

  private func tellModel(_ step: Step, _ took: Int64) {
    let samples = step.updates.reduce(0) { $0 + $1.samples }
    let loss = step.updates.reduce(0) { $0 + ($1.loss ?? 0) * Double($1.samples) } / Double(max(1, samples))
    tell([
      "event": "model", "version": .int(Int64(step.version)), "updates": .int(Int64(step.updates.count)),
      "samples": .int(Int64(samples)), "training_loss": .double(loss), "ms": .int(took / 1_000_000),
      "sha256": .string(record.model.object),
      "epsilon": ledger.map { .double($0.epsilon) } ?? .null,
    ])
  }

  /// Checkpoints past those that are kept, and models that no update may still rest on.
  private func forgetOldModels() {
    for version in record.checkpoints.keys.sorted().dropLast(document.sessionConfig.checkpointsKept) {
      outdated.append(record.checkpoints.removeValue(forKey: version)!.object)
    }
    let keeps = session.plan.pace == .synchronous ? 1 : session.plan.stalenessLimit + 1
    for version in record.recent.keys.sorted() where version <= record.version - keeps {
      outdated.append(record.recent.removeValue(forKey: version)!.object)
    }
  }

  func look(at version: Int) {
    guard let model = record.recent[version] else { return }
    validate(model) { [self] quality in
      if let quality {
        tell([
          "event": "validated", "version": .int(Int64(version)), "loss": .double(quality.loss),
          "accuracy": quality.accuracy.map { .double($0) } ?? .null, "samples": .int(Int64(quality.samples)),
        ])
      }
      happened(.validated(version: version, accuracy: quality?.accuracy, loss: quality?.loss))
    }
  }
}
