internal import NodeKit
internal import TrainerWire

/// Keeps a ``TrainerTable`` in line with who is there, and asks those who are new what they have.
final class TrainerFinder {
  private static let capability = "trainer"
  /// So many are asked at a time what they have.
  private static let questionLimit = 64
  private static let questionTimeout = Duration.seconds(10)
  /// Whoever did not answer is asked again after so many looks, doubled each time.
  private static let longestPause = 32

  private let context: RoleContext
  private let settings: ServerSettings
  private let table: TrainerTable
  private let changed: () -> Void
  private var questions: [String] = []
  private var asked: Set<String> = []
  private var looks = 0
  private var pauses: [String: (until: Int, length: Int)] = [:]
  private var isLooking = false
  /// Why nobody can be found at present.
  private(set) var trouble: String?

  init(
    _ context: RoleContext, _ settings: ServerSettings, _ table: TrainerTable, changed: @escaping () -> Void
  ) {
    (self.context, self.settings, self.table, self.changed) = (context, settings, table, changed)
  }

  func start() throws {
    try context.timer.every(.nanoseconds(Int64(settings.lookSeconds * 1e9)), after: .milliseconds(1)) { [self] in
      look()
    }
  }

  private func look() {
    looks += 1
    guard !isLooking else { return }
    guard !settings.trainersFrom.isEmpty else { return found([]) }
    isLooking = true
    do {
      let filter: JSON = ["capabilities": [.string(Self.capability)]]
      try context.roles.call(settings.trainersFrom, "find", filter) { [self] (answer: Result<JSON, RoleError>) in
        isLooking = false
        switch answer {
        case .success(let json):
          trouble = nil
          found(Self.places(json))
        case .failure(let error): failed(error)
        }
      }
    } catch {
      isLooking = false
      failed(RoleError(error))
    }
  }

  /// Those that were there stay: that nobody can tell who is there does not mean that nobody is.
  private func failed(_ error: RoleError) {
    if trouble == nil {
      context.log.warning("the role `\(settings.trainersFrom)` does not say which trainers there are: \(error.message)")
    }
    trouble = error.message
    ask()
  }

  /// A gateway answers with a list, other roles with an object that has one. A trainer is called by its place: names
  /// and numbers may be given twice, on machines that know nothing of one another.
  static func places(_ answer: JSON) -> [(id: String, target: String)] {
    (answer.array ?? answer["nodes"]?.array ?? []).compactMap { node in
      guard let address = node["address"]?.string else { return nil }
      guard let port = node["port"]?.int else { return (address, "http://\(address)") }
      let host = address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]" : address
      return ("\(host):\(port)", "http://\(host):\(port)")
    }
  }

  private func found(_ places: [(id: String, target: String)]) {
    let fixed = settings.trainers.map { (id: $0.split(separator: "/").last.map(String.init) ?? $0, target: $0) }
    for new in table.update(places + fixed) where !asked.contains(new.id) && !questions.contains(new.id) {
      if let pause = pauses[new.id], pause.until > looks { continue }
      questions.append(new.id)
    }
    ask()
    changed()
  }

  private func ask() {
    while asked.count < Self.questionLimit, let id = questions.popLast() {
      guard let trainer = table[id], trainer.isThere else { continue }
      asked.insert(id)
      do {
        try context.rpc.call(
          TrainerMethod.describe, at: trainer.target, [], RpcOptions(timeout: Self.questionTimeout)
        ) { [self] answer in
          asked.remove(id)
          answered(id, answer)
          ask()
        }
      } catch {
        asked.remove(id)
        answered(id, .failure(RoleError(error)))
      }
    }
  }

  private func answered(_ id: String, _ answer: Result<[UInt8], RoleError>) {
    do {
      let description = try TrainerDescription(answer.get())
      table[id]?.description = description
      pauses[id] = nil
      let sets = description.dataSets.map { "\($0.id) (\($0.samples))" }.joined(separator: ", ")
      context.log.info(
        "trainer \(id) at \(table[id]?.target ?? "") has \(sets.isEmpty ? "no data" : sets); \(description.hardware)")
      changed()
    } catch {
      let length = min(Self.longestPause, max(1, (pauses[id]?.length ?? 0) * 2))
      pauses[id] = (looks + length, length)
      let why = RoleError(error)
      let words =
        why.status == .unimplemented
        ? "it does not speak nodehost.learning.Trainer; a client of Flotilla's takes part through the bridge in "
          + "SDK/python" : why.message
      if table[id]?.lastFailure != words {
        context.log.warning("trainer \(id) at \(table[id]?.target ?? "") does not say what it has: \(words)")
      }
      table[id]?.lastFailure = words
    }
  }
}
