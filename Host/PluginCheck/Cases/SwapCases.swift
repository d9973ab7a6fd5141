import CNodeABI
import HostCore
import HostRuntime
import NodeValues

/// One instance takes another's place while calls and timers go on.
enum SwapCases {
  private static let swaps = 100
  /// When the first swaps have settled, and leftovers of theirs have had the time to go.
  private static let settled = 10
  private static let undoneRounds = 5
  private static let hour: Int64 = 3_600_000_000_000

  static let all = [
    CheckCase(
      .swap, "self", "\(swaps) swaps for itself lose no call, and timers and subscriptions do not gather",
      remedy: "load whatever save writes, also after a long life, and set in start the same timers each time",
      body: swapSelf),
    CheckCase(
      .swap, "undone", "a swap that is undone leaves the old role as it was",
      remedy: "save changes nothing in the role, and two instances share nothing", body: undone),
  ]

  private static func swapSelf(_ subject: CaseSubject) throws -> String {
    let run = try Runnable(subject)
    let host = run.host { $0.keepsTranscript = false }
    var role = try run.started(on: host)
    var values = ValueMaker(seed: run.seed, stream: 4)
    var before = (timers: 0, subscriptions: 0)
    for number in 1...swaps where subject.reaches(number, "swap \(number)") {
      load(role, &values)
      let new = try successor(of: role, run)
      host.endHandover(to: new)
      role.destroy(keepsPlace: true)
      role = new
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

  /// A role whose swaps are all undone does the same as one that is never swapped.
  private static func undone(_ subject: CaseSubject) throws -> String {
    let run = try Runnable(subject)
    let alone = try transcript(of: run, swaps: false), swapped = try transcript(of: run, swaps: true)
    try LifecycleCases.requireSame(alone, swapped, "after a swap that was undone the role does otherwise")
    return ""
  }

  private static func transcript(of run: Runnable, swaps: Bool) throws -> [String] {
    let host = run.host()
    let role = try run.started(on: host)
    for _ in 0..<undoneRounds {
      Session().run(role)
      quiet(role)
      guard swaps else { continue }
      let numbers = host.numbers, seen = host.transcript.count
      let new = try successor(of: role, run)
      host.endHandover(to: role)
      new.destroy(keepsPlace: true)
      // What the other did is its own affair.
      host.numbers = numbers
      host.forget(after: seen)
    }
    Session().run(role)
    role.destroy()
    // One that was away may read its store anew: the other had it too.
    return host.transcript.filter { !$0.hasPrefix("ask the store: scan") && !$0.hasPrefix("ask the store: get") }
  }

  /// Calls, beats and news.
  private static func load(_ role: ScriptedRole, _ values: inout ValueMaker) {
    Session(rounds: 0, beats: 0, events: 1).run(role)
    callAll(role, &values)
    let host = role.host
    let last = host.setTimers.keys.compactMap { host.timers.deadline(of: $0) }.max() ?? host.clock
    host.advance(by: min(max(0, last - host.clock), hour), role)
    // Some are open when the swap begins.
    callAll(role, &values)
    Session(requests: 2).send(to: role)
  }

  private static func callAll(_ role: ScriptedRole, _ values: inout ValueMaker) {
    for (index, method) in role.plugin.methods.enumerated() {
      role.call(index, values.arguments(of: method.description.signature, isTame: true))
    }
  }

  /// What is under way ends first, or its callers give up.
  private static func quiet(_ role: ScriptedRole) {
    while role.host.openCalls.count + role.host.exchanges.count + role.host.talks.count > 0 {
      role.host.advance(by: ScriptedHost.callTimeout, role)
    }
  }

  /// Another instance that has the old one's state and has started; which of the two stays is not decided yet.
  private static func successor(of old: ScriptedRole, _ run: Runnable) throws -> ScriptedRole {
    let host = old.host
    let new = ScriptedRole(run.plugin, on: host)
    try new.create(run.config)
    quiet(old)
    host.handover = Handover(old: old, new: new)
    do {
      if old.hasState { try new.load(try old.save(), version: run.plugin.table.pointee.state_version) }
      try new.start()
    } catch {
      host.endHandover(to: old)
      new.destroy(keepsPlace: true)
      old.destroy()
      throw error
    }
    return new
  }

  private static func requireAnswers(_ host: ScriptedHost) throws {
    let lost = host.answers.count { $0 == nil }
    guard lost == 0 else { throw CaseFailure("\(lost) of \(host.answers.count) calls have no answer") }
  }
}
