import CNodeABI
import Glibc

/// Which thread calls what.
enum ThreadCases {
  private static let hammers = 4
  private static let lives = 10
  /// A thread of the role's own has this long to call the host.
  private static let settleMicroseconds: UInt32 = 20_000

  static let all = [
    CheckCase(
      .threads, "brackets", "the role calls each host function only where and when its bracket allows",
      remedy: "see the bracket behind the function in the header; from other threads only log, fail and answers are "
        + "allowed"
    ) { subject in
      let run = try Runnable(subject)
      let host = run.host()
      let role = try run.started(on: host)
      Session().run(role)
      usleep(settleMicroseconds)
      role.drain()
      host.settle(role)
      role.destroy()
      // What comes after stop has a case of its own.
      let breaches = host.breaches.filter { $0.detail.isEmpty && $0.phase != .stopped && $0.phase != .destroyed }
      guard let first = breaches.first else { return "" }
      let place = first.isOnLoop ? "" : " on another thread"
      throw CaseFailure(
        "\(first.function.name) is called\(place) while the role is \(first.phase.description); "
          + "that is allowed [\(first.bracket)]")
    },
    CheckCase(
      .threads, "one-after-another", "a role may be created, run and destroyed on three threads",
      remedy: "create and destroy come on any thread: keep nothing in thread-local variables"
    ) { subject in
      let run = try Runnable(subject)
      let alone = try run.life(on: run.host()).transcript
      let host = run.host()
      let role = ScriptedRole(run.plugin, on: host)
      let created = OtherThread.run { () -> Result<Void, any Error> in Result { try role.create(run.config) } }
      try created?.get()
      let started = OtherThread.run { () -> Result<Void, any Error> in
        host.loop = pthread_self()
        return Result {
          try role.start()
          Session().run(role)
          role.drain()
          host.settle(role)
          role.stop()
        }
      }
      _ = OtherThread.run { role.destroy() }
      try started?.get()
      try LifecycleCases.requireSame(alone, host.transcript, "moved from thread to thread, the role does otherwise")
      return ""
    },
    CheckCase(
      .threads, "side-by-side", "instances run side by side, each on its own loop",
      remedy: "NH_THREADING_SERIAL holds for one instance: lock or avoid what instances share"
    ) { subject in
      let run = try Runnable(subject)
      let alone = try run.life(on: run.host()).transcript
      let failures = OtherThread.all(
        (0..<hammers).map { number in
          { () -> (any Error)? in
            do {
              for _ in 0..<lives {
                let transcript = try run.life(on: run.host()).transcript
                try LifecycleCases.requireSame(alone, transcript, "one of \(hammers) instances does otherwise")
              }
              return nil
            } catch {
              return error
            }
          }
        })
      for case .some(.some(let failure)) in failures { throw failure }
      return "\(hammers) threads"
    },
  ]
}
