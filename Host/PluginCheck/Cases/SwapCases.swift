import CNodeABI
import HostCore
import HostRuntime
import NodeValues

/// One instance takes another's place while calls and timers go on.
enum SwapCases {
  private static let swaps = 100
  /// When the first swaps have settled, and leftovers of theirs have had the time to go.
  private static let settled = 10
  private static let hour: Int64 = 3_600_000_000_000

  static let all = [
    CheckCase(
      .swap, "self", "\(swaps) swaps for itself lose no call, and leave no timer or subscription behind",
      remedy: "end timers and subscriptions that come back with a handle that you do not know: they are a "
        + "predecessor's", body: swapSelf)
  ]

  private static func swapSelf(_ subject: CaseSubject) throws -> String {
    let run = try Runnable(subject)
    let host = run.host { $0.keepsTranscript = false }
    var role = try run.started(on: host)
    var values = ValueMaker(seed: run.seed, stream: 4)
    var before = (timers: 0, subscriptions: 0)
    for number in 1...swaps where subject.reaches(number, "swap \(number)") {
      load(role, &values)
      role = try swap(role, run)
      load(role, &values)
      if number == settled { before = (host.timers.count, host.subscriptions.count) }
    }
    load(role, &values)
    let after = (timers: host.timers.count, subscriptions: host.subscriptions.count)
    let rounds = min(subject.part ?? swaps, swaps)
    role.destroy()
    try requireAnswers(host)
    guard rounds > settled else { return "" }
    let allowance = (rounds - settled) / 2
    guard after.timers < before.timers + allowance else {
      throw CaseFailure("after \(settled) swaps \(before.timers) timers are set, and after \(rounds) \(after.timers)")
    }
    guard after.subscriptions < before.subscriptions + allowance else {
      throw CaseFailure(
        "after \(settled) swaps there are \(before.subscriptions) subscriptions, and after \(rounds) "
          + "\(after.subscriptions)")
    }
    return "\(host.answers.count) calls"
  }

  /// Calls, beats and news, so that every timer of a predecessor runs out at least once.
  private static func load(_ role: ScriptedRole, _ values: inout ValueMaker) {
    Session(rounds: 0, beats: 0, events: 1).run(role)
    for (index, method) in role.plugin.methods.enumerated() {
      role.call(index, values.arguments(of: method.description.signature, isTame: true))
    }
    let last = role.host.timerHandles.compactMap { role.host.timers.deadline(of: $0) }.max() ?? role.host.clock
    role.host.advance(by: min(max(0, last - role.host.clock), hour), role)
    // Some are open when the swap begins.
    for (index, method) in role.plugin.methods.enumerated() {
      role.call(index, values.arguments(of: method.description.signature, isTame: true))
    }
  }

  private static func swap(_ old: ScriptedRole, _ run: Runnable) throws -> ScriptedRole {
    let host = old.host
    let new = ScriptedRole(run.plugin, on: host)
    try new.create(run.config)
    do {
      // Calls under way end first, or their callers give up.
      while host.openCalls.count > 0 { host.advance(by: ScriptedHost.callTimeout, old) }
      if old.hasState { try new.load(try old.save(), version: run.plugin.table.pointee.state_version) }
      try new.start()
    } catch {
      new.destroy(keepsPlace: true)
      old.destroy()
      throw error
    }
    old.destroy(keepsPlace: true)
    return new
  }

  private static func requireAnswers(_ host: ScriptedHost) throws {
    let lost = host.answers.count { $0 == nil }
    guard lost == 0 else { throw CaseFailure("\(lost) of \(host.answers.count) calls have no answer") }
  }
}
