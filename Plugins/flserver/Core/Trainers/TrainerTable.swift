internal import NodeKit
internal import Tensors
internal import TrainerWire

/// The trainers that are known, and what was seen of each.
final class TrainerTable {
  struct Trainer {
    var id: String
    /// Where it serves: `http://HOST:PORT`.
    var target: String
    var description: TrainerDescription?
    var isThere = true
    var seconds: Double?
    var loss: Double?
    var successes = 0
    var failures = 0
    var bytesSent = 0
    var bytesReceived = 0
    var lastFailure = ""

    /// A new one moves what is expected by this share, so that one slow round is soon forgotten.
    mutating func took(_ new: Double) { seconds = seconds.map { $0 + 0.3 * (new - $0) } ?? new }

    mutating func failed(_ why: String) {
      failures += 1
      lastFailure = why
    }

    mutating func brought(_ arrival: TrainerCall.Arrival) {
      successes += 1
      bytesReceived += arrival.bytes
      took(arrival.seconds)
      loss = arrival.quality.loss
    }
  }

  private(set) var trainers: [String: Trainer] = [:]

  /// What an earlier build has seen of a trainer.
  func remember(_ seen: JSON) {
    guard let id = seen["id"]?.string, let target = seen["target"]?.string else { return }
    var trainer = Trainer(id: id, target: target)
    trainer.isThere = false
    (trainer.seconds, trainer.loss) = (seen["seconds"]?.double, seen["loss"]?.double)
    func count(_ key: String) -> Int { seen[key]?.int.map { Int($0) } ?? 0 }
    (trainer.successes, trainer.failures) = (count("successes"), count("failures"))
    (trainer.bytesSent, trainer.bytesReceived) = (count("bytes_sent"), count("bytes_received"))
    trainer.lastFailure = seen["last_failure"]?.string ?? ""
    trainers[id] = trainer
  }

  subscript(id: String) -> Trainer? {
    get { trainers[id] }
    set { trainers[id] = newValue }
  }

  var inOrder: [Trainer] { trainers.values.sorted { $0.id < $1.id } }

  /// Whoever is in the list is there, at that place; all others are not. Says who must be asked what it has: those that
  /// are new, or are somewhere else.
  func update(_ found: [(id: String, target: String)]) -> [Trainer] {
    let there = Set(found.map(\.id))
    for id in trainers.keys where !there.contains(id) { trainers[id]!.isThere = false }
    var new: [Trainer] = []
    for (id, target) in found {
      var trainer = trainers[id] ?? Trainer(id: id, target: target)
      let isNew = trainers[id] == nil || !trainer.isThere || trainer.target != target || trainer.description == nil
      (trainer.target, trainer.isThere) = (target, true)
      trainers[id] = trainer
      if isNew { new.append(trainer) }
    }
    return new
  }

  func candidates(for document: SessionDocument) -> [Candidate] {
    guard let form = try? document.form() else { return [] }
    return candidates(dataSet: document.clientTrainingConfig.dataset, form: form.numbers.rawValue)
  }

  /// Those that can train a model on a data set.
  func candidates(dataSet: String, form: String) -> [Candidate] {
    inOrder.compactMap { trainer in
      guard trainer.isThere, let description = trainer.description, description.forms.contains(form),
        let data = description.dataSets.first(where: { $0.id == dataSet })
      else { return nil }
      var candidate = Candidate(id: trainer.id, samples: data.samples, seconds: trainer.seconds, loss: trainer.loss)
      (candidate.successes, candidate.failures) = (trainer.successes, trainer.failures)
      candidate.labels = data.labels.map(Double.init)
      candidate.capabilities = Set(description.capabilities)
      return candidate
    }
  }
}

extension TrainerTable.Trainer {
  var seen: JSON {
    [
      "id": .string(id), "target": .string(target), "there": .bool(isThere),
      "seconds": seconds.map { .double($0) } ?? .null, "loss": loss.map { .double($0) } ?? .null,
      "successes": .int(Int64(successes)), "failures": .int(Int64(failures)), "bytes_sent": .int(Int64(bytesSent)),
      "bytes_received": .int(Int64(bytesReceived)), "last_failure": .string(lastFailure),
    ]
  }

  /// What it has said of itself, too.
  var json: JSON {
    var object = seen.object ?? JSONObject()
    guard let description else { return .object(object) }
    object["name"] = .string(description.name)
    object["hardware"] = .string(description.hardware)
    object["data_sets"] = .array(
      description.dataSets.map {
        [
          "id": .string($0.id), "samples": .int(Int64($0.samples)),
          "labels": .array($0.labels.map { JSON($0) }),
        ]
      })
    object["models"] = .array(description.models.map { .string($0) })
    object["forms"] = .array(description.forms.map { .string($0) })
    object["capabilities"] = .array(description.capabilities.map { .string($0) })
    return .object(object)
  }
}
