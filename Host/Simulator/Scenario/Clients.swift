import HostCore
import HostRuntime
import NodeValues

/// Something that a client has asked for, and what came of it.
package struct ClientOperation: Sendable {
  package enum Outcome: Sendable, Equatable {
    case answered(String)
    /// It may have happened, and may yet happen.
    case unknown(String)
  }

  package var client: Int
  package var node: Int
  package var role: String
  package var method: String
  package var words: [String]
  package var start: Int64
  package var end: Int64?
  package var outcome: Outcome
  /// The SHA-256 of what came by HTTP.
  package var answerDigest: String?

  package var target: String { "\(role).\(method)" }
}

/// The clients of a scenario: each asks some node for something, waits for the answer, rests, and asks again.
package final class Clients {
  private unowned let stage: any Stage
  private var dice: SeededNumbers
  private let end: Int64
  private var unique = 0
  package private(set) var operations: [ClientOperation] = []
  /// Their beginnings and ends by number, in the order in which they came.
  private(set) var moments: [(operation: Int, isEnd: Bool)] = []

  /// More are not asked for.
  private let limit: Int

  init(_ stage: any Stage, _ scenario: Scenario, seed: UInt64) {
    self.stage = stage
    end = scenario.duration
    limit = scenario.operations ?? .max
    dice = SeededNumbers(seed: seed ^ 0xC11E_0000_0000_0007)
    var number = 0
    for plan in scenario.clients where !plan.requests.isEmpty {
      for _ in 0..<plan.count {
        rest(number, plan)
        number += 1
      }
    }
  }

  private func rest(_ client: Int, _ plan: ClientPlan) {
    let pause = Int64.random(in: plan.pause, using: &dice)
    guard stage.now + pause < end else { return }
    stage.after(pause) { [self] in ask(client, plan) }
  }

  private func ask(_ client: Int, _ plan: ClientPlan) {
    let request = plan.requests[Int.random(in: 0..<plan.requests.count, using: &dice)]
    let node = Int.random(in: 0..<stage.nodeCount, using: &dice)
    let words = request.words.map(filled)
    guard operations.count < limit else { return }
    guard stage.isUp(node) else { return rest(client, plan) }
    let number = operations.count
    operations.append(
      ClientOperation(
        client: client, node: node, role: request.role, method: request.method, words: words, start: stage.now,
        end: nil, outcome: .unknown("no answer came")))
    moments.append((number, false))
    stage.observe(number, operations[number])
    let text = "client \(client) calls \(request.role).\(request.method) \(words.joined(separator: " "))"
    stage.trace.note(.call, stage.now, node, Trace.number(of: text), text)
    var isOver = false
    let over = { [self] (outcome: ClientOperation.Outcome) in
      guard !isOver else { return }
      isOver = true
      ended(number, outcome)
      rest(client, plan)
    }
    if let listener = request.listener {
      send(number, to: listener, of: node, plan, over)
    } else {
      call(request, words, on: node, plan, over)
    }
  }

  private func call(
    _ request: ClientPlan.Request, _ words: [String], on node: Int, _ plan: ClientPlan,
    _ over: @escaping (ClientOperation.Outcome) -> Void
  ) {
    let call = ControlRequest.call(
      role: request.role, method: request.method,
      CallRequest(.words(words), timeoutMilliseconds: max(1, plan.timeout / 1_000_000)))
    stage.ask(node, call) { reply in over(Self.outcome(of: reply)) }
    // The node may be gone, and nobody there to say so.
    stage.after(plan.timeout + 1_000_000_000) { over(.unknown("no answer came")) }
  }

  /// By HTTP.
  private func send(
    _ number: Int, to listener: String, of node: Int, _ plan: ClientPlan,
    _ over: @escaping (ClientOperation.Outcome) -> Void
  ) {
    let words = operations[number].words
    let request = OutsideRequest(
      listener: listener, verb: operations[number].method, path: words[0], body: words[1], patience: plan.timeout)
    let isSent = stage.send(request, to: node) { [self] outcome, digest in
      operations[number].answerDigest = digest
      over(outcome)
    }
    if !isSent { stage.fail("clients", "\(stage.nodeNames[node]) has no listener `\(listener)`") }
  }

  private func ended(_ number: Int, _ outcome: ClientOperation.Outcome) {
    operations[number].outcome = outcome
    if case .answered = outcome {
      operations[number].end = stage.now
      moments.append((number, true))
      learn(operations[number])
    }
    stage.observe(number, operations[number])
    stage.trace.note(
      .answer, stage.now, operations[number].node, Trace.number(of: "\(outcome)"),
      "client \(operations[number].client) gets \(outcome)")
  }

  private static func outcome(of reply: ControlReply) -> ClientOperation.Outcome {
    switch reply {
    case .json(let json, _): .answered(json["value"].map { $0.string ?? "\($0)" } ?? "")
    case .failure(let failure): .unknown(failure.message)
    default: .unknown("an answer that makes no sense")
    }
  }

  /// Values of fields of answers by HTTP, by the fields' names: what was made may be asked for.
  private var answered: [String: [String]] = [:]
  private static let answeredLimit = 1000

  private func learn(_ operation: ClientOperation) {
    guard case .answered(let answer) = operation.outcome, answer.hasPrefix("2"), answer.utf8.count > 4,
      case .object(let object)? = try? JSON(parsing: String(answer.dropFirst(4)))
    else { return }
    for member in object.members {
      guard let text = member.value.string, answered[member.key, default: []].count < Self.answeredLimit else {
        continue
      }
      answered[member.key, default: []].append(text)
    }
  }

  private func filled(_ word: String) -> String {
    guard let open = word.firstIndex(of: "{"), let close = word[open...].firstIndex(of: "}") else { return word }
    let name = word[word.index(after: open)..<close]
    let rest = filled(String(word[word.index(after: close)...]))
    let value: String
    let ends = name.split(separator: "..", maxSplits: 1).compactMap { Int($0) }
    if name.hasPrefix("answered:") {
      let known = answered[String(name.dropFirst("answered:".count))] ?? []
      value = known.isEmpty ? "nothing" : known[Int.random(in: 0..<known.count, using: &dice)]
    } else if name == "unique" {
      unique += 1
      value = "\(unique)"
    } else if ends.count == 2, ends[0] <= ends[1] {
      value = "\(Int.random(in: ends[0]...ends[1], using: &dice))"
    } else {
      value = "{\(name)}"
    }
    return word[..<open] + value + rest
  }
}
