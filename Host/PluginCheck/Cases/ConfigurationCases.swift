import CNodeABI
import HostCore
import HostRuntime
import NodeSchema
import NodeValues

/// The schema, and what the role makes of configurations.
enum ConfigurationCases {
  private static let fuzzRounds = 100

  static let all = [
    CheckCase(
      .configuration, "schema", "config_schema is a JSON Schema that this host can check",
      remedy: "mend the schema; it is JSON Schema draft 2020-12"
    ) { subject in
      let plugin = try OpenPlugin(subject)
      guard plugin.description.schema != .null else { throw CaseSkip("it takes no configuration") }
      do throws(SchemaProblem) {
        _ = try JSONSchema(plugin.description.schema)
      } catch {
        throw CaseFailure("its config_schema is no JSON Schema: \(error)")
      }
      return ""
    },
    CheckCase(
      .configuration, "defaults", "the role is created from its defaults alone",
      remedy: "give every setting a default; where there can be none, check with --config", body: defaults),
    CheckCase(
      .configuration, "mutants", "each wrong setting is refused with its place",
      remedy: "give each setting a type, and each object \"additionalProperties\": false", body: mutants),
    CheckCase(
      .configuration, "no-side-effects", "creating a role to check its configuration changes nothing else",
      remedy: "leave everything but reading the configuration and allocating to start", body: noSideEffects),
    CheckCase(
      .configuration, "fuzz", "every configuration that the schema allows creates a role, or is refused with a reason",
      remedy: "let the schema say all that create demands, and let create fail with nh_fail rather than trap",
      body: fuzz),
    CheckCase(
      .configuration, "reconfigure",
      "a role that runs takes every configuration that the schema allows, or says why not",
      remedy: "on failure the old configuration stays, and nh_fail says what is wrong", body: reconfigure),
  ]

  private static func defaults(_ subject: CaseSubject) throws -> String {
    let plugin = try OpenPlugin(subject)
    var config = JSON.object(JSONObject())
    var note = ""
    if let schema = try plugin.schema() {
      let (filled, faults) = schema.check(subject.givenConfig ?? config)
      config = filled
      if let fault = faults.first {
        guard subject.givenConfig == nil else {
          throw CaseFailure(
            "the configuration of --config is refused: \(fault.description(of: config))", remedy: "correct it")
        }
        guard let made = ConfigMaker(plugin.description.schema, schema).least() else {
          throw CaseSkip("it has settings without a default; give them with --config")
        }
        config = made
        note = "made up: \(made)"
      }
    }
    let role = ScriptedRole(plugin, on: ScriptedHost(.init()))
    try role.create(config.description)
    role.destroy()
    return note
  }

  private static func mutants(_ subject: CaseSubject) throws -> String {
    let plugin = try OpenPlugin(subject)
    guard let schema = try plugin.schema() else { throw CaseSkip("it takes no configuration") }
    let config = try plugin.configuration(subject)
    let mutants = ConfigMutant.all(of: config, schema)
    for (number, mutant) in mutants.enumerated() where subject.begins(number, "\(mutant.what)") {
      let faults = schema.check(mutant.config).faults
      if faults.contains(where: { $0.pointer == mutant.place || $0.pointer.hasPrefix(mutant.place + "/") }) { continue }
      guard faults.isEmpty else {
        throw CaseFailure("\(mutant.what) is refused with another place: \(faults[0].pointer)")
      }
      try requireRefusal(of: mutant, plugin)
    }
    return "\(mutants.count) mutants"
  }

  /// What the schema lets pass, the role may still refuse.
  private static func requireRefusal(of mutant: ConfigMutant, _ plugin: OpenPlugin) throws {
    let role = ScriptedRole(plugin, on: ScriptedHost(.init()))
    defer { role.destroy() }
    do {
      try role.create(mutant.config.description)
    } catch {
      guard error.place == mutant.place else {
        throw CaseFailure(
          "\(mutant.what) is refused, but with the place \"\(error.place)\"", expected: "the place \(mutant.place)",
          remedy: "put the JSON pointer of the setting into nh_error.place")
      }
      return
    }
    throw CaseFailure("\(mutant.what) is accepted, at \(mutant.place)")
  }

  private static func noSideEffects(_ subject: CaseSubject) throws -> String {
    let plugin = try OpenPlugin(subject)
    let config = try plugin.configuration(subject).description
    let host = ScriptedHost(.init())
    // The first time fills caches and binds what is bound late.
    for _ in 0..<2 {
      let role = ScriptedRole(plugin, on: host)
      try role.create(config)
      role.destroy()
    }
    let before = ProcessState()
    guard let output = OutputCatch() else { throw CaseSkip("there is no room for a file in /tmp") }
    let role = ScriptedRole(plugin, on: host)
    let result = Result { try role.create(config) }
    role.destroy()
    let printed = output.end()
    _ = try result.get()
    var changes = ProcessState.Aspect.allCases.flatMap { ProcessState().changes(since: before, $0) }
    if !printed.isEmpty { changes.append("it prints \"\(printed)\"") }
    changes += host.breaches.filter { $0.phase == .creating && $0.detail.isEmpty }.map {
      "create calls \($0.function.name), which is allowed [\($0.bracket)]"
    }
    guard changes.isEmpty else { throw CaseFailure(changes.joined(separator: "; ")) }
    return ""
  }

  private static func reconfigure(_ subject: CaseSubject) throws -> String {
    let run = try Runnable(subject)
    guard run.plugin.table.pointee.reconfigure != nil else { throw CaseSkip("it is restarted for a new configuration") }
    guard let schema = try run.plugin.schema() else { throw CaseSkip("it takes no configuration") }
    let maker = ConfigMaker(run.plugin.description.schema, schema)
    let role = try run.started(on: run.host())
    defer { role.destroy() }
    for round in 0..<(fuzzRounds / 2) {
      var numbers = SeededNumbers(seed: run.seed, stream: 400 + UInt64(round))
      guard let config = maker.any(&numbers), subject.reaches(round, "the configuration becomes \(config)") else {
        continue
      }
      do {
        try role.reconfigure(config.description)
      } catch {
        guard !error.message.isEmpty else { throw CaseFailure("\(config) is refused without a reason") }
      }
      Session(rounds: 1, beats: 2, events: 1).run(role)
    }
    return ""
  }

  private static func fuzz(_ subject: CaseSubject) throws -> String {
    let run = try Runnable(subject)
    guard let schema = try run.plugin.schema() else { throw CaseSkip("it takes no configuration") }
    let maker = ConfigMaker(run.plugin.description.schema, schema)
    var tried = 0
    for round in 0..<fuzzRounds {
      var numbers = SeededNumbers(seed: run.seed, stream: 100 + UInt64(round))
      guard let config = maker.any(&numbers), subject.begins(round, "the configuration is \(config)") else { continue }
      tried += 1
      let role = ScriptedRole(run.plugin, on: run.host())
      defer { role.destroy() }
      do {
        try role.create(config.description)
      } catch {
        guard !error.message.isEmpty else { throw CaseFailure("\(config) is refused without a reason") }
        continue
      }
      guard (try? role.start()) != nil else { continue }
      Session(rounds: 1, beats: 1, events: 1).run(role)
    }
    guard tried > 0 else { throw CaseSkip("no configuration could be made up from its schema") }
    return "\(tried) configurations"
  }
}
