import Glibc
import HostCore
import HostYaml
import NodeSchema
import NodeValues

/// `hostctl fl`: sessions of federated learning.
enum LearningCommand {
  enum Action: String, CaseIterable {
    case start, list, status, watch, trainers, stop, resume, export, plot, history, partition
  }

  private static let documentLimit = 1 << 20

  static func run(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let word = invocation.arguments[0]
    guard let action = Action(rawValue: word) else {
      let known = Action.allCases.map(\.rawValue)
      let near = nearestWord(to: word, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
      throw CommandFailure("ACTION is one of \(known.joined(separator: ", ")), not \"\(word)\"\(near)", code: .usage)
    }
    let words = Array(invocation.arguments.dropFirst())
    let most = action == .plot ? Int.max : action == .list || action == .trainers ? 0 : 1
    guard words.count <= most else {
      throw CommandFailure("\(word) takes no more words", remedy: "See hostctl fl --help.", code: .usage)
    }
    switch action {
    case .start: return try start(words, invocation)
    case .list: try list(invocation)
    case .status where invocation.has("watch"), .watch: return try LearningWatch.run(words.first, invocation)
    case .status: try status(words.first, invocation)
    case .trainers: try trainers(invocation)
    case .stop: try stop(words.first, invocation)
    case .resume: return try resume(words.first, invocation)
    case .export: try ModelFileCommand.export(words.first, invocation)
    case .plot: try LearningPlot.run(words, invocation)
    case .history: try history(words.first, invocation)
    case .partition:
      guard let path = words.first else {
        throw CommandFailure("partition takes the file of a data set", remedy: "See hostctl fl --help.", code: .usage)
      }
      try PartitionCommand.run(path, invocation)
    }
    return .success
  }

  // MARK: Asking

  static func ask(
    _ method: String, _ invocation: Invocation, _ arguments: [JSON] = []
  ) throws(CommandFailure) -> JSON {
    let answer = try NodeFinder.connect(invocation).ask(
      .call(role: role(invocation), method: method, CallRequest(.arguments(arguments), timeoutMilliseconds: 30_000)),
      patience: 40)
    return answer["value"] ?? .null
  }

  static func role(_ invocation: Invocation) -> String { invocation.value("role") ?? "flserver" }

  /// The session that was named, or the one that was begun last.
  static func session(_ word: String?, _ invocation: Invocation) throws(CommandFailure) -> String {
    if let word { return word }
    guard let last = try ask("sessions", invocation).array?.last?["session_id"]?.string else {
      throw CommandFailure("there is no session yet", remedy: "hostctl fl start session.yaml begins one.")
    }
    return last
  }

  // MARK: Beginning and ending

  private static func start(_ words: [String], _ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    guard let path = words.first else {
      throw CommandFailure("start needs a session's document", remedy: "See hostctl fl --help.", code: .usage)
    }
    let text = try System.read(path, limit: documentLimit), document: YamlDocument
    do throws(ManifestProblems) { document = try YamlDocument(text, named: path) } catch {
      throw CommandFailure(error.description)
    }
    guard document.json.object != nil else {
      throw CommandFailure("\(path) is no session's document: it has no sections")
    }
    var json = document.json
    if let id = invocation.value("session") { json.set("session_config", "session_id", .string(id)) }
    if let rounds = try rounds(invocation) { json.set("server_training_config", "num_training_rounds", .int(rounds)) }
    if let file = invocation.value("from") {
      json.set("model_config", "initial", .string(try ModelFileCommand.upload(file, invocation)))
    }
    let answer: JSON
    do throws(CommandFailure) { answer = try ask("start", invocation, [json]) } catch {
      throw located(error, in: document)
    }
    return try began(answer, invocation)
  }

  /// What the server says of a place of the document, `/session_config/seed: …`, is shown there.
  private static func located(_ failure: CommandFailure, in document: YamlDocument) -> CommandFailure {
    guard let message = failure.chain.last, message.hasPrefix("/"), let colon = message.firstIndex(of: ":") else {
      return failure
    }
    let words = message[colon...].dropFirst().drop { $0 == " " }
    return CommandFailure(
      "the server refuses the document\n" + document.problem(String(words), at: String(message[..<colon])))
  }

  private static func rounds(_ invocation: Invocation) throws(CommandFailure) -> Int64? {
    guard let text = invocation.value("rounds") else { return nil }
    guard let rounds = Int64(text), rounds > 0 else {
      throw CommandFailure("--rounds is a number from 1 on, not \"\(text)\"", code: .usage)
    }
    return rounds
  }

  private static func began(_ answer: JSON, _ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    if invocation.has("watch") { return try LearningWatch.run(answer.text("session_id"), invocation) }
    if invocation.has("json") {
      try Output.json(answer)
    } else {
      try Output.write(
        "session \(answer.text("session_id")): round \(answer.text("round")) of \(answer.text("rounds"))\n")
    }
    return .success
  }

  private static func stop(_ word: String?, _ invocation: Invocation) throws(CommandFailure) {
    let id = try session(word, invocation)
    let answer = try ask("stop", invocation, [.string(id), .string(invocation.value("why") ?? "")])
    if invocation.has("json") { return try Output.json(answer) }
    try Output.write("session \(id) ends after round \(answer.text("round")); its models stay\n")
  }

  private static func resume(_ word: String?, _ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let id = try session(word, invocation)
    return try began(try ask("resume", invocation, [.string(id), .int(try rounds(invocation) ?? 0)]), invocation)
  }

  // MARK: Looking

  private static func list(_ invocation: Invocation) throws(CommandFailure) {
    let sessions = try ask("sessions", invocation)
    if invocation.has("json") { return try Output.json(sessions) }
    try Output.table(LearningTable.sessions(sessions.array ?? []))
  }

  private static func status(_ word: String?, _ invocation: Invocation) throws(CommandFailure) {
    let status = try ask("status", invocation, [.string(try session(word, invocation))])
    if invocation.has("json") { return try Output.json(status) }
    try Output.write(LearningTable.status(status, width: Output.width, style: Output.style))
  }

  private static func trainers(_ invocation: Invocation) throws(CommandFailure) {
    let trainers = try ask("trainers", invocation)
    if invocation.has("json") { return try Output.json(trainers) }
    try Output.table(LearningTable.trainers(trainers.array ?? []))
  }

  /// JSON Lines.
  private static func history(_ word: String?, _ invocation: Invocation) throws(CommandFailure) {
    let id = try session(word, invocation)
    guard let after = Int64(invocation.value("after") ?? "0") else {
      throw CommandFailure("--after is the number of an event", code: .usage)
    }
    for event in try events(of: id, after: after, invocation) { try Output.write(event.description + "\n") }
  }

  static func events(of id: String, after: Int64 = 0, _ invocation: Invocation) throws(CommandFailure) -> [JSON] {
    var all: [JSON] = [], last = after
    while true {
      let part = try ask("history", invocation, [.string(id), .int(last), .int(1_000)]).array ?? []
      all += part
      guard part.count == 1_000, let number = part.last?["n"]?.int else { return all }
      last = number
    }
  }
}

extension JSON {
  /// A member of a section, which is made if it is not there.
  fileprivate mutating func set(_ section: String, _ name: String, _ value: JSON) {
    var whole = object ?? JSONObject(), inner = whole[section]?.object ?? JSONObject()
    inner[name] = value
    whole[section] = .object(inner)
    self = .object(whole)
  }
}
