import CNodeABI
import HostCore
import HostRuntime
import NodeValues

/// What the role saves, and what it makes of states that it did not save.
enum StateCases {
  /// A longer state is cut at this many places.
  private static let cuts = 64
  private static let randomRounds = 64
  private static let pieceLimit = 64

  static let all = [
    CheckCase(
      .state, "round-trip", "a role that loads a state saves the same state",
      remedy: "save all that load reads, and load all that save writes"
    ) { subject in
      let run = try runnable(subject)
      let state = try savedState(run)
      let again = try loaded(state, run).save()
      guard again == state else {
        throw CaseFailure("it loads \(shown(state)) and then saves \(shown(again))")
      }
      return "\(state.count) bytes"
    },
    CheckCase(
      .state, "same-bytes", "the same life saves the same bytes, however often it is asked",
      remedy: "write no addresses, times or random numbers, and dictionaries in the order of their keys"
    ) { subject in
      let run = try runnable(subject)
      let role = try run.started(on: run.host())
      // It stays while the other lives, so that the two have different addresses.
      defer { role.destroy() }
      Session().run(role)
      let first = try role.save(), second = try role.save()
      guard first == second else {
        throw CaseFailure("it saves \(shown(first)), and asked again \(shown(second))")
      }
      let other = try savedState(run)
      guard first == other else {
        throw CaseFailure("it saves \(shown(first)), and another role after the same life \(shown(other))")
      }
      return ""
    },
    CheckCase(
      .state, "truncated", "a state that was cut short is loaded or refused with a reason",
      remedy: "check what is left before each read, and fail with nh_fail"
    ) { subject in
      let run = try runnable(subject)
      let state = try savedState(run)
      guard state.count > 1 else { throw CaseSkip("its state is \(state.count == 1 ? "one byte" : "empty")") }
      for length in stride(from: 1, to: state.count, by: max(1, state.count / cuts))
      where subject.begins(length, "\(length) of \(state.count) bytes are loaded") {
        try take(Array(state[..<length]), run.plugin.table.pointee.state_version, run)
      }
      return ""
    },
    CheckCase(
      .state, "empty", "an empty state is loaded or refused with a reason",
      remedy: "an empty state may have no address; look at the length first"
    ) { subject in
      let run = try runnable(subject)
      try take([], run.plugin.table.pointee.state_version, run)
      return ""
    },
    CheckCase(
      .state, "random", "a state of random bytes is loaded or refused with a reason",
      remedy: "trust no length, index or version that you read"
    ) { subject in
      let run = try runnable(subject)
      let state = try savedState(run)
      for round in 0..<randomRounds where subject.begins(round, "random state \(round) is loaded") {
        var maker = ValueMaker(seed: run.seed, stream: 200 + UInt64(round))
        // Most are a real state with something changed, which gets further.
        let bytes =
          round % 4 == 3 ? maker.bytes() : DamagedState.make(of: state, run.seed, round: round - round / 4)
        try take(bytes, run.plugin.table.pointee.state_version, run)
      }
      return ""
    },
    CheckCase(
      .state, "other-version", "a state of another version is loaded or refused with a reason",
      remedy: "compare `version` with those that you can read"
    ) { subject in
      let run = try runnable(subject)
      let state = try savedState(run)
      let own = run.plugin.table.pointee.state_version
      for version in [0, own &+ 1, UInt32.max]
      where version != own && subject.begins(Int(version), "version \(version)") {
        try take(state, version, run)
      }
      return ""
    },
    CheckCase(
      .state, "short-writes", "save fails when the host takes no more, with the host's own status",
      remedy: "stop at the first write that is not NH_OK, and return its status"
    ) { subject in
      let run = try runnable(subject)
      let role = try run.started(on: run.host())
      defer { role.destroy() }
      Session().run(role)
      let whole = try role.save()
      for pieces in 0..<pieceLimit where subject.begins(pieces, "the host takes \(pieces) pieces") {
        do {
          guard try role.save(pieces: pieces) == whole else {
            throw CaseFailure("the host took \(pieces) pieces and refused the next, and save says that all is well")
          }
          break
        } catch let failure as RoleFailure where failure.status != NH_RESOURCE_EXHAUSTED {
          throw CaseFailure(
            "the sink says RESOURCE_EXHAUSTED, and save returns \(StatusCode.words(failure.status))")
        } catch is RoleFailure {
          continue
        }
      }
      return ""
    },
  ]

  private static func runnable(_ subject: CaseSubject) throws -> Runnable {
    let run = try Runnable(subject)
    guard run.plugin.table.pointee.save != nil else { throw CaseSkip("it keeps no state") }
    return run
  }

  /// What a role saves after a session.
  static func savedState(_ run: Runnable) throws -> [UInt8] {
    let role = try run.started(on: run.host())
    defer { role.destroy() }
    Session().run(role)
    return try role.save()
  }

  /// A role that has loaded a state and started.
  private static func loaded(_ state: [UInt8], _ run: Runnable) throws -> ScriptedRole {
    let role = ScriptedRole(run.plugin, on: run.host())
    try role.create(run.config)
    do {
      try role.load(state, version: run.plugin.table.pointee.state_version)
      try role.start()
    } catch {
      role.destroy()
      throw error
    }
    return role
  }

  /// Loads what may be wrong. Either is right, but a refusal has a reason, and what is taken must run.
  private static func take(_ state: [UInt8], _ version: UInt32, _ run: Runnable) throws {
    let role = ScriptedRole(run.plugin, on: run.host())
    defer { role.destroy() }
    try role.create(run.config)
    do {
      // What lies behind a state is nobody's.
      try role.load(state, version: version, edge: .guarded)
    } catch {
      guard !error.message.isEmpty else {
        throw CaseFailure("it refuses \(shown(state)) of version \(version) without a reason")
      }
      return
    }
    guard (try? role.start()) != nil else { return }
    Session(rounds: 1, beats: 4, events: 1).run(role)
    _ = try? role.save()
  }

  private static func shown(_ state: [UInt8]) -> String {
    let text = String(decoding: state.prefix(40), as: UTF8.self)
    return "\(state.count) bytes (\"\(text)\"\(state.count > 40 ? "…" : ""))"
  }
}
