internal import NodeKit
internal import Training

/// A data set in memory: what is trained on, and what models are tried on.
struct LoadedData: Sendable {
  let training: DataSet
  /// Nil: models are tried on what they learn.
  let held: DataSet?
  /// How often each label occurs in what is trained on.
  let labels: [UInt64]

  /// So that a restart holds out the same samples.
  private static let seed: UInt64 = 0x7EA5
  private static let labelLimit = 10_000

  init(_ all: DataSet, heldOut: Double) throws {
    guard all.count > 0 else { throw RoleError(.failedPrecondition, "there is no sample in it") }
    let count = min(all.count - 1, Int((Double(all.count) * heldOut).rounded()))
    if count > 0 {
      var numbers = SeededNumbers(seed: Self.seed)
      let order = Array(0..<UInt32(all.count)).shuffled(using: &numbers)
      held = try all.chosen(order[..<count].sorted())
      training = try all.chosen(order[count...].sorted())
    } else {
      (training, held) = (all, nil)
    }
    var labels = [UInt64](repeating: 0, count: min(training.classes, Self.labelLimit))
    for label in training.labels where Int(label) < labels.count { labels[Int(label)] += 1 }
    self.labels = labels
  }

  var tried: DataSet { held ?? training }
}

/// A data set of a trainer.
enum TrainerData: Sendable {
  case here(LoadedData)
  /// Known to a program, which reads it by itself: how much it is, and what the configuration says of it.
  case outside(samples: Int, labels: [UInt64], JSON)

  var samples: Int {
    switch self {
    case .here(let data): data.training.count
    case .outside(let samples, _, _): samples
    }
  }

  var labels: [UInt64] {
    switch self {
    case .here(let data): data.labels
    case .outside(_, let labels, _): labels
    }
  }

  var configuration: JSON {
    switch self {
    case .here: .null
    case .outside(_, _, let json): json
    }
  }

  var json: JSONObject {
    var object = JSONObject([("samples", JSON(samples)), ("labels", .array(labels.map { JSON($0) }))])
    if case .here(let data) = self {
      object["held_out"] = JSON(data.held?.count ?? 0)
      object["shape"] = .string(data.training.shape.description)
    }
    return object
  }
}

/// All data sets of a trainer, which are read when it starts.
final class DataShelf {
  enum Entry {
    case reading
    case there(TrainerData)
    case failed(RoleError)
  }

  private(set) var entries: [(id: String, entry: Entry)] = []
  private var waiting: [() -> Void] = []
  private static let waitingLimit = 256

  var isReading: Bool {
    entries.contains { if case .reading = $0.entry { true } else { false } }
  }

  /// - Parameter isProgram: a program reads them itself, and here they are only counted.
  func read(_ list: DataList, heldOut: Double, isProgram: Bool, _ context: RoleContext) throws {
    entries = list.entries.map { ($0.id, .reading) }
    for (place, source) in list.entries.enumerated() {
      try context.work.run { _ in
        try source.load(heldOut: heldOut, isProgram: isProgram)
      } then: { [self] result in
        switch result {
        case .success(let data):
          entries[place].entry = .there(data)
          context.log.info("data set \(source.id): \(data.samples) samples", .object(data.json))
        case .failure(let error):
          entries[place].entry = .failed(error)
          context.log.error("data set \(source.id) cannot be used: \(error)")
        }
        tell()
      }
    }
  }

  /// At once, or when all has been read.
  func whenRead(_ body: @escaping () -> Void) throws {
    guard isReading else { return body() }
    guard waiting.count < Self.waitingLimit else {
      throw RoleError(.unavailable, "the trainer still reads its data, and \(Self.waitingLimit) calls wait for that")
    }
    waiting.append(body)
  }

  private func tell() {
    guard !isReading else { return }
    let told = waiting
    waiting = []
    for body in told { body() }
  }

  func data(_ id: String) throws -> TrainerData {
    guard let found = entries.first(where: { $0.id == id }) else {
      let known = entries.map { "`\($0.id)`" }.joined(separator: ", ")
      throw RoleError(
        .notFound,
        "there is no data set `\(id)` here, but \(known); set client_training_config.dataset, or add it to "
          + "the trainer's `data`")
    }
    switch found.entry {
    case .there(let data): return data
    case .failed(let error): throw RoleError(.failedPrecondition, "the data set `\(id)` cannot be used: \(error)")
    case .reading: throw RoleError(.unavailable, "the data set `\(id)` is still being read; ask again")
    }
  }

  var failures: [String] {
    entries.compactMap { if case .failed(let error) = $0.entry { "\($0.id): \(error)" } else { nil } }
  }

  var json: JSON {
    .array(
      entries.map { id, entry in
        switch entry {
        case .reading: ["id": .string(id), "state": "reading"]
        case .failed(let error): ["id": .string(id), "state": "failed", "error": .string(error.description)]
        case .there(let data):
          .object(JSONObject([("id", .string(id)), ("state", "ready")] + data.json.members.map { ($0.key, $0.value) }))
        }
      })
  }
}
