import HostCore
import HostRuntime
import NodeValues

/// Watches over the rules of a scenario while it is played, and at its end.
final class RuleWatch {
  private unowned let stage: any Stage
  private let rules: [Rule]
  private let clients: Clients
  /// For each rule of the kind, what was seen so far.
  private var seen: [[String: (value: String, node: Int)]]
  private var last: [[Int: Double]]

  init(_ stage: any Stage, _ rules: [Rule], _ clients: Clients, calmFrom: Int64) {
    (self.stage, self.rules, self.clients) = (stage, rules, clients)
    seen = rules.map { _ in [:] }
    last = rules.map { _ in [:] }
    stage.observers.append { [unowned self] in observe($0) }
    for rule in rules {
      switch rule {
      case .running(let within): stage.at(calmFrom + within) { [unowned self] in checkRunning(within) }
      case .same(let role, let method, let within):
        stage.at(calmFrom + within) { [unowned self] in checkSame(role, method, within) }
      default: break
      }
    }
  }

  private func observe(_ observation: Observation) {
    for (place, rule) in rules.enumerated() {
      switch rule {
      case .one(let field, let key, let topic) where topic == observation.topic:
        check(one: field, per: key, observation, place)
      case .rising(let field, let topic) where topic == observation.topic: check(rising: field, observation, place)
      default: break
      }
    }
  }

  private func field(_ name: String, _ observation: Observation) -> String? {
    guard let json = try? JSON(parsing: observation.text), let value = json[name] else { return nil }
    return value == .null ? nil : value.string ?? "\(value)"
  }

  private func check(one field: String, per key: String, _ observation: Observation, _ place: Int) {
    guard let value = self.field(field, observation), let of = self.field(key, observation) else { return }
    if let known = seen[place][of], known.value != value {
      let names = (stage.nodeNames[known.node], stage.nodeNames[observation.node])
      return stage.fail(
        "one \(field) per \(key) in \(observation.topic)",
        "\(key) \(of) has \(field) \(known.value) on \(names.0) and \(value) on \(names.1)")
    }
    seen[place][of] = (value, observation.node)
  }

  private func check(rising field: String, _ observation: Observation, _ place: Int) {
    guard let value = self.field(field, observation).flatMap(Double.init) else { return }
    if let known = last[place][observation.node], value < known {
      return stage.fail(
        "rising \(field) in \(observation.topic)",
        "it fell from \(known) to \(value) on \(stage.nodeNames[observation.node])")
    }
    last[place][observation.node] = value
  }

  private func checkRunning(_ within: Int64) {
    for (node, name) in stage.nodeNames.enumerated() {
      stage.findTrouble(of: node) { [stage] trouble in
        guard let trouble else { return }
        stage.fail("running", "\(name): \(trouble), \(within / 1_000_000_000) s after the last fault")
      }
    }
  }

  private func checkSame(_ role: String, _ method: String, _ within: Int64) {
    var answers: [(node: String, answer: String)] = []
    for (node, name) in stage.nodeNames.enumerated() {
      stage.ask(node, .call(role: role, method: method, CallRequest(.words([])))) { [self] reply in
        guard case .json(let json, status: _) = reply else {
          return stage.fail("same \(role).\(method)", "\(name) does not answer: \(reply)")
        }
        answers.append((name, json["value"].map { "\($0)" } ?? ""))
        guard answers.count == stage.nodeCount, Set(answers.map(\.answer)).count > 1 else { return }
        let list = answers.map { "\($0.node): \($0.answer)" }.joined(separator: ", ")
        stage.fail("same \(role).\(method)", "\(list), \(within / 1_000_000_000) s after the last fault")
      }
    }
  }

  /// When all is over.
  func checkHistories() {
    for rule in rules {
      guard case .linearizable(let read, let write) = rule, stage.failure == nil else { continue }
      checkLinearizable(read, write)
    }
  }

  private func checkLinearizable(_ read: String, _ write: String) {
    let moments = clients.moments
    switch Linearizability.check(history(of: moments[...], read, write)) {
    case .holds: return
    case .undecided(let key):
      return stage.fail("linearizable \(read) \(write)", "cannot be decided for key `\(key)`: ask for less at a time")
    case .broken: break
    }
    // What is wrong stays wrong, whatever comes after it: looks for the moment at which it became so.
    var right = 0, wrong = moments.count
    while wrong - right > 1 {
      let middle = (right + wrong) / 2
      if case .broken = Linearizability.check(history(of: moments[..<middle], read, write)) {
        wrong = middle
      } else {
        right = middle
      }
    }
    guard case .broken(let explanation) = Linearizability.check(history(of: moments[..<wrong], read, write)) else {
      return
    }
    let last = clients.operations[moments[wrong - 1].operation]
    stage.fail("linearizable \(read) \(write)", "\(explanation)", at: last.end ?? last.start)
  }

  private func history(of moments: ArraySlice<(operation: Int, isEnd: Bool)>, _ read: String, _ write: String)
    -> History
  {
    var history = History(), places: [Int: Int] = [:]
    for (number, isEnd) in moments {
      let operation = clients.operations[number]
      guard operation.target == read || operation.target == write, let key = operation.words.first else { continue }
      let isRead = operation.target == read
      if isEnd {
        guard case .answered(let answer) = operation.outcome, let place = places[number] else { continue }
        history.end(place, answer: isRead ? answer : nil, at: operation.end ?? stage.now)
      } else {
        let request: History.Request = isRead ? .read : .write(operation.words.dropFirst().first ?? "")
        places[number] = history.begin(operation.client, request, key: key, at: operation.start)
      }
    }
    return history
  }
}
