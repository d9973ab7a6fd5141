import HostCore
import NodeValues

/// The commands that exchange the plugins of running roles, and tell what came of it.
enum SwapCommands {
  static func swap(_ invocation: Invocation) throws(CommandFailure) {
    let all = invocation.has("all")
    let role = invocation.arguments.first, plugin = invocation.arguments.dropFirst().first
    guard all == (role == nil) else {
      throw CommandFailure(
        all ? "--all takes no role" : "swap needs ROLE or --all", remedy: "See hostctl swap --help.", code: .usage)
    }
    let request = SwapRequest(
      roles: role.map { [$0] } ?? [], all: all, plugin: plugin.map(System.absolute), force: invocation.has("force"))
    try report(.swap(request), invocation, "swapped")
  }

  static func rollback(_ invocation: Invocation) throws(CommandFailure) {
    var generation: Int?
    if let word = invocation.arguments.dropFirst().first {
      guard let number = Int(word), number >= 1 else {
        throw CommandFailure(
          "GENERATION is a whole number from 1, not \"\(word)\"",
          remedy: "hostctl history \(invocation.arguments[0]) lists them.", code: .usage)
      }
      generation = number
    }
    try report(.rollback(invocation.arguments[0], generation: generation), invocation, "rolled back")
  }

  private static func report(
    _ request: ControlRequest, _ invocation: Invocation, _ done: String
  ) throws(CommandFailure) {
    let answer = try NodeFinder.connect(invocation).ask(request, patience: ControlConnection.longPatienceSeconds)
    if invocation.has("json") { return try Output.json(answer) }
    let swapped = answer.list("swapped"), unchanged = answer.list("unchanged").compactMap(\.string)
    for role in swapped {
      let pause = role["pause_us"]?.int.map(HumanUnits.duration(microseconds:)) ?? ""
      try line(
        "\(role.text("role")) is \(done): version \(role.text("version")), generation \(role.text("generation")), "
          + "pause \(pause), state \(size(role["state_bytes"]))")
    }
    for role in unchanged { try line("\(role) is unchanged: it runs this build already") }
    if swapped.isEmpty, unchanged.isEmpty { try line("there is nothing to exchange") }
    let probation = answer["probation_ms"]?.int ?? 0
    guard !swapped.isEmpty, probation > 0 else { return }
    let note = "on probation for \(HumanUnits.duration(milliseconds: probation)): a fault brings back what ran before"
    try Output.write(Output.style.paint(note, .faint) + "\n")
  }

  private static func line(_ text: String) throws(CommandFailure) {
    try Output.write(TextLayout.harmless(text) + "\n")
  }

  private static func size(_ json: JSON?) -> String {
    json?.int.flatMap { UInt64(exactly: $0) }.map(HumanUnits.bytes) ?? ""
  }

  // MARK: history

  static func history(_ invocation: Invocation) throws(CommandFailure) {
    let answer = try NodeFinder.connect(invocation).ask(.history(invocation.arguments[0]))
    if invocation.has("json") { return try Output.json(answer) }
    let history = RoleHistory(answer)
    var table = Table([
      .init("GEN", rightAligned: true), .init("WHEN", rightAligned: true), .init("VERSION", shrinks: true),
      .init("BUILD"), .init("CAUSE"), .init("PAUSE", rightAligned: true), .init("STATE", rightAligned: true),
      .init("OUTCOME"),
    ])
    for generation in history.generations { table.add(row(generation)) }
    try Output.table(table)
    for generation in history.generations {
      guard let reason = generation.outcome.reason else { continue }
      try remark("\(generation.number) \(generation.outcome.name): \(reason)")
    }
    for (sha256, reason) in history.quarantine.sorted(by: { $0.key < $1.key }) {
      try remark("\(build(sha256)) is quarantined: \(reason)")
    }
  }

  private static func row(_ generation: Generation) -> [Table.Cell] {
    let age = HumanUnits.duration(milliseconds: max(0, System.now - Int64(generation.began)))
    let colour: Style.Colour? =
      switch generation.outcome {
      case .running: .green
      case .refused, .reverted: .red
      case .trying, .replaced, .ended: .faint
      }
    return [
      .init(String(generation.number)), .init("\(age) ago"), .init(generation.version),
      .init(build(generation.sha256)), .init(generation.cause.rawValue),
      .init(generation.pauseMicroseconds.map { HumanUnits.duration(microseconds: $0) } ?? ""),
      .init(generation.stateBytes.flatMap { UInt64(exactly: $0) }.map(HumanUnits.bytes) ?? ""),
      .init(generation.outcome.name, colour),
    ]
  }

  /// What sets builds apart for a person.
  private static func build(_ sha256: String) -> String { String(sha256.prefix(12)) }

  /// A reason may be long: it stands below the table, on as many lines as it takes.
  private static func remark(_ text: String) throws(CommandFailure) {
    let harmless = TextLayout.harmless(text)
    let lines = Output.width.map { TextLayout.wrap(harmless, width: $0) } ?? [harmless]
    for line in lines { try Output.write(Output.style.paint(line, .yellow) + "\n") }
  }
}
