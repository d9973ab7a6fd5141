import HostCore
import NodeValues

/// The commands that change what runs.
enum SteeringCommands {
  static func load(_ invocation: Invocation) throws(CommandFailure) {
    guard let role = invocation.value("role") else {
      throw CommandFailure(
        "load needs --role ID: the kind of role to start", remedy: "See hostctl load --help.", code: .usage)
    }
    var request = LoadRequest(role: role, name: invocation.value("name"), plugin: invocation.value("plugin"))
    // A path means a file as seen from here; a bare name is looked for in the node's plugin folders.
    if let plugin = request.plugin, plugin.contains("/") { request.plugin = System.absolute(plugin) }
    if let config = invocation.value("config") {
      do { request.config = try JSON(parsing: config) } catch {
        throw CommandFailure("--config is not JSON", error.description, code: .usage)
      }
    }
    try report(.load(request), invocation, "loaded")
  }

  static func restart(_ invocation: Invocation) throws(CommandFailure) {
    try report(.restart(invocation.arguments[0]), invocation, "restarted")
  }

  private static func report(_ request: ControlRequest, _ invocation: Invocation, _ done: String) throws(CommandFailure)
  {
    let role = try ask(request, invocation)
    if invocation.has("json") { return try Output.json(role) }
    let text =
      "\(role.text("name")) is \(done): \(role.text("plugin")) \(role.text("version")), \(role.text("state")), "
      + "generation \(role.text("generation"))"
    try Output.write(TextLayout.harmless(text) + "\n")
  }

  static func unload(_ invocation: Invocation) throws(CommandFailure) {
    let answer = try ask(.unload(invocation.arguments[0]), invocation)
    if invocation.has("json") { return try Output.json(answer) }
    try Output.write("\(invocation.arguments[0]) is unloaded\n")
  }

  static func reload(_ invocation: Invocation) throws(CommandFailure) {
    let answer = try ask(.reload, invocation)
    if invocation.has("json") { return try Output.json(answer) }
    var changes: [String] = []
    for key in ["added", "removed", "reconfigured", "restarted"] {
      let names = answer.list(key).compactMap(\.string).joined(separator: ", ")
      if !names.isEmpty { changes.append("\(key): \(names)") }
    }
    if changes.isEmpty { changes = ["nothing changed"] }
    changes.append("unchanged: \(answer["unchanged"]?.int ?? 0) roles")
    try Output.write(changes.map { TextLayout.harmless($0) + "\n" }.joined())
    for setting in answer.list("needs_node_restart").compactMap(\.string) {
      let note = "\(TextLayout.harmless(setting)) takes effect when the node is started anew"
      try Output.write(Output.style.paint(note, .yellow) + "\n")
    }
  }

  private static func ask(_ request: ControlRequest, _ invocation: Invocation) throws(CommandFailure) -> JSON {
    try NodeFinder.connect(invocation).ask(request, patience: ControlConnection.longPatienceSeconds)
  }
}
