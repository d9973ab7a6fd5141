import Glibc
import HostCore
import NodeSchema
import NodeValues

/// `hostctl canary`: rolls versions out, and looks at how that goes.
enum CanaryCommand {
  enum Action: String, CaseIterable {
    case start, status, watch, promote, pause, resume, abort, set, history
  }

  private static let pollMicroseconds: UInt32 = 1_000_000
  private static let usualHistory = 20

  static func run(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let word = invocation.arguments[0]
    guard let action = Action(rawValue: word) else {
      let known = Action.allCases.map(\.rawValue)
      let near = nearestWord(to: word, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
      throw CommandFailure("ACTION is one of \(known.joined(separator: ", ")), not \"\(word)\"\(near)", code: .usage)
    }
    let words = Array(invocation.arguments.dropFirst())
    guard words.isEmpty || action == .set || action == .start else {
      throw CommandFailure("\(action.rawValue) takes no more words", remedy: "See hostctl canary --help.", code: .usage)
    }
    switch action {
    case .start: try start(words, invocation)
    case .status where invocation.has("watch"), .watch: return try watch(invocation)
    case .status: try show(try ask("status", invocation), invocation)
    case .promote:
      try change("promote", with(invocation, invocation.has("all") ? [("all", true)] : []), invocation)
    case .pause: try change("pause", with(invocation), invocation)
    case .resume: try change("resume", with(invocation), invocation)
    case .abort: try change("abort_rollout", with(invocation), invocation)
    case .set: try change("set", try setRequest(words, invocation), invocation)
    case .history: try history(invocation)
    }
    return .success
  }

  // MARK: Asking

  private static func ask(
    _ method: String, _ invocation: Invocation, _ arguments: [JSON] = []
  ) throws(CommandFailure) -> JSON {
    let role = invocation.value("role") ?? "canary"
    let answer = try NodeFinder.connect(invocation).ask(
      .call(role: role, method: method, CallRequest(.arguments(arguments), timeoutMilliseconds: 30_000)), patience: 40)
    return answer["value"] ?? .null
  }

  /// Who asks, and why, for the history.
  private static func with(_ invocation: Invocation, _ more: [(String, JSON)] = []) -> JSON {
    var members = more
    members.append(("by", .string(System.environment("USER") ?? "uid \(getuid())")))
    if let why = invocation.value("why") { members.append(("why", .string(why))) }
    return .object(JSONObject(members))
  }

  private static func change(
    _ method: String, _ request: JSON, _ invocation: Invocation
  ) throws(CommandFailure) {
    let answer = try ask(method, invocation, [request])
    if invocation.has("json") { return try Output.json(answer) }
    let shares = (answer["shares"]?.object?.members ?? []).map {
      "\(TextLayout.harmless($0.key)) \(CanaryTable.percent($0.value.double))"
    }
    try Output.write("state \(answer.text("version")): \(shares.joined(separator: ", "))\n")
  }

  // MARK: Changes

  private static func start(_ words: [String], _ invocation: Invocation) throws(CommandFailure) {
    guard words.count == 1 else {
      throw CommandFailure("start needs a version", remedy: "See hostctl canary --help.", code: .usage)
    }
    var members: [(String, JSON)] = [("version", .string(words[0]))]
    if let url = invocation.value("url") { members.append(("url", .string(url))) }
    if let steps = invocation.value("steps") {
      members.append(
        (
          "steps",
          .array(
            try steps.split(separator: ",").map { step throws(CommandFailure) in
              .double(try number(String(step), "--steps", "per cents between commas"))
            })
        ))
    }
    for (option, member) in [
      ("every", "every_ms"), ("cooldown", "cooldown_ms"), ("inconclusive", "inconclusive_ms"),
    ] {
      guard let text = invocation.value(option) else { continue }
      members.append((member, .int(try duration(text, "--\(option)"))))
    }
    if let count = invocation.value("min-samples") {
      members.append(("min_samples", .int(Int64(try number(count, "--min-samples", "a number of requests")))))
    }
    if let alpha = invocation.value("alpha") {
      members.append(("alpha", .double(try number(alpha, "--alpha", "a chance such as 1%"))))
    }
    let metrics = invocation.values("metric")
    members.append(("metrics", .array(metrics.map { .string($0) })))
    members.append(("by", with(invocation)["by"] ?? .null))
    try change("start", .object(JSONObject(members)), invocation)
    guard !invocation.has("json") else { return }
    if metrics.isEmpty { Output.complain("hostctl: warning: without --metric nothing rolls it back but you\n") }
    if Output.isTerminal { try Output.write("hostctl canary watch shows how it goes.\n") }
  }

  private static func number(_ text: String, _ what: String, _ form: String) throws(CommandFailure) -> Double {
    let isPercent = text.hasSuffix("%")
    guard let number = Double(isPercent ? text.dropLast() : Substring(text)), number.isFinite, number >= 0,
      number < 1e12
    else { throw CommandFailure("\(what) takes \(form), not \"\(text)\"", code: .usage) }
    return isPercent && what == "--alpha" ? number / 100 : number
  }

  private static func duration(_ text: String, _ what: String) throws(CommandFailure) -> Int64 {
    let units: [(String, Double)] = [("ms", 1), ("s", 1e3), ("m", 6e4), ("h", 3.6e6), ("d", 8.64e7)]
    for (unit, factor) in units where text.hasSuffix(unit) {
      guard let number = Double(text.dropLast(unit.utf8.count)), number >= 0, number * factor < 1e12 else { continue }
      return Int64((number * factor).rounded())
    }
    throw CommandFailure("\(what) takes a time such as 30s, 5m or 2h, not \"\(text)\"", code: .usage)
  }

  /// `v1=90 v2=10`, and what else is set by options.
  private static func setRequest(_ words: [String], _ invocation: Invocation) throws(CommandFailure) -> JSON {
    var members: [(String, JSON)] = []
    var weights: [(String, JSON)] = []
    for word in words {
      let sides = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard sides.count == 2 else {
        throw CommandFailure("set takes VERSION=PERCENT, such as v1=90 v2=10, not \"\(word)\"", code: .usage)
      }
      weights.append((sides[0], .double(try number(sides[1], "set", "VERSION=PERCENT"))))
    }
    if !weights.isEmpty { members.append(("weights", .object(JSONObject(weights)))) }
    if let stable = invocation.value("stable") { members.append(("stable", .string(stable))) }
    let versions = try invocation.values("add").map { word throws(CommandFailure) -> JSON in
      let sides = word.split(separator: "=", maxSplits: 1).map(String.init)
      guard let id = sides.first, !id.isEmpty else {
        throw CommandFailure("--add takes VERSION or VERSION=URL", code: .usage)
      }
      var one: [(String, JSON)] = [("id", .string(id))]
      if sides.count == 2 { one.append(("url", .string(sides[1]))) }
      return .object(JSONObject(one))
    }
    if !versions.isEmpty { members.append(("versions", .array(versions))) }
    let removed = invocation.values("remove")
    if !removed.isEmpty { members.append(("remove", .array(removed.map { .string($0) }))) }
    if let sticky = invocation.value("sticky") { members.append(("sticky", try Self.sticky(sticky))) }
    if let mirror = try mirror(invocation) { members.append(("mirror", mirror)) }
    let freeze = invocation.values("freeze")
    if !freeze.isEmpty {
      members.append(("freeze", freeze == ["none"] ? .array([]) : .array(freeze.map { .string($0) })))
    }
    guard !members.isEmpty else {
      throw CommandFailure("set needs something to change, such as v1=90 v2=10", code: .usage)
    }
    return with(invocation, members)
  }

  private static func mirror(_ invocation: Invocation) throws(CommandFailure) -> JSON? {
    let percent = invocation.value("mirror-percent")
    guard let url = invocation.value("mirror") else {
      guard percent == nil else { throw CommandFailure("--mirror-percent needs --mirror URL", code: .usage) }
      return nil
    }
    if url == "none" { return .some(.null) }
    let share = try percent.map { text throws(CommandFailure) in
      try number(text, "--mirror-percent", "a per cent from 0 to 100")
    }
    return .object(JSONObject([("url", .string(url)), ("percent", .double(share ?? 100))]))
  }

  private static func sticky(_ text: String) throws(CommandFailure) -> JSON {
    if text == "none" { return .null }
    if text == "source" { return ["source": true] }
    let sides = text.split(separator: ":", maxSplits: 1).map(String.init)
    guard sides.count == 2, ["header", "cookie", "member"].contains(sides[0]) else {
      throw CommandFailure(
        "--sticky takes header:NAME, cookie:NAME, member:NAME, source or none, not \"\(text)\"", code: .usage)
    }
    return .object(JSONObject([(sides[0], .string(sides[1]))]))
  }

  // MARK: Looking

  private static func show(_ status: JSON, _ invocation: Invocation) throws(CommandFailure) {
    if invocation.has("json") { return try Output.json(status) }
    try Output.write(CanaryTable.text(status, width: Output.width, style: Output.style))
  }

  /// Until the rollout is over; on a terminal as a table that is drawn anew, else a line for each change.
  private static func watch(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    signal(SIGINT) { _ in _exit(ExitCode.success.rawValue) }
    let draws = Output.isTerminal && !invocation.has("json")
    var last = "", sawRollout = false
    while true {
      let status = try ask("status", invocation)
      if draws {
        // The top of the screen, and nothing left of what was longer.
        let text = CanaryTable.text(status, width: Output.width, style: Output.style)
        try Output.write("\u{1B}[H\u{1B}[2J" + text)
      } else {
        let line = invocation.has("json") ? status.description : CanaryTable.line(status)
        if line != last { try Output.write(line + "\n") }
        last = line
      }
      if let rollout = status["rollout"], rollout != .null {
        sawRollout = true
      } else {
        let kind = status["last"]?["decision"]?.text("kind") ?? ""
        if !sawRollout, !draws, !invocation.has("json") { try Output.write("no rollout is under way\n") }
        return sawRollout && (kind == "rollback" || kind == "abort") ? .failure : .success
      }
      usleep(pollMicroseconds)
    }
  }

  private static func history(_ invocation: Invocation) throws(CommandFailure) {
    let limit = try invocation.value("limit").map { text throws(CommandFailure) in
      Int64(try number(text, "--limit", "a number of decisions"))
    }
    let answer = try ask("history", invocation, [.int(limit ?? Int64(usualHistory))])
    if invocation.has("json") { return try Output.json(answer) }
    var table = Table([
      .init("STATE", rightAligned: true), .init("AGE", rightAligned: true), .init("WHAT"), .init("BY"),
      .init("SHARES"), .init("WHY", shrinks: true),
    ])
    for entry in answer.list("decisions") {
      let age = entry["timestamp_ms"]?.int.map { HumanUnits.duration(milliseconds: max(0, System.now - $0)) } ?? ""
      let decision = entry["decision"] ?? .null, kind = decision.text("kind")
      let shares = (entry["shares"]?.object?.members ?? []).filter { ($0.value.double ?? 0) > 0 }.map {
        "\($0.key) \(CanaryTable.percent($0.value.double))"
      }
      let colour: Style.Colour? = kind == "rollback" ? .red : kind == "finish" ? .green : nil
      table.add([
        .init(entry.text("version")), .init(age), .init(kind, colour), .init(decision.text("by")),
        .init(shares.joined(separator: ", ")), .init(decision.text("why")),
      ])
    }
    try Output.table(table)
  }
}
