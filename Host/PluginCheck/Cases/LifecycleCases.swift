import Glibc
import HostCore
import HostRuntime

/// From create to destroy, in fair weather and foul.
enum LifecycleCases {
  static let rounds = 1000
  /// Enough to tell what gathers from what has filled up.
  private static let sessions = 20
  /// A role that calls the host more often than this in one session is tried at this many of its calls.
  private static let failingCallLimit = 400
  /// What still runs after destroy has this long to give itself away.
  private static let straggleMicroseconds: UInt32 = 30_000

  static let all = [
    CheckCase(
      .lifecycle, "life", "a role is created, starts, answers, ticks, drains, stops and is destroyed",
      remedy: "run it under a debugger, with --in-process", stage: .life, isGate: true
    ) { subject in
      let run = try Runnable(subject)
      let host = try run.life(on: run.host())
      return "\(host.answers.count) calls, \(host.fallibleCalls) host calls"
    },
    CheckCase(
      .lifecycle, "thousand-creates", "\(rounds) creates and destroys leave nothing behind",
      remedy: "free in destroy what create allocates, and close what it opens"
    ) { subject in
      let run = try Runnable(subject)
      try Growth.check(rounds, "creates and destroys") {
        let role = ScriptedRole(run.plugin, on: run.host { $0.keepsTranscript = false })
        try role.create(run.config)
        role.destroy()
      }
      return ""
    },
    CheckCase(
      .lifecycle, "thousand-lives", "\(rounds) whole lives leave nothing behind",
      remedy: "free in stop or destroy what start, methods and callbacks allocate"
    ) { subject in
      let run = try Runnable(subject)
      try Growth.check(rounds, "lives") {
        try run.life(Session(rounds: 1, beats: 1, events: 1), on: run.host { $0.keepsTranscript = false })
      }
      return ""
    },
    CheckCase(
      .lifecycle, "nth-call-fails", "whichever host call fails, the role goes on or says that it cannot",
      remedy: "look at what each host call returns before using it; see its comment in the header", body: nthCallFails),
    CheckCase(
      .lifecycle, "failed-start", "destroy after a start that failed leaves nothing behind",
      remedy: "after a start that fails stop does not come, only destroy: it must free everything", body: failedStart),
    CheckCase(
      .lifecycle, "two-instances", "two roles in one process do not know of each other",
      remedy: "keep everything in the role that create makes, and nothing in static variables"
    ) { subject in
      let run = try Runnable(subject)
      let alone = try run.life(on: run.host()).transcript
      let first = try run.started(on: run.host()), second = try run.started(on: run.host())
      Session().run(first)
      Session().run(second)
      for role in [first, second] {
        role.drain()
        role.host.settle(role)
      }
      second.destroy()
      first.destroy()
      try requireSame(alone, first.host.transcript, "one of two roles does otherwise than a role alone")
      try requireSame(alone, second.host.transcript, "the second of two roles does otherwise than a role alone")
      return ""
    },
    CheckCase(
      .lifecycle, "long-life", "in a long life timers, subscriptions and open calls do not gather",
      remedy: "cancel what is no longer waited for, and answer every call", body: longLife),
    CheckCase(
      .lifecycle, "after-stop", "after stop the role leaves the host alone",
      remedy: "timers, subscriptions and open calls end by themselves; join your threads in stop", body: afterStop),
  ]

  private static func nthCallFails(_ subject: CaseSubject) throws -> String {
    let run = try Runnable(subject)
    let sound = try run.life(on: run.host())
    let count = sound.fallibleCalls
    let step = max(1, count / failingCallLimit)
    for number in stride(from: 1, through: count, by: step)
    where subject.begins(number, "host call \(number) fails") {
      let host = run.host { $0.failsCall = number }
      host.onFailing = { subject.isDoing("host call \(number), \($0.name), fails") }
      let started = (try? run.life(on: host)) != nil
      let name = host.failedCall?.name ?? "a host call"
      if let misuse = host.breaches.first(where: { !$0.detail.isEmpty }), sound.breaches.isEmpty {
        throw CaseFailure("after \(name) failed, the role calls \(misuse.function.name) and \(misuse.detail.withoutIt)")
      }
      let none = ScriptedHost.Answer.none
      let forgotten = zip(sound.answers, host.answers).contains { $0 != none && $1 == none }
      guard !started || !forgotten || host.failure != nil else {
        throw CaseFailure("after \(name) failed, a call is never answered")
      }
    }
    return "\(count) host calls"
  }

  private static func failedStart(_ subject: CaseSubject) throws -> String {
    let run = try Runnable(subject)
    guard let failing = failingStart(run) else { throw CaseSkip("its start never fails") }
    try Growth.check(rounds / 5, "failed starts") {
      let role = ScriptedRole(
        run.plugin,
        on: run.host {
          failing(&$0)
          $0.keepsTranscript = false
        })
      try role.create(run.config)
      try? role.start()
      role.destroy()
      try requireQuiet(role.host, after: "its start had failed")
    }
    return ""
  }

  /// Settings of a host on which start fails, as late in start as can be.
  private static func failingStart(_ run: Runnable) -> ((inout ScriptedHost.Settings) -> Void)? {
    let host = run.host()
    guard let role = try? run.started(on: host) else { return { _ in } }
    let count = host.fallibleCalls
    role.destroy()
    for number in stride(from: count, to: 0, by: -1) {
      let trial = run.host { $0.failsCall = number }
      guard let started = try? run.started(on: trial) else { return { $0.failsCall = number } }
      started.destroy()
    }
    return nil
  }

  private static func longLife(_ subject: CaseSubject) throws -> String {
    let run = try Runnable(subject)
    let host = run.host { $0.keepsTranscript = false }
    let role = try run.started(on: host)
    defer { role.destroy() }
    func held() -> [(what: String, count: Int)] {
      [
        ("timers", host.timers.count), ("subscriptions", host.subscriptions.count),
        ("calls of other roles", host.outgoing.count), ("requests to others", host.ownRequests.count),
        ("forward tables", host.forwards.count), ("watches of descriptors", host.watches.count),
      ]
    }
    for _ in 0..<sessions { Session(rounds: 1, beats: 2).run(role) }
    let before = held()
    for _ in 0..<sessions { Session(rounds: 1, beats: 2).run(role) }
    for (before, after) in zip(before, held()) where after.count >= before.count + sessions / 2 {
      throw CaseFailure(
        "after \(sessions) sessions it has \(before.count) \(before.what), and after \(2 * sessions) \(after.count)")
    }
    return ""
  }

  private static func afterStop(_ subject: CaseSubject) throws -> String {
    let run = try Runnable(subject)
    let host = run.host { $0.tableEdge = .mapped }
    let role = try run.started(on: host)
    Session().run(role)
    // Calls that wait for something are open when the end comes.
    var values = ValueMaker(seed: run.seed, stream: 3)
    for (index, method) in run.plugin.methods.enumerated() {
      role.call(index, values.arguments(of: method.description.signature, isTame: true))
    }
    role.stop()
    role.destroy()
    role.tables.forbid()
    usleep(straggleMicroseconds)
    try requireQuiet(host, after: "it was stopped")
    return ""
  }

  private static func requireQuiet(_ host: ScriptedHost, after what: String) throws {
    guard let late = host.breaches.first(where: { $0.phase == .stopped || $0.phase == .destroyed }) else { return }
    throw CaseFailure("it calls \(late.function.name) after \(what); that is allowed [\(late.bracket)]")
  }

  static func requireSame(_ left: [String], _ right: [String], _ what: String) throws {
    guard left != right else { return }
    let differing = zip(left, right).enumerated().first { $0.element.0 != $0.element.1 }?.offset
    let place = differing ?? min(left.count, right.count)
    func line(_ lines: [String]) -> String { place < lines.count ? "\"\(lines[place].prefix(100))\"" : "nothing" }
    throw CaseFailure("\(what): \(line(right)) where that does \(line(left))")
  }
}

extension String {
  /// "it uses 0" behind a verb of its own.
  fileprivate var withoutIt: String { hasPrefix("it ") ? String(dropFirst(3)) : self }
}
