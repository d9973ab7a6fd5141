import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// The same role in each language that is here. The package manager does not build the Rust one.
let firstRoles = ["hello-swift", "hello-c", "hello-rust"].filter {
  access("\(Place.products)/lib\($0).so", F_OK) == 0
}

@Suite struct FirstRolesTests {
  func live(_ roles: [String] = firstRoles, allowsChanges: Bool = true) -> LiveNode {
    LiveNode(
      folders: [Place.products],
      roles.map { LiveNode.role($0, plugin: $0, "config: { tick_seconds: 1 }") }, allowsChanges: allowsChanges)
  }

  @Test(arguments: firstRoles)
  func answersAndFailsAsItsMethodsSay(_ name: String) throws {
    let live = live([name])
    func call(_ method: String, _ values: [Value], timeout: Int64 = callMilliseconds) throws -> CallOutcome {
      try live.call(method, values, timeoutMilliseconds: timeout, on: name)
    }
    #expect(try call("add", [.int(2), .int(40)]) == .value(.int(42)))
    #expect(try call("greet", [.text("Ærø")]) == .value(.text("Hello, Ærø!")))
    #expect(try call("later", [.text("soon"), .int(10)]) == .value(.text("soon")))
    guard case .error(NH_OUT_OF_RANGE, _) = try call("add", [.int(.max), .int(1)]) else {
      Issue.record("an overflow was not refused")
      return
    }
    #expect(try call("fail", [.text("because")]) == .error(status: NH_FAILED_PRECONDITION, message: "because"))
    guard case .error(NH_DEADLINE_EXCEEDED, _) = try call("later", [.text("never"), .int(5000)], timeout: 30) else {
      Issue.record("the deadline did not end the call")
      return
    }
    #expect(live.lines(NH_LOG_MISUSE) == [])
  }

  @Test(arguments: firstRoles)
  func ticksAreCountedAndPublished(_ name: String) {
    let live = live([name])
    eventually("a tick is counted") {
      live.node.services.metrics.text().contains("hello_ticks_total{node=\"node-t\",role=\"\(name)\"} 1")
    }
  }

  @Test func theControlSocketShowsCallsAndChangesRoles() throws {
    let live = live()
    try live.serve()
    let (status, list) = try live.curl(["http://node/v1/roles"])
    #expect(status == 200)
    #expect(list["roles"]?.array?.map { $0["name"]?.string } == firstRoles)
    #expect(list["roles"]?.array?.allSatisfy { $0["state"] == "running" && $0["health"] == "ok" } == true)

    let sum = try live.curl(["-d", #"{"words":["2","40"]}"#, "http://node/v1/roles/hello-c/call/add"])
    #expect(sum.body["value"] == 42 && sum.body["type"] == "int")
    let values = try live.curl(["-d", #"{"arguments":["world"]}"#, "http://node/v1/roles/hello-swift/call/greet"])
    #expect(values.body["value"] == "Hello, world!")

    let description = try live.curl(["http://node/v1/roles/hello-c"]).body
    #expect(description["methods"]?[0]?["signature"] == "l(ll)")
    #expect(description["language"] == "C" && description["sha256"]?.string?.count == 64)

    let restarted = try live.curl(["-X", "POST", "http://node/v1/roles/hello-c/restart"])
    #expect(restarted.body["generation"] == 2 && restarted.body["state"] == "running")

    let unloaded = try live.curl(["-X", "POST", "http://node/v1/roles/hello-c/unload"])
    #expect(unloaded.status == 200)
    let loaded = try live.curl(["-d", #"{"role":"hello-c","name":"again"}"#, "http://node/v1/load"])
    #expect(loaded.body["name"] == "again" && loaded.body["state"] == "running")
  }

  @Test(arguments: [
    (#"{"words":["2"]}"#, "hello-c/call/add", 400, "add takes 2 arguments (a: int, b: int), got 1"),
    (#"{"words":["2","4x"]}"#, "hello-c/call/add", 400, "parameter `b` (int): \"4x\" is not a whole number"),
    (#"{"words":["9223372036854775808","1"]}"#, "hello-c/call/add", 400, "parameter `a` (int)"),
    (#"{"words":[]}"#, "hello-c/call/ad", 501, "there is no method `ad`; did you mean `add`?"),
    (#"{"words":[]}"#, "hello-x/call/add", 404, "no role `hello-x`; did you mean `hello-c`?"),
    (#"{"word":[]}"#, "hello-c/call/add", 400, "unknown key \"word\"; did you mean \"words\"?"),
    ("{", "hello-c/call/add", 400, "the body is not JSON"),
    (#"{"words":["x"]}"#, "hello-c/call/fail", 400, "x"),
  ])
  func mistakesAreNamed(_ body: String, _ path: String, _ status: Int, _ words: String) throws {
    let live = live(["hello-c"])
    try live.serve()
    let answer = try live.curl(["-d", body, "http://node/v1/roles/\(path)"])
    #expect(answer.status == status)
    #expect(answer.body["error"]?["message"]?.string?.contains(words) == true, "\(answer.body)")
  }

  @Test func loadingAtRunTimeIsOffUnlessTheManifestAllowsIt() throws {
    let live = live(["hello-c"], allowsChanges: false)
    try live.serve()
    let answer = try live.curl(["-d", #"{"role":"hello-swift"}"#, "http://node/v1/load"])
    #expect(answer.status == 403)
    #expect(answer.body["error"]?["message"]?.string?.contains("hot_swap: on") == true)
  }

  @Test func aSecondNodeCannotTakeTheSocketOfTheFirst() throws {
    let live = live(["hello-c"])
    try live.serve()
    let error = #expect(throws: ControlServer.Problem.self) { try live.serve() }
    #expect(error?.text.contains("another node answers at") == true)
    #expect(try live.curl(["http://node/v1/version"]).status == 200)
  }
}
