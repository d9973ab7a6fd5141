import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// How a node ends when it is told to.
@Suite struct EndingTests {
  let machine = Machine()

  @Test(arguments: [SIGTERM, SIGINT])
  func aCallInFlightEndsWithItsAnswerBeforeTheNodeDoes(_ signal: Int32) throws {
    machine.manifest(["role: hello-c"])
    let node = try machine.ready()
    let call = try machine.call("hello-c", "later", ["at last", "400"])
    node.send(signal)
    let answer = call.answer()
    #expect(answer.hasPrefix("HTTP/1.1 200 "), "\(answer)")
    #expect(answer.contains(#""value":"at last""#), "\(answer)")
    #expect(node.end() == 0)
    #expect(node.errors.contains("node: draining"))
    #expect(!machine.exists(machine.socket) && !machine.exists(machine.record))
  }

  @Test func aDrainingNodeTakesNoMoreCalls() throws {
    machine.manifest(["role: hello-c"])
    let node = try machine.ready()
    let call = try machine.call("hello-c", "later", ["x", "1500"])
    node.send(SIGTERM)
    try node.waits(for: "hello-c: draining")
    let refused = machine.hostctl("call", "hello-c", "add", "1", "2")
    #expect(refused.code == 1 && refused.errors.contains("it is draining"), "\(refused)")
    #expect(machine.hostctl("status").output.contains("draining"))
    #expect(call.answer().contains("200"))
    #expect(node.end() == 0)
  }

  @Test func rolesEndBeforeThoseThatTheyNeed() throws {
    _ = machine.plugin("broken")
    machine.manifest([
      "role: broken, name: first", "role: broken, name: third, needs: [second]",
      "role: broken, name: second, needs: [first]",
    ])
    let node = try machine.ready()
    node.send(SIGTERM)
    #expect(node.end() == 0)
    let steps = node.errors.split(separator: "\n").compactMap { line -> Substring? in
      guard line.hasSuffix(": stopped") || line.hasSuffix(": draining"), !line.contains(" node: ") else { return nil }
      return line.split(separator: " ", maxSplits: 2).last
    }
    let expected = ["third", "second", "first"].flatMap { ["\($0): draining", "\($0): stopped"] }
    #expect(steps.map { $0.drop { $0 == " " } }.map(String.init) == expected, "\(node.errors)")
  }

  @Test func aSecondSignalEndsTheNodeAtOnce() throws {
    machine.manifest(["role: hello-c"])
    let node = try machine.ready()
    let call = try machine.call("hello-c", "later", ["never", "60000"])
    node.send(SIGTERM)
    try node.waits(for: "hello-c: draining")
    #expect(node.end(within: 100) == nil)
    node.send(SIGINT)
    #expect(node.end() == 1)
    #expect(node.errors.contains("told to end a second time"))
    #expect(!machine.exists(machine.socket) && !machine.exists(machine.record))
    #expect(call.answer() == "")
  }

  @Test func whatIsOpenAtTheDrainLimitIsEndedAndSaid() throws {
    machine.manifest(["role: hello-c, limits: { drain_ms: 150 }"])
    let node = try machine.ready()
    let call = try machine.call("hello-c", "later", ["never", "60000"])
    node.send(SIGTERM)
    #expect(call.answer().contains("hello-c has stopped"))
    #expect(node.end() == 0)
    #expect(node.errors.contains("hello-c: still has open calls after 150 ms of draining"))
  }

  @Test func aCallbackThatNeverReturnsDoesNotKeepTheNodeForEver() throws {
    _ = machine.plugin("broken")
    machine.manifest([
      "role: broken, name: stuck, limits: { drain_ms: 100 }", "role: hello-c, needs: [stuck]",
    ])
    let node = try machine.ready()
    let call = try machine.call("stuck", "nap", ["60000"])
    node.send(SIGTERM)
    #expect(node.end() == 1)
    #expect(node.errors.contains("stuck: a callback, stop or destroy has not returned after 2000 ms"))
    #expect(node.errors.contains("hello-c: stopped"))
    #expect(node.errors.contains("ended without waiting any longer for stuck"))
    #expect(!machine.exists(machine.socket) && !machine.exists(machine.record))
    #expect(call.answer() == "")
  }

  @Test func aNodeEndsWhileARoleWaitsForItsNextAttempt() throws {
    _ = machine.plugin("broken", ["-DCASE_START_FAILS"])
    machine.manifest(["role: broken, restart: { backoff_ms: 60000 }"])
    let node = machine.start("node.yaml")
    try node.waits(for: "broken: tries again in")
    node.send(SIGTERM)
    #expect(node.end() == 0)
  }
}
