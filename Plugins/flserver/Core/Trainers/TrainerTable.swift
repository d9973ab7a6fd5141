internal import NodeKit
internal import TrainerWire

/// The trainers that are known, and what was seen of each.
final class TrainerTable {
  struct Trainer {
    var id: String
    /// Where it serves: `http://HOST:PORT`.
    var target: String
    var description: TrainerDescription?
    var isThere = true
    /// In a row, of asking what it has.
    var refusals = 0
    var seconds: Double?
    var loss: Double?
    var successes = 0
    var failures = 0
    var bytesSent = 0
    var bytesReceived = 0
    var lastFailure = ""

    /// A new one moves what is expected by this share, so that one slow round is soon forgotten.
    mutating func took(_ new: Double) { seconds = seconds.map { $0 + 0.3 * (new - $0) } ?? new }
  }

  private(set) var trainers: [String: Trainer] = [:]

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
