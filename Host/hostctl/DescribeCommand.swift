import HostCore
import NodeValues

/// `hostctl describe`: all that the node knows of a role, as a page.
enum DescribeCommand {
  static func run(_ invocation: Invocation) throws(CommandFailure) {
    let role = try NodeFinder.connect(invocation).ask(.role(invocation.arguments[0]))
    if invocation.has("json") { return try Output.json(role) }
    var text = heading(role) + facts(role)
    text += section("Settings", SettingsTable.table(role["config_schema"] ?? [:]))
    text += section("Methods", methods(role))
    text += section("Services needed", needs(role))
    text += section("Topics", topics(role))
    try Output.write(text)
  }

  private static func heading(_ role: JSON) -> String {
    let name = Output.style.paint(TextLayout.harmless(role.text("name")), .bold)
    let description = TextLayout.harmless(role.text("description"))
    return description.isEmpty ? name + "\n" : "\(name): \(description)\n"
  }

  private static func facts(_ role: JSON) -> String {
    let abi = role["abi"] ?? [:]
    let health = role.text("reason").isEmpty ? role.text("health") : "\(role.text("health")) (\(role.text("reason")))"
    let facts = [
      (
        "role",
        "\(role.text("role")), plugin \(role.text("plugin")) \(role.text("version")) in \(role.text("language"))"
      ),
      ("state", "\(role.text("state")), health \(health), up \(role.duration("uptime_ms"))"),
      (
        "runs",
        "\(role.text("isolation")) on loop \(role.text("loop")), generation \(role.text("generation")), "
          + "\(role.text("restarts")) restarts"
      ),
      ("file", role.text("file")), ("sha256", role.text("sha256")),
      (
        "abi",
        "\(abi.text("major")), built against revision \(abi.text("revision_built")), needs at least "
          + abi.text("revision_least")
      ),
      ("provides", role.list("provides").compactMap(\.string).joined(separator: ", ")),
      ("saves", saves(role)), ("unload", role["may_unload"]?.bool == true ? "may be unloaded" : "stays loaded"),
      ("simulation", role["simulatable"]?.bool == false ? "cannot be simulated" : "can be simulated"),
    ]
    return facts.filter { !$0.1.isEmpty }
      .map { "  \(TextLayout.pad($0.0, to: 12))\(TextLayout.harmless($0.1))\n" }.joined()
  }

  private static func saves(_ role: JSON) -> String {
    guard let version = role["state_version"]?.int, version > 0 else { return "nothing" }
    return "its state, version \(version)"
  }

  private static func section(_ title: String, _ table: Table?) -> String {
    guard let table, !table.rows.isEmpty else { return "" }
    let lines = table.text(width: Output.width.map { $0 - 2 }, style: Output.style).split(separator: "\n")
    return "\n\(Output.style.paint(title, .bold))\n" + lines.map { "  \($0)\n" }.joined()
  }

  private static func methods(_ role: JSON) -> Table {
    var table = Table([.init("METHOD"), .init("DOES", shrinks: true)])
    for method in role.list("methods") {
      let parameters = method.list("parameters").map { "\($0.text("name")): \($0.text("type"))" }
      let result = method.text("returns")
      let usage = "\(method.text("name"))(\(parameters.joined(separator: ", ")))"
      let again = method["idempotent"]?.bool == true ? " (may be repeated)" : ""
      table.add([
        .init(result.isEmpty || result == "nothing" ? usage : "\(usage) -> \(result)"),
        .init(method.text("doc") + again),
      ])
    }
    return table
  }

  private static func needs(_ role: JSON) -> Table {
    var table = Table([.init("SERVICE"), .init("NEEDED"), .init("OFFERED")])
    for need in role.list("needs") {
      let required = need["required"]?.bool == true, offered = need["offered"]?.bool == true
      table.add([
        .init(need.text("id")), .init(required ? "yes" : "if there"),
        .init(offered ? "yes" : "no", offered ? .green : required ? .red : .yellow),
      ])
    }
    return table
  }

  private static func topics(_ role: JSON) -> Table {
    var table = Table([.init("TOPIC"), .init("TELLS", shrinks: true)])
    for topic in role.list("topics") { table.add([.init(topic.text("name")), .init(topic.text("doc"))]) }
    return table
  }
}
