/// Reads scenarios: a line for each thing, `#` before remarks.
package struct ScenarioReader {
  package struct Problem: Error, Equatable {
    package var line: Int
    package var message: String
  }

  private var scenario: Scenario
  /// Paths start here.
  private let folder: String

  package static func read(_ text: String, in folder: String) throws(Problem) -> Scenario {
    var reader = ScenarioReader(folder)
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
      guard let first = words.first else { continue }
      do throws(Flaw) {
        try reader.take(first, Array(words.dropFirst()), number + 1)
      } catch {
        throw Problem(line: number + 1, message: error.message)
      }
    }
    guard !reader.scenario.deployment.isEmpty else {
      throw Problem(line: 1, message: "it names no deployment: `deployment FOLDER` does")
    }
    return reader.scenario
  }

  private struct Flaw: Error {
    var message: String
    init(_ message: String) { self.message = message }
  }

  private init(_ folder: String) {
    self.folder = folder
    scenario = Scenario(deployment: "")
  }

  private mutating func take(_ keyword: String, _ words: [String], _ line: Int) throws(Flaw) {
    switch keyword {
    case "deployment": scenario.deployment = path(try one(words, "deployment FOLDER"))
    case "nodes": scenario.nodes = try Self.count(try one(words, "nodes COUNT"))
    case "neighbours": scenario.neighbours = try Self.count(try one(words, "neighbours COUNT"))
    case "minutes":
      guard let minutes = Double(try one(words, "minutes NUMBER")), minutes > 0 else { throw Flaw("minutes NUMBER") }
      scenario.minutes = minutes
    case "faults":
      do throws(FaultListProblem) {
        scenario.faults = try Set(list: words.joined(separator: ","))
      } catch {
        throw Flaw(error.message)
      }
    case "clients": scenario.clients.append(try Self.clients(words))
    case "call": try addRequest(words)
    case "get", "post", "put", "delete": try addRequest(verb: keyword, words)
    case "at": scenario.steps.append(Step(line: line, words: words))
    case "seed":
      guard let seed = UInt64(try one(words, "seed NUMBER")) else { throw Flaw("a seed is a whole number") }
      scenario.seed = seed
    case "operations": scenario.operations = try Self.count(try one(words, "operations COUNT"))
    case "always", "within": scenario.rules.append(try Self.rule(keyword, words))
    default:
      throw Flaw(
        "`\(keyword)` is not understood; lines begin with deployment, nodes, neighbours, minutes, seed, faults, "
          + "clients, call, get, post, put, delete, operations, at, always or within")
    }
  }

  private func path(_ written: String) -> String { written.hasPrefix("/") ? written : "\(folder)/\(written)" }

  private func one(_ words: [String], _ form: String) throws(Flaw) -> String {
    guard words.count == 1 else { throw Flaw("one word is wanted here: \(form)") }
    return words[0]
  }

  private static func count(_ word: String) throws(Flaw) -> Int {
    guard let count = Int(word), (1...100_000).contains(count) else {
      throw Flaw("`\(word)` is no number from 1 to 100000")
    }
    return count
  }

  private static func duration(_ word: String) throws(Flaw) -> Int64 {
    guard let time = TimeText.nanoseconds(word) else { throw Flaw("`\(word)` is no time; write 200ms, 5s or 1.5m") }
    return time
  }

  private static func range(_ word: String) throws(Flaw) -> ClosedRange<Int64> {
    let ends = word.split(separator: "..", maxSplits: 1).map(String.init)
    let low = try duration(ends[0]), high = try ends.count == 2 ? duration(ends[1]) : low
    guard low <= high else { throw Flaw("`\(word)`: the shorter time comes first") }
    return low...high
  }

  // MARK: Clients

  private static let clientsForm = "clients COUNT [pause 50ms..500ms] [timeout 2s]"

  private static func clients(_ words: [String]) throws(Flaw) -> ClientPlan {
    var plan = ClientPlan(), rest = words[...]
    guard let count = rest.popFirst() else { throw Flaw(clientsForm) }
    plan.count = try Self.count(count)
    while let word = rest.popFirst() {
      guard let value = rest.popFirst() else { throw Flaw(clientsForm) }
      switch word {
      case "pause": plan.pause = try range(value)
      case "timeout": plan.timeout = try duration(value)
      default: throw Flaw(clientsForm)
      }
    }
    return plan
  }

  private mutating func addRequest(_ words: [String]) throws(Flaw) {
    guard !scenario.clients.isEmpty else { throw Flaw("`call` belongs below `clients`") }
    guard let target = words.first else { throw Flaw("call ROLE.METHOD [WORD...]") }
    let (role, method) = try Self.method(target)
    scenario.clients[scenario.clients.count - 1].requests.append(
      .init(role: role, method: method, words: Array(words.dropFirst())))
  }

  private mutating func addRequest(verb: String, _ words: [String]) throws(Flaw) {
    guard !scenario.clients.isEmpty else { throw Flaw("`\(verb)` belongs below `clients`") }
    var rest = words[...], listener = "data"
    guard let path = rest.popFirst(), path.hasPrefix("/") else {
      throw Flaw("\(verb) /PATH [on LISTENER]\(verb == "get" ? "" : " [BODY...]")")
    }
    if rest.first == "on", rest.count > 1 {
      listener = rest[rest.startIndex + 1]
      rest = rest.dropFirst(2)
    }
    guard rest.isEmpty || verb != "get" else { throw Flaw("get /PATH [on LISTENER]; it has no body") }
    scenario.clients[scenario.clients.count - 1].requests.append(
      .init(
        listener: listener, role: listener, method: verb.uppercased(), words: [path, rest.joined(separator: " ")]))
  }

  private static func method(_ word: String) throws(Flaw) -> (String, String) {
    let parts = word.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { throw Flaw("`\(word)` is not ROLE.METHOD") }
    return (parts[0], parts[1])
  }

  // MARK: Rules

  private static let ruleForm =
    "always linearizable ROLE.READ ROLE.WRITE | always one FIELD per FIELD in TOPIC | always rising FIELD in TOPIC | "
    + "within TIME running | within TIME same ROLE.METHOD"

  private static func rule(_ keyword: String, _ words: [String]) throws(Flaw) -> Rule {
    if keyword == "within" {
      guard words.count >= 2 else { throw Flaw(ruleForm) }
      let time = try duration(words[0])
      if words[1...] == ["running"] { return .running(within: time) }
      guard words.count == 3, words[1] == "same" else { throw Flaw(ruleForm) }
      let (role, method) = try method(words[2])
      return .same(role: role, method: method, within: time)
    }
    switch words.first {
    case "linearizable" where words.count == 3: return .linearizable(read: words[1], write: words[2])
    case "one" where words.count == 6 && words[2] == "per" && words[4] == "in":
      return .one(field: words[1], per: words[3], topic: words[5])
    case "rising" where words.count == 4 && words[2] == "in": return .rising(field: words[1], topic: words[3])
    default: throw Flaw(ruleForm)
    }
  }
}
