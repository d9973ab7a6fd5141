import HostCore
import NodeSchema
import NodeValues

/// The commands that look at roles.
enum RoleCommands {
  static func list(_ invocation: Invocation) throws(CommandFailure) {
    let answer = try NodeFinder.connect(invocation).ask(.roles)
    if invocation.has("json") { return try Output.json(answer) }
    var table = Table([
      .init("ROLE", shrinks: true), .init("PLUGIN", shrinks: true), .init("VERSION"), .init("LANG"), .init("STATE"),
      .init("HEALTH"), .init("UPTIME", rightAligned: true), .init("GEN", rightAligned: true), .init("ISOLATION"),
      .init("LOOP", rightAligned: true),
    ])
    for role in answer["roles"]?.array ?? [] {
      table.add([
        .init(role.text("name")), .init(role.text("plugin")), .init(role.text("version")), .init(role.text("language")),
        .init(role.text("state"), colour(state: role.text("state"))),
        .init(role.text("health"), colour(health: role.text("health"))), .init(role.duration("uptime_ms")),
        .init(role.text("generation")), .init(role.text("isolation")), .init(role.text("loop")),
      ])
    }
    try Output.table(table)
    for role in answer["roles"]?.array ?? [] where !role.text("reason").isEmpty {
      let reason = TextLayout.harmless("\(role.text("name")): \(role.text("reason"))")
      try Output.write(Output.style.paint(reason, .yellow) + "\n")
    }
  }

  static func colour(state: String) -> Style.Colour? {
    switch state {
    case "running": .green
    case "failed", "quarantined": .red
    case "stopped", "unloaded": .faint
    default: .yellow
    }
  }

  static func colour(health: String) -> Style.Colour? {
    switch health {
    case "ok": .green
    case "failed": .red
    case "degraded": .yellow
    default: nil
    }
  }

  static func health(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    let answer = try NodeFinder.connect(invocation).ask(.health)
    var roles = answer["roles"]?.array ?? []
    var overall = answer.text("health")
    var shown = answer
    if let name = invocation.arguments.first {
      let names = roles.map { $0.text("name") }
      guard let role = roles.first(where: { $0.text("name") == name }) else {
        let near = nearestWord(to: name, among: names).map { "; did you mean \"\($0)\"?" } ?? ""
        throw CommandFailure("there is no role \"\(name)\"\(near)", remedy: "hostctl list shows the node's roles.")
      }
      (roles, overall, shown) = ([role], role.text("health"), role)
    }
    if invocation.has("json") {
      try Output.json(shown)
    } else {
      var table = Table([.init("ROLE", shrinks: true), .init("HEALTH"), .init("REASON", shrinks: true)])
      for role in roles {
        let health = role.text("health")
        table.add([.init(role.text("name")), .init(health, colour(health: health)), .init(role.text("reason"))])
      }
      try Output.table(table)
    }
    return overall == Health.ok.rawValue ? .success : .failure
  }
}

extension JSON {
  /// What stands under a key, for people; empty if nothing does.
  func text(_ key: String) -> String {
    switch self[key] {
    case nil, .null: ""
    case .string(let text): text
    case let value?: value.description
    }
  }

  func duration(_ key: String) -> String { self[key]?.int.map(HumanUnits.duration(milliseconds:)) ?? "" }

  func list(_ key: String) -> [JSON] { self[key]?.array ?? [] }
}
