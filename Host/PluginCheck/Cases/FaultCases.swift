import CNodeABI
import HostCore
import HostRuntime
import NodeValues

/// Errors, traps and hangs.
enum FaultCases {
  private static let rounds = 40
  /// Of the ways to put the edges of types together, as many are tried for each method.
  private static let edgeLimit = 250
  /// Longer, and everything else on the role's loop waits visibly.
  private static let callbackLimitMilliseconds: Int64 = 250
  /// A machine may have been busy with something else; not every time.
  private static let attempts = 3

  static let all = [
    CheckCase(
      .faults, "errors", "every error has a known status and a reason",
      remedy: "answer with one of the NH_ codes, and with a sentence that ends in what to do"
    ) { subject in
      let run = try Runnable(subject)
      let host = try run.life(Session(rounds: rounds / 4), on: run.host())
      for (answer, method) in zip(host.answers, host.askedMethods) {
        guard case .error(let status, let message)? = answer else { continue }
        guard StatusCode(rawValue: status) != nil else {
          throw CaseFailure("\(method) answers with the status \(status), which is none")
        }
        guard !message.isEmpty || handsTextBack(method, run) else {
          throw CaseFailure("\(method) answers \(StatusCode.words(status)) without a reason")
        }
      }
      return ""
    },
    CheckCase(
      .faults, "traps", "no arguments make a method trap",
      remedy: "check lengths, ranges and overflow, and answer INVALID_ARGUMENT or OUT_OF_RANGE"
    ) { subject in
      let run = try Runnable(subject)
      guard !run.plugin.methods.isEmpty else { throw CaseSkip("it has no methods") }
      let host = run.host()
      let role = try run.started(on: host)
      defer { role.destroy() }
      for (index, method) in run.plugin.methods.enumerated() {
        let signature = method.description.signature
        var calls = ValueMaker.edges(of: signature, limit: edgeLimit)
        var values = ValueMaker(seed: run.seed, stream: 300 + UInt64(index))
        for _ in 0..<rounds { calls.append(values.arguments(of: signature, isTame: false)) }
        for (round, arguments) in calls.enumerated()
        where subject.begins(index * (edgeLimit + rounds) + round, "\(shown(method.description.name, arguments))") {
          role.call(index, arguments)
          host.settle(role)
        }
        host.advance(by: ScriptedHost.callTimeout, role)
      }
      return "\(host.answers.count) calls"
    },
    CheckCase(
      .faults, "hangs", "no function of the role keeps its loop for \(callbackLimitMilliseconds) ms",
      remedy: "wait with timers and asynchronous services, not inside a function"
    ) { subject in
      let run = try Runnable(subject)
      var worst = ("", Int64.max)
      for _ in 0..<attempts where worst.1 >= callbackLimitMilliseconds {
        let slowest = try run.life(on: run.host()).slowest
        if slowest.nanoseconds / 1_000_000 < worst.1 { worst = (slowest.name, slowest.nanoseconds / 1_000_000) }
      }
      guard worst.1 < callbackLimitMilliseconds else { throw CaseFailure("\(worst.0) takes \(worst.1) ms") }
      return ""
    },
    CheckCase(
      .faults, "misuse", "the role gives the host only handles, topics, levels and answers that are sound",
      remedy: "declare topics in nh_plugin.topics, answer with the type of the signature, and use no handle that is 0"
    ) { subject in
      let run = try Runnable(subject)
      let host = try run.life(on: run.host())
      guard let misuse = host.breaches.first(where: { !$0.detail.isEmpty }) else { return "" }
      throw CaseFailure("\(misuse.function.name): \(misuse.detail)")
    },
    CheckCase(
      .faults, "cancelled", "a call that is cancelled may be answered late or never",
      remedy: "stop work on NH_EVENT_CANCELLED, and free what it holds"
    ) { subject in
      let run = try Runnable(subject)
      guard !run.plugin.methods.isEmpty else { throw CaseSkip("it has no methods") }
      let host = run.host()
      let role = try run.started(on: host)
      defer { role.destroy() }
      var values = ValueMaker(seed: run.seed, stream: 6)
      for _ in 0..<3 {
        for (index, method) in run.plugin.methods.enumerated() {
          role.call(index, values.arguments(of: method.description.signature, isTame: true))
        }
        for handle in host.openCalls.elements.map(\.handle) {
          _ = host.settle(handle, .none)
          role.deliverCancelled(handle)
          // A cancellation may meet one of another loop on its way.
          role.deliverCancelled(handle)
        }
        host.advanceToNext(role)
      }
      return ""
    },
    CheckCase(
      .faults, "strangers", "events, timers and replies that the role does not know are ignored",
      remedy: "look handles, tokens and kinds up before using them; a newer host has kinds that you do not know"
    ) { subject in
      let run = try Runnable(subject)
      let host = run.host()
      let role = try run.started(on: host)
      defer { role.destroy() }
      let stranger: nh_handle = 0x7FFF_FFF0_0000_0007
      role.deliverTimer(stranger, 0)
      role.deliverTimer(stranger, .max)
      role.deliverEvent("no.such.topic", [0xFF], stranger, .max)
      role.deliverEvent("no.such.topic", [], stranger, 0)
      role.deliverCancelled(stranger)
      role.deliverReply(stranger, .max, NH_UNAVAILABLE, "")
      for kind in [NH_HTTP_RESPONSE, NH_HTTP_BODY, NH_HTTP_END, NH_HTTP_WRITABLE, NH_HTTP_FAILED, 0, 99] {
        role.deliverHTTP(kind, stranger, .max, status: NH_UNAVAILABLE, body: [1, 2, 3], message: "stranger")
      }
      for kind in [NH_EVENT_LINK_UP, NH_EVENT_LINK_DOWN, 0, 99, UInt32.max] {
        var event = nh_event()
        event.kind = kind
        event.handle = stranger
        role.deliver(event)
      }
      // Other nodes may run another version, or another role under this name.
      role.deliverMessage(.max, .max, [])
      role.deliverMessage(2, 0, [0xFF, 0, 0x7B])
      Session(rounds: 1, beats: 2, events: 1).run(role)
      return ""
    },
  ]

  private static func shown(_ method: String, _ arguments: [Value]) -> String {
    let words = arguments.map { String("\($0)".prefix(30)) }.joined(separator: ", ")
    return "\(method)(\(words)) is called"
  }

  /// A method such as `fail(text)` may hand the caller's words back, and those may be empty.
  private static func handsTextBack(_ method: String, _ run: Runnable) -> Bool {
    run.plugin.methods.contains {
      $0.description.name == method && $0.description.signature.parameters.contains(.text)
    }
  }
}
