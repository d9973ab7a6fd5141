import Glibc
import HostCore
import NodeSchema
import NodeValues

/// `hostctl txn`: transactions over several nodes, as the role `coordinator` keeps them.
enum TxnCommand {
  enum Action: String, CaseIterable { case list, show, resolve, propose, watch }
  static let lists = ["open", "in_doubt", "history"]

  private static let usualLimit = 50
  private static let proposeMilliseconds: Int64 = 60_000
  private static let watchMicroseconds: UInt32 = 500_000
  private static let watchLimit = 1_000

  static func run(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let word = invocation.arguments[0], words = Array(invocation.arguments.dropFirst())
    guard let action = Action(rawValue: word) else {
      let known = Action.allCases.map(\.rawValue)
      let near = nearestWord(to: word, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
      throw CommandFailure("ACTION is one of \(known.joined(separator: ", ")), not \"\(word)\"\(near)", code: .usage)
    }
    switch (action, words.count) {
    case (.list, 0...1): try list(words.first ?? "open", invocation)
    case (.show, 1): return try show(words[0], invocation)
    case (.resolve, 3...): try resolve(words, invocation)
    case (.propose, 1): return try propose(words[0], invocation)
    case (.watch, 0): try watch(invocation)
    default:
      let wanted = [
        Action.list: "open, in_doubt or history, or nothing", .show: "the id of a transaction",
        .resolve: "an id, commit or abort, and why", .propose: "a proposal in JSON, or @FILE", .watch: "nothing",
      ]
      throw CommandFailure(
        "\(word) takes \(wanted[action] ?? "")", remedy: "See hostctl txn --help.", code: .usage)
    }
    return .success
  }

  private static func call(
    _ method: String, _ words: [String], _ invocation: Invocation, milliseconds: Int64? = nil
  ) throws(CommandFailure) -> JSON {
    let request = CallRequest(.words(words), timeoutMilliseconds: milliseconds)
    let seconds = Int((milliseconds ?? ControlAPI.usualCallMilliseconds) / 1000) + 10
    return try NodeFinder.connect(invocation).ask(
      .call(role: invocation.value("role") ?? "coordinator", method: method, request), patience: seconds)["value"]
      ?? .null
  }

  // MARK: Lists

  private static func list(_ what: String, _ invocation: Invocation) throws(CommandFailure) {
    let what = what == "in-doubt" ? "in_doubt" : what
    guard lists.contains(what) else {
      throw CommandFailure("there are lists of \(lists.joined(separator: ", ")), not \"\(what)\"", code: .usage)
    }
    let limit = invocation.value("limit") ?? "\(usualLimit)"
    guard let number = Int(limit), number > 0 else {
      throw CommandFailure("--limit is a whole number from 1 on, not \"\(limit)\"", code: .usage)
    }
    let rows = try call("list", [what, limit], invocation)
    if invocation.has("json") { return try Output.json(rows) }
    let table = what == "history" ? past(rows.array ?? []) : open(rows.array ?? [])
    guard !table.rows.isEmpty else {
      return try Output.write(
        what == "history" ? "nothing has been decided yet\n" : "nothing is \(what == "open" ? "open" : "in doubt")\n")
    }
    try Output.table(table)
  }

  private static func open(_ rows: [JSON]) -> Table {
    var table = Table([
      .init("TRANSACTION", shrinks: true), .init("STATE"), .init("AS"), .init("AGE", rightAligned: true),
      .init("WAITS FOR"), .init("KEYS", shrinks: true),
    ])
    for row in rows {
      let nodes = row.list("waiting_for").map { $0.description }.joined(separator: ", ")
      let state = row.text("state")
      table.add([
        .init(row.text("txid")), .init(state, state == "in doubt" || state == "held" ? .yellow : nil),
        .init(row.text("role")), .init(age(row["age_ms"])), .init(nodes.isEmpty ? "" : "node \(nodes)"),
        .init(row.list("keys").compactMap(\.string).joined(separator: ", ")),
      ])
    }
    return table
  }

  private static func past(_ rows: [JSON]) -> Table {
    var table = Table([
      .init("TRANSACTION", shrinks: true), .init("OUTCOME"), .init("AGO", rightAligned: true),
      .init("PREPARED", rightAligned: true), .init("DECIDED", rightAligned: true),
      .init("WHY, OR VOTES", shrinks: true),
    ])
    for row in rows {
      let ago = row["ended_ms"]?.int.map { age(.int(max(0, System.now - $0))) } ?? ""
      table.add([
        .init(row.text("txid")), outcome(row), .init(ago), .init(took(row, "prepare")), .init(took(row, "decide")),
        .init(row.text("reason").isEmpty ? votes(row) : row.text("reason")),
      ])
    }
    return table
  }

  private static func age(_ milliseconds: JSON?) -> String {
    milliseconds?.int.map { HumanUnits.duration(milliseconds: $0) } ?? ""
  }

  private static func took(_ row: JSON, _ what: String) -> String {
    row["us"]?[what]?.int.map(HumanUnits.duration(microseconds:)) ?? ""
  }

  private static func outcome(_ row: JSON) -> Table.Cell {
    if row["heuristic_damage"]?.bool == true { return .init("\(row.text("outcome")), DAMAGED", .red) }
    let word = row.text("outcome")
    return .init(word, word == "COMMIT" ? .green : .yellow)
  }

  private static func votes(_ row: JSON) -> String {
    (row["votes"]?.object?.members ?? []).map { "\($0.key): \($0.value.string ?? "")" }.joined(separator: ", ")
  }

  // MARK: One

  private static func show(_ id: String, _ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let found = try call("show", [id], invocation)
    let isKnown = found.text("state") != "unknown"
    if invocation.has("json") {
      try Output.json(found)
      return isKnown ? .success : .failure
    }
    var lines: [(String, String)] = [("transaction", found.text("txid")), ("state", found.text("state"))]
    for (label, key) in [("outcome", "outcome"), ("reason", "reason")] where !found.text(key).isEmpty {
      lines.append((label, found.text(key)))
    }
    if let began = found["began_ms"]?.int { lines.append(("began", age(.int(max(0, System.now - began))) + " ago")) }
    if found["us"] != nil {
      lines.append(("took", "\(took(found, "prepare")) to prepare, \(took(found, "decide")) to decide"))
    }
    for member in found["votes"]?.object?.members ?? [] {
      lines.append(("node \(member.key) voted", member.value.string ?? ""))
    }
    for member in found["nodes"]?.object?.members ?? [] {
      lines.append(("node \(member.key) says", member.value.string ?? ""))
    }
    let waits = found.list("waiting_for").map(\.description)
    if !waits.isEmpty { lines.append(("waits for", "node \(waits.joined(separator: ", "))")) }
    if let person = found["heuristic"] {
      lines.append(("decided here", "\(person.text("outcome")): \(person.text("why"))"))
    }
    let width = (lines.map(\.0.count).max() ?? 0) + 2
    for (label, words) in lines {
      let isBad = words.contains("damage")
      try Output.write(
        TextLayout.pad(label, to: width) + Output.style.paint(TextLayout.harmless(words), isBad ? .red : nil) + "\n")
    }
    return isKnown ? .success : .failure
  }

  private static func resolve(_ words: [String], _ invocation: Invocation) throws(CommandFailure) {
    let why = words[2...].joined(separator: " ")
    let answer = try call("resolve", [words[0], words[1], why], invocation)
    if invocation.has("json") { return try Output.json(["result": answer]) }
    try Output.write((answer.string ?? "") + "\n")
  }

  /// Exits with 1 if it was aborted.
  private static func propose(_ proposal: String, _ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    var proposal = proposal
    if proposal.hasPrefix("@") {
      proposal = String(decoding: try System.read(String(proposal.dropFirst()), limit: HTTPLimits.body), as: UTF8.self)
    }
    let answer = try call("propose", [proposal], invocation, milliseconds: proposeMilliseconds)
    let isCommitted = answer.text("outcome") == "COMMIT"
    if invocation.has("json") { try Output.json(answer) } else { try Output.write(line(answer) + "\n") }
    return isCommitted ? .success : .failure
  }

  private static func line(_ row: JSON) -> String {
    let word = row.text("outcome")
    let why = row.text("reason").isEmpty ? votes(row) : row.text("reason")
    return Output.style.paint(word, word == "COMMIT" ? .green : .yellow)
      + " \(TextLayout.harmless(row.text("txid")))  \(TextLayout.harmless(why))  "
      + Output.style.paint("prepared in \(took(row, "prepare")), decided in \(took(row, "decide"))", .faint)
  }

  // MARK: Those to come

  private static func watch(_ invocation: Invocation) throws(CommandFailure) {
    signal(SIGINT) { _ in _exit(ExitCode.success.rawValue) }
    var last: String?
    while true {
      let rows = try call("list", ["history", "\(last == nil ? 1 : watchLimit)"], invocation).array ?? []
      let new = rows.prefix { $0.text("txid") != last }
      if last != nil, new.count == watchLimit { Output.complain("hostctl: too many to show; some are left out\n") }
      for row in last == nil ? [] : new.reversed() {
        try Output.write(invocation.has("json") ? row.description + "\n" : line(row) + "\n")
      }
      last = rows.first?.text("txid") ?? last ?? ""
      usleep(watchMicroseconds)
    }
  }
}
