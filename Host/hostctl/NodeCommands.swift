import HostCore
import NodeValues

/// The commands that look at whole nodes.
enum NodeCommands {
  static func status(_ invocation: Invocation) throws(CommandFailure) {
    let answer = try NodeFinder.connect(invocation).ask(.status)
    if invocation.has("json") { return try Output.json(answer) }
    let node = answer["node"] ?? [:], roles = answer["roles"] ?? [:]
    let memory = answer["memory_bytes"]?.int.flatMap { UInt64(exactly: $0) }
    let facts = [
      ("node", "\(node.text("name")) (id \(node.text("id")), instance \(node.text("instance")))"),
      ("state", "\(node.text("state")), health \(node.text("health")), up \(node.duration("uptime_ms"))"),
      ("address", node.text("address")), ("process", node.text("pid")), ("manifest", node.text("manifest")),
      ("state folder", node.text("state_folder")), ("memory", memory.map(HumanUnits.bytes) ?? ""),
      ("roles", "\(roles.text("total")), \(roles.text("running")) running, \(roles.text("failed")) failed"),
    ]
    try Output.write(
      facts.filter { !$0.1.isEmpty }
        .map { Output.style.paint(TextLayout.pad($0.0, to: 14), .faint) + TextLayout.harmless($0.1) + "\n" }.joined())
    var table = Table([
      .init("LOOP", rightAligned: true), .init("ROLES", rightAligned: true), .init("CALLBACKS", rightAligned: true),
    ])
    for loop in answer.list("loops") {
      table.add([.init(loop.text("index")), .init(loop.text("roles")), .init(loop.text("callbacks"))])
    }
    if !table.rows.isEmpty { try Output.write("\n" + table.text(width: Output.width, style: Output.style)) }
    for note in answer.list("notes").compactMap(\.string) {
      try Output.write(Output.style.paint("note: " + TextLayout.harmless(note), .yellow) + "\n")
    }
  }

  static func nodes(_ invocation: Invocation) throws(CommandFailure) {
    let finder = NodeFinder()
    finder.warn()
    let entries = finder.entries
    if invocation.has("json") {
      let nodes = entries.map { entry -> JSON in
        guard case .object(var object) = entry.record.json else { return entry.record.json }
        object["state"] = entry.isAlive ? "running" : "gone"
        return .object(object)
      }
      return try Output.json(["folder": .string(finder.folder), "nodes": .array(nodes)])
    }
    guard !entries.isEmpty else {
      return try Output.write("No node is running: \(finder.folder) has no record of one.\n")
    }
    var table = Table([
      .init("NODE"), .init("ID", rightAligned: true), .init("PID", rightAligned: true), .init("STATE"),
      .init("UPTIME", rightAligned: true), .init("SOCKET", shrinks: true), .init("MANIFEST", shrinks: true),
    ])
    for entry in entries {
      let record = entry.record
      let uptime = HumanUnits.duration(milliseconds: max(0, System.now - record.startedMilliseconds))
      table.add([
        .init(record.name), .init(String(record.id)), .init(String(record.pid)),
        entry.isAlive ? .init("running", .green) : .init("gone", .red), .init(entry.isAlive ? uptime : ""),
        .init(record.socket), .init(record.manifest),
      ])
    }
    try Output.table(table)
  }

  /// The node's version is shown if there is one node to ask; only a node that was named must be there.
  static func version(_ invocation: Invocation) throws(CommandFailure) {
    var node: JSON?
    do { node = try NodeFinder.connect(invocation).ask(.version) } catch {
      if ["node", "socket", "at"].contains(where: { invocation.has($0) }) { throw error }
    }
    if invocation.has("json") {
      return try Output.json(["hostctl": .string(HostVersion.text), "node": node ?? .null])
    }
    try Output.write("hostctl \(HostVersion.text)\n")
    guard let node else { return }
    let abi = node["abi"] ?? [:]
    let text = "node    \(node.text("version")) (ABI \(abi.text("major")) revision \(abi.text("revision")))"
    try Output.write(TextLayout.harmless(text) + "\n")
  }

  static func metrics(_ invocation: Invocation) throws(CommandFailure) {
    let connection = try NodeFinder.connect(invocation)
    if invocation.has("json") { return try Output.json(connection.ask(.metrics(json: true))) }
    try connection.stream(.metrics(json: false), patience: ControlConnection.usualPatienceSeconds) {
      piece throws(CommandFailure) in try Output.write(piece)
    }
  }
}
