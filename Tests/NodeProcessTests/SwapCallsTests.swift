import Glibc
import HostCore
import HostRuntime
import NodeValues
import Synchronization
import Testing

/// Calls that are made while builds come and go: each is answered, once.
@Suite struct SwapCallsTests {
  let machine = Machine()

  @Test func aLoopOfCallsLosesNothing() throws {
    let builds = (1...2).map { machine.swapper($0, ["-DSTATE_BYTES=100000"]) }
    machine.install(builds[0])
    machine.manifest(["role: swapper"], plugins: Machine.whereOn)
    let node = try machine.ready()
    let callers = (0..<3).map { Caller(machine.socket, later: $0 == 2) }
    let swaps = wantsLongTests ? 200 : 12
    for swap in 1...swaps {
      machine.install(builds[swap % 2])
      try node.waits(for: "swapper: swapped: 1.0.\(swap % 2 + 1), generation \(swap + 1)")
    }
    let answers = callers.flatMap { $0.end() }
    let failures = callers.flatMap(\.failures)
    #expect(failures.isEmpty, "\(failures.prefix(3))")
    #expect(answers.count > swaps * 10)
    // Each call counts up by one and answers with the count.
    #expect(answers.sorted() == Array(1...answers.count), "\(answers.count) answers")
    #expect(machine.ask("count") == answers.count)
    #expect(node.count(of: "not swapped") == 0)
    #expect(try machine.role("swapper")["health"] == "ok")
  }

  @Test func whatIsUnderWayEndsOrIsToldOrIsAskedAgain() throws {
    machine.install(1)
    machine.manifest(["role: swapper, limits: { swap_ms: 400 }"], plugins: Machine.whereOn)
    let node = try machine.ready()
    let next = machine.swapper(2)
    let short = try machine.call("swapper", "next_later", ["300"])
    let long = try machine.call("swapper", "next_later", ["5000"])
    let again = try machine.call("swapper", "count_later", ["1500"])
    machine.install(next)
    // It waits at the gate, and is the new build's.
    usleep(150_000)
    let waiting = try machine.call("swapper", "build", [])
    try node.waits(for: "swapper: swapped: 1.0.2, generation 2")
    #expect(short.answer().contains("\"value\":1"))
    let told = long.answer()
    #expect(told.contains("swapper was swapped before it answered; it may or may not have done"), "\(told)")
    #expect(waiting.answer().contains("\"value\":2"))
    #expect(again.answer().contains("\"value\":1"), "the new build is asked the same again")
    #expect(machine.ask("count") == 1)
    let history = try machine.history()
    #expect((150_000...1_500_000).contains(try #require(history.generations[1].pauseMicroseconds)))
  }
}

/// A thread that calls the role over and over through the control socket.
private final class Caller: Sendable {
  private struct Findings {
    var answers: [Int] = []
    var failures: [String] = []
  }
  private let socket: String
  private let method: String
  private let words: [String]
  private let goesOn = Atomic<Bool>(true)
  private let findings = Mutex(Findings())
  private let thread = Mutex(pthread_t())

  init(_ socket: String, later: Bool) {
    self.socket = socket
    (method, words) = later ? ("next_later", ["3"]) : ("next", [])
    let context = Unmanaged.passRetained(self).toOpaque()
    thread.withLock { thread in
      let status = pthread_create(
        &thread, nil,
        { context in
          Unmanaged<Caller>.fromOpaque(context!).takeRetainedValue().run()
          return nil
        }, context)
      precondition(status == 0, "no thread for a caller")
    }
  }

  private func run() {
    while goesOn.load(ordering: .relaxed) {
      let arguments = words.map { "\"\($0)\"" }.joined(separator: ",")
      let body = "{\"words\":[\(arguments)],\"timeout_ms\":20000}"
      guard let call = try? OpenCall(socket, "/v1/roles/swapper/call/\(method)", body) else {
        findings.withLock { $0.failures.append("no connection") }
        continue
      }
      let answer = call.answer()
      let value = answer.split(separator: "\"value\":").dropFirst().first.flatMap { Int($0.prefix { $0.isNumber }) }
      findings.withLock { if let value { $0.answers.append(value) } else { $0.failures.append(answer) } }
    }
  }

  /// What it was answered.
  func end() -> [Int] {
    goesOn.store(false, ordering: .relaxed)
    pthread_join(thread.withLock { $0 }, nil)
    return findings.withLock { $0.answers }
  }

  var failures: [String] { findings.withLock { $0.failures } }
}
