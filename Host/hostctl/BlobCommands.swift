import Glibc
import HostCore
import NodeValues

/// `hostctl blob`: the objects that a role keeps.
enum BlobCommands {
  private static let scrubPollMicroseconds: UInt32 = 100_000

  enum Action: String, CaseIterable { case ls, stat, get, scrub }

  static func run(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let words = invocation.arguments
    guard let action = Action(rawValue: words[0]) else {
      let known = Action.allCases.map(\.rawValue).joined(separator: ", ")
      throw CommandFailure("ACTION is one of \(known), not \"\(words[0])\"", code: .usage)
    }
    let needsName = action == .stat || action == .get
    guard (words.count == 3) == needsName else {
      throw CommandFailure(
        needsName ? "\(words[0]) needs the object's SHA-256" : "\(words[0]) takes no SHA-256",
        remedy: "See hostctl blob --help.", code: .usage)
    }
    switch action {
    case .ls: try list(invocation, words[1])
    case .stat: try stat(invocation, words[1], words[2])
    case .get: try get(invocation, words[1], words[2])
    case .scrub: return try scrub(invocation, words[1])
    }
    return .success
  }

  private static func ask(
    _ invocation: Invocation, _ role: String, _ query: BlobQuery,
    patience: Int = ControlConnection.usualPatienceSeconds
  ) throws(CommandFailure) -> JSON {
    try NodeFinder.connect(invocation).ask(.blobs(role: role, query), patience: patience)
  }

  private static func list(_ invocation: Invocation, _ role: String) throws(CommandFailure) {
    var all: [JSON] = [], last = ""
    while true {
      let part = try ask(invocation, role, .list(after: last, limit: BlobQuery.usualLimit))
      all += part.list("blobs")
      guard part["more"]?.bool == true, let name = all.last?.text("sha256") else { break }
      last = name
    }
    if invocation.has("json") { return try Output.json(["blobs": .array(all)]) }
    var table = Table([.init("SHA-256"), .init("SIZE", rightAligned: true), .init("TYPE", shrinks: true), .init("KEY")])
    for blob in all {
      let size = blob["size"]?.int.flatMap { UInt64(exactly: $0) }.map(HumanUnits.bytes) ?? ""
      let problem = blob.text("problem")
      table.add([
        .init(blob.text("sha256")), .init(size),
        problem.isEmpty ? .init(blob.text("media_type")) : .init(problem, .red), .init(blob.text("key")),
      ])
    }
    try Output.table(table)
  }

  private static func stat(_ invocation: Invocation, _ role: String, _ name: String) throws(CommandFailure) {
    let blob = try ask(invocation, role, .stat(name, checks: false))
    if invocation.has("json") { return try Output.json(blob) }
    let age = blob["created_ms"]?.int.map { HumanUnits.duration(milliseconds: max(0, System.now - $0)) + " ago" }
    let facts = [
      ("sha256", blob.text("sha256")), ("size", blob.text("size") + " bytes"), ("type", blob.text("media_type")),
      ("created", age ?? ""), ("key", blob.text("key")),
    ]
    let lines = facts.filter { !$0.1.isEmpty }.map { TextLayout.pad($0.0, to: 9) + TextLayout.harmless($0.1) + "\n" }
    try Output.write(lines.joined())
  }

  private static func get(_ invocation: Invocation, _ role: String, _ name: String) throws(CommandFailure) {
    guard !invocation.has("json") else {
      throw CommandFailure("get writes the object's bytes; there is no JSON of them", code: .usage)
    }
    try write(invocation, role, name) { piece throws(CommandFailure) in try Output.write(piece) }
  }

  /// All of it is checked before the first byte goes out.
  static func write(
    _ invocation: Invocation, _ role: String, _ name: String, _ take: ([UInt8]) throws(CommandFailure) -> Void
  ) throws(CommandFailure) {
    let patience = ControlConnection.longPatienceSeconds
    let blob = try ask(invocation, role, .stat(name, checks: true), patience: patience)
    let size = UInt64(clamping: blob["size"]?.int ?? 0)
    var offset: UInt64 = 0
    while offset < size {
      let before = offset
      let query = BlobQuery.bytes(name, offset: offset, length: BlobQuery.mostBytes)
      try NodeFinder.connect(invocation).stream(.blobs(role: role, query), patience: patience) {
        piece throws(CommandFailure) in
        offset += UInt64(piece.count)
        try take(piece)
      }
      guard offset > before else { throw CommandFailure("the object \(name) ends at byte \(offset) of \(size)") }
    }
  }

  /// Begins, or watches the one that goes on already; an interrupt ends only the watching.
  private static func scrub(_ invocation: Invocation, _ role: String) throws(CommandFailure) -> ExitCode {
    var state = try ask(invocation, role, .scrub)
    let shows = isatty(STDERR_FILENO) == 1 && !invocation.has("json")
    while state["running"]?.bool == true {
      if shows { Output.complain("\r\(summary(state)) so far ") }
      usleep(scrubPollMicroseconds)
      state = try ask(invocation, role, .scrubbed)
    }
    if shows { Output.complain("\r\u{1B}[K") }
    let findings = state["findings"]?.int ?? 0
    if invocation.has("json") {
      try Output.json(state)
    } else {
      for blob in state.list("damaged") {
        try Output.write(Output.style.paint("damaged: " + TextLayout.harmless(blob.text("message")), .red) + "\n")
      }
      for blob in state.list("unreadable") {
        try Output.write(Output.style.paint("unreadable: " + TextLayout.harmless(blob.text("message")), .yellow) + "\n")
      }
      let verdict = findings == 0 ? "all as they were written" : "\(findings) not as they were written"
      try Output.write("\(role): \(summary(state)), \(verdict)\n")
    }
    return findings == 0 ? .success : .failure
  }

  private static func summary(_ state: JSON) -> String {
    "\(state.text("objects")) objects, \(HumanUnits.bytes(UInt64(clamping: state["bytes"]?.int ?? 0)))"
  }
}
