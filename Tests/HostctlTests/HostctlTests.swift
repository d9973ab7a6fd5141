import Glibc
import HostCore
import NodeValues
import Testing

private let hello = RoleEntry(
  name: "hello", role: "hello", plugin: "hello-c", version: "1.0.0", language: "C", state: "running", health: "ok",
  uptimeMilliseconds: 192_000, generation: 2)
private let broken = RoleEntry(
  name: "broken", role: "hello", plugin: "hello-swift", version: "1.0.0", language: "Swift", state: "failed",
  health: "failed", reason: "start: no\u{1B}[2J", loop: 1)

private func history() -> RoleHistory {
  var history = RoleHistory()
  var now = timespec()
  clock_gettime(CLOCK_REALTIME, &now)
  func add(_ number: Int, _ digit: String, _ cause: Generation.Cause, _ outcome: Generation.Outcome) {
    var generation = Generation(
      number: number, sha256: String(repeating: digit, count: 64), version: "1.0.\(number)", copy: "/x",
      began: Int64(now.tv_sec - 3_600_000 / number) * 1000, cause: cause)
    generation.outcome = outcome
    if cause == .swap { (generation.pauseMicroseconds, generation.stateBytes) = (Int64(number) * 700, 12) }
    history.add(generation)
  }
  add(1, "a", .start, .replaced)
  add(2, "b", .swap, .reverted("hello: health: failed\u{1B}"))
  add(3, "a", .rollback, .running)
  history.quarantine(String(repeating: "b", count: 64), because: "it gave up on probation")
  return history
}

@Sendable private func answer(_ request: ControlRequest) throws -> FakeNode.Answer {
  switch request {
  case .roles: return .json(RoleEntry.list([hello, broken], node: "a"))
  case .role("hello"):
    var description = RoleDescription(hello)
    description.description = "Says hello."
    let add = MethodShape(name: "add", signature: try Signature(parsing: "l(ll)"), parameterNames: ["a", "b"])
    let put = MethodShape(name: "put", signature: try Signature(parsing: "v(sb)"), parameterNames: ["name", "data"])
    description.methods = [.init(add, doc: "Adds.", idempotent: true), .init(put, doc: "Keeps.", idempotent: false)]
    description.needs = [.init(id: "nodehost.timer/1", required: true, offered: true)]
    description.configSchema = ["properties": ["greeting": ["type": "string", "default": "Hello"]]]
    return .json(description.json)
  case .role(let name): throw ControlFailure(.notFound, "there is no role \"\(name)\"", place: name)
  case .call("hello", "add", let call):
    let add = MethodShape(name: "add", signature: try Signature(parsing: "l(ll)"), parameterNames: ["a", "b"])
    do throws(CallArgumentsError) {
      let values = try CallArguments.values(call.input, for: add)
      guard case .int(let a) = values[0], case .int(let b) = values[1] else { break }
      return .json(CallReply(value: .int(a + b), type: .int64, durationMicroseconds: 3).json)
    } catch { throw ControlFailure(.invalidArgument, error.description, place: "hello.add") }
  case .call: return .json(CallReply(value: .nothing, type: .nothing, durationMicroseconds: 3).json)
  case .health:
    let report = HealthReport(roles: [
      .init(name: "hello", health: .ok), .init(name: "broken", health: .failed, reason: "no"),
    ])
    return .json(report.json, status: report.httpStatus)
  case .logs(let query):
    let line = LogRecord(
      time: "2026-01-02T03:04:05.006Z", level: "warning", role: "hello", message: "tick\u{1B}", fields: ["n": 1])
    let text = String(decoding: line.line, as: UTF8.self)
    return query.follow ? .endless([String(text.prefix(20)), String(text.dropFirst(20))]) : .text(text)
  case .metrics(json: false): return .text(String(repeating: "nodehost_up 1\n", count: 100_000))
  case .reload:
    var outcome = ReloadOutcome()
    outcome.added = ["x", "y"]
    outcome.unchanged = 3
    outcome.needsNodeRestart = ["node.id"]
    return .json(outcome.json)
  case .load, .restart: return .json(hello.json)
  case .swap(let request):
    let entry = SwapOutcome.Entry(
      role: "hello", generation: 3, version: "1.0.1", sha256: "ab", pauseMicroseconds: 210, stateBytes: 12)
    return .json(
      SwapOutcome(
        swapped: request.roles == ["broken"] ? [] : [entry], unchanged: request.all ? ["broken"] : [],
        probationMilliseconds: 5000
      ).json)
  case .rollback(let role, let generation):
    let entry = SwapOutcome.Entry(
      role: role, generation: 4, version: "1.0.0", sha256: "cd", pauseMicroseconds: 12_345, stateBytes: 2048)
    guard generation != 9 else { throw ControlFailure(.notFound, "there is no generation 9", place: role) }
    return .json(SwapOutcome(swapped: [entry], probationMilliseconds: 0).json)
  case .history(let role): return .json(history().report(role: role))
  case .unload: return .json([:])
  case .version: return .json(VersionReport.json(abiMajor: 1, abiRevision: 1))
  default: throw ControlFailure(.unavailable, "not here")
  }
  throw ControlFailure(.internal, "not reached")
}

@Suite struct HostctlTests {
  let bench = Workbench()

  @Test func listIsATable() {
    bench.node("a", answer)
    #expect(
      bench.run("list")
        == .init(
          code: 0,
          output: """
            ROLE    PLUGIN       VERSION  LANG   STATE    HEALTH  UPTIME  GEN  ISOLATION  LOOP
            hello   hello-c      1.0.0    C      running  ok      3m 12s    2  inproc        0
            broken  hello-swift  1.0.0    Swift  failed   failed     0ms    1  inproc        1
            broken: start: no\\u{1b}[2J

            """, errors: ""))
  }

  @Test func jsonIsTheNodesAnswer() throws {
    bench.node("a", answer)
    let result = bench.run("list", "--json")
    #expect(try JSON(parsing: result.output) == RoleEntry.list([hello, broken], node: "a"))
    #expect(result.output.hasPrefix("{\n  \"node\": \"a\""))
  }

  @Test func describeShowsAll() {
    bench.node("a", answer)
    let result = bench.run("describe", "hello")
    for part in [
      "hello: Says hello.\n",
      "\nSettings\n  SETTING   TYPE    DEFAULT  ALLOWED  MEANING\n  greeting  string  \"Hello\"",
      "add(a: int, b: int) -> int    Adds. (may be repeated)\n", "put(name: text, data: bytes)  Keeps.\n",
      "nodehost.timer/1  yes     yes\n",
    ] { #expect(result.output.contains(part), "\(part) is missing in \(result.output)") }
  }

  @Test func callConvertsAndPrints() {
    let node = bench.node("a", answer)
    #expect(bench.run("call", "hello", "add", "2", "40") == .init(code: 0, output: "42\n", errors: ""))
    #expect(bench.run("call", "hello", "add", "-2", "1", "--timeout", "50").output == "-1\n")
    #expect(
      node.requests.last == .call(role: "hello", method: "add", .init(.words(["-2", "1"]), timeoutMilliseconds: 50)))
    #expect(
      bench.run("call", "hello", "add", "2", "4x")
        == .init(
          code: 1, output: "",
          errors: "hostctl: hello.add: INVALID_ARGUMENT: add: parameter `b` (int): \"4x\" is not a whole number from "
            + "-9223372036854775808 to 9223372036854775807\n"))
    #expect(bench.run("call", "hello", "add", "--timeout", "soon").code == 64)
  }

  @Test func filesGoWhereBytesAreWanted() {
    let node = bench.node("a", answer)
    bench.write("picture", [0xFF, 0xFE, 0xFD])
    #expect(
      bench.run("call", "hello", "put", "@me", "@\(bench.folder)/picture") == .init(code: 0, output: "", errors: ""))
    #expect(node.requests.last == .call(role: "hello", method: "put", .init(.words(["@me", "//79"]))))
    let missing = bench.run("call", "hello", "put", "x", "@/nowhere")
    #expect(missing == .init(code: 1, output: "", errors: "hostctl: cannot open /nowhere: No such file or directory\n"))
  }

  @Test func healthAnswersWithItsExitCode() {
    bench.node("a", answer)
    #expect(bench.run("health").code == 1)
    #expect(
      bench.run("health", "hello") == .init(code: 0, output: "ROLE   HEALTH  REASON\nhello  ok      -\n", errors: ""))
    #expect(bench.run("health", "broken", "--json").code == 1)
    #expect(
      bench.run("health", "helo").errors.hasPrefix("hostctl: there is no role \"helo\"; did you mean \"hello\"?\n"))
  }

  @Test func logsAreLinesOrJSON() {
    bench.node("a", answer)
    #expect(bench.run("logs").output == "2026-01-02T03:04:05.006Z WARNING hello: tick\\u{1b} n=1\n")
    #expect(bench.run("logs", "--json").output.hasPrefix("{\"time\":\"2026"))
  }

  @Test func interruptEndsFollowingWell() {
    let node = bench.node("a", answer)
    let result = bench.run("logs", "-fn3", "-r", "hello", interruptAfter: "n=1\n")
    #expect(result == .init(code: 0, output: "2026-01-02T03:04:05.006Z WARNING hello: tick\\u{1b} n=1\n", errors: ""))
    #expect(node.requests.last == .logs(LogQuery(lines: 3, role: "hello", follow: true)))
  }

  @Test func closedPipeIsASuccess() {
    bench.node("a", answer)
    var ends: [Int32] = [0, 0]
    pipe(&ends)
    close(ends[0])
    defer { close(ends[1]) }
    #expect(bench.run("metrics", output: ends[1]) == .init(code: 0, output: "", errors: ""))
  }

  @Test func steeringSaysWhatHappened() {
    let node = bench.node("a", answer)
    #expect(
      bench.run("reload").output
        == "added: x, y\nunchanged: 3 roles\nnode.id takes effect when the node is started anew\n")
    #expect(bench.run("restart", "hello").output == "hello is restarted: hello-c 1.0.0, running, generation 2\n")
    #expect(bench.run("unload", "hello").output == "hello is unloaded\n")
    #expect(bench.run("load", "--role", "hello", "--plugin", "x", "--config", #"{"a":1}"#).code == 0)
    #expect(node.requests.last == .load(LoadRequest(role: "hello", plugin: "x", config: ["a": 1])))
    #expect(
      bench.run("load", "--role", "hello", "--config", "{a").errors
        == "hostctl: --config is not JSON: byte 1: expected a key in quotes\n")
  }

  @Test func swapSaysWhatHappened() throws {
    let node = bench.node("a", answer)
    let probation = "on probation for 5s: a fault brings back what ran before\n"
    let swapped = "hello is swapped: version 1.0.1, generation 3, pause 210µs, state 12 B\n"
    #expect(bench.run("swap", "hello") == .init(code: 0, output: swapped + probation, errors: ""))
    #expect(node.requests.last == .swap(SwapRequest(roles: ["hello"])))
    #expect(
      bench.run("swap", "--all", "--force").output
        == swapped + "broken is unchanged: it runs this build already\n" + probation)
    #expect(node.requests.last == .swap(SwapRequest(all: true, force: true)))
    #expect(bench.run("swap", "broken", "/p/new.so").output == "there is nothing to exchange\n")
    #expect(node.requests.last == .swap(SwapRequest(roles: ["broken"], plugin: "/p/new.so")))
    // Where the node runs is not where hostctl runs.
    #expect(bench.run("swap", "hello", "new.so").code == 0)
    let plugin = node.requests.last?.body?["plugin"]?.string
    #expect(plugin?.hasPrefix("/") == true && plugin?.hasSuffix("/new.so") == true)
    #expect(try JSON(parsing: bench.run("swap", "hello", "--json").output)["probation_ms"] == 5000)
  }

  @Test func rollbackSaysWhatHappened() {
    let node = bench.node("a", answer)
    #expect(
      bench.run("rollback", "hello").output
        == "hello is rolled back: version 1.0.0, generation 4, pause 12ms, state 2 KiB\n")
    #expect(node.requests.last == .rollback("hello", generation: nil))
    #expect(bench.run("rollback", "hello", "2").code == 0)
    #expect(node.requests.last == .rollback("hello", generation: 2))
    #expect(bench.run("rollback", "hello", "9").errors == "hostctl: hello: NOT_FOUND: there is no generation 9\n")
    #expect(
      bench.run("rollback", "hello", "two")
        == .init(
          code: 64, output: "",
          errors: "hostctl: GENERATION is a whole number from 1, not \"two\"\n  hostctl history hello lists them.\n"))
  }

  @Test func swapNeedsARoleOrAll() {
    #expect(bench.run("swap").errors.hasPrefix("hostctl: swap needs ROLE or --all\n"))
    #expect(bench.run("swap", "--all", "hello").errors.hasPrefix("hostctl: --all takes no role\n"))
    #expect(bench.run("swap").code == 64)
  }

  @Test func historyIsATable() throws {
    bench.node("a", answer)
    #expect(
      bench.run("history", "hello")
        == .init(
          code: 0,
          output: """
            GEN         WHEN  VERSION  BUILD         CAUSE     PAUSE  STATE  OUTCOME
              1  41d 16h ago  1.0.1    aaaaaaaaaaaa  start         -      -  replaced
              2  20d 20h ago  1.0.2    bbbbbbbbbbbb  swap      1.4ms   12 B  reverted
              3  13d 21h ago  1.0.3    aaaaaaaaaaaa  rollback      -      -  running
            2 reverted: hello: health: failed\\u{1b}
            bbbbbbbbbbbb is quarantined: it gave up on probation

            """, errors: ""))
    #expect(try JSON(parsing: bench.run("history", "hello", "--json").output)["role"] == "hello")
  }

  @Test func noColourInAPipeNorWhenRefused() {
    bench.node("a", answer)
    #expect(!bench.run("list").output.contains("\u{1B}"))
    let (terminal, side) = pseudoTerminal()
    defer {
      close(terminal)
      close(side)
    }
    #expect(bench.run("list", environment: ["COLUMNS=60"], output: side).code == 0)
    let coloured = readAll(terminal)
    #expect(coloured.contains("\u{1B}[32mrunning\u{1B}[0m"))
    #expect(bench.run("list", environment: ["COLUMNS=60", "NO_COLOR=1"], output: side).code == 0)
    let plain = readAll(terminal)
    #expect(plain.contains("running") && !plain.contains("\u{1B}"))
    let lines: [Substring] = plain.split { $0.isNewline }
    #expect(lines.prefix(3).allSatisfy { $0.count <= 60 })
  }

  /// Both ends of a new pseudo-terminal.
  private func pseudoTerminal() -> (Int32, Int32) {
    let unlock: UInt = 0x4004_5431, whichNumber: UInt = 0x8004_5430
    let terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    var number: Int32 = 0
    _ = ioctl(terminal, unlock, &number)
    _ = ioctl(terminal, whichNumber, &number)
    return (terminal, open("/dev/pts/\(number)", O_RDWR | O_NOCTTY))
  }

  /// The kernel hands on what was written to a terminal piece by piece, some of it after the writer has ended.
  private func readAll(_ terminal: Int32) -> String {
    var all: [UInt8] = []
    var bytes = [UInt8](repeating: 0, count: 65536)
    var waited = pollfd(fd: terminal, events: Int16(POLLIN), revents: 0)
    while poll(&waited, 1, all.isEmpty ? 2000 : 100) > 0, case let count = read(terminal, &bytes, bytes.count),
      count > 0
    {
      all += bytes[..<count]
    }
    return String(decoding: all, as: UTF8.self)
  }
}

@Suite struct HostctlNodeTests {
  let bench = Workbench()

  @Test func noNodeSaysHowToStartOne() {
    #expect(
      bench.run("list")
        == .init(
          code: 1, output: "",
          errors: "hostctl: no node is running: looked in \(bench.folder)\n  Start one with: nodehost run MANIFEST\n"))
  }

  @Test func severalNodesMustBeNamed() {
    bench.node("a", answer)
    bench.node("b", answer)
    #expect(
      bench.run("list")
        == .init(
          code: 1, output: "",
          errors: "hostctl: several nodes are running: a (/etc/a.yaml), b (/etc/b.yaml)\n"
            + "  Say which: hostctl --node a …, or set NODEHOST_NODE\n"))
    #expect(bench.run("--node", "b", "list").code == 0)
    #expect(bench.run("list", environment: ["NODEHOST_NODE=b"]).code == 0)
    #expect(
      bench.run("--node", "node", "list").errors.hasPrefix("hostctl: there is no node \"node\": running are a, b\n"))
    #expect(bench.run("--node=a", "--socket=x", "list").code == 64)
  }

  @Test func goneNodesAreShownAndPassedOver() {
    bench.node("a", answer)
    bench.record("dead")
    bench.write("junk.json", Array("{".utf8))
    #expect(bench.run("call", "hello", "add", "1", "1").output == "2\n")
    let result = bench.run("nodes")
    let lines = result.output.split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[1].hasPrefix("a      1  4711  running  "))
    #expect(lines[2].split(separator: " ").prefix(5).elementsEqual(["dead", "1", "4711", "gone", "-"]))
    #expect(result.errors == "hostctl: warning: \(bench.folder)/junk.json is ignored: it is not a node's record\n")
    #expect(
      bench.run("--node", "dead", "list").errors.contains(
        "\nhostctl: the node dead is not running: there is no such socket\n"))
  }

  @Test func aFolderOfOthersIsIgnored() {
    bench.node("a", answer)
    chmod(bench.folder, 0o755)
    let result = bench.run("list")
    #expect(result.code == 1)
    #expect(result.errors.hasPrefix("hostctl: warning: \(bench.folder) is ignored: others may use it (mode 0755)"))
  }

  @Test func aSocketCanBeNamed() {
    let node = bench.node("a", answer)
    #expect(bench.run("--socket", node.socket, "health", "hello").code == 0)
    #expect(bench.run("list", environment: ["NODEHOST_SOCKET=\(node.socket)"]).code == 0)
    #expect(
      bench.run("--socket", "/nowhere", "list").errors.hasPrefix(
        "hostctl: cannot connect to /nowhere: there is no such socket\n  hostctl nodes lists"))
  }

  @Test func answersThatAreNoneAreErrors() {
    bench.node("a") { request in
      switch request {
      case .roles: .raw("SSH-2.0-hello\r\n")
      case .status: .raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")
      case .health: .text("no json")
      default: .raw("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
      }
    }
    let socket = "\(bench.folder)/a.sock"
    #expect(bench.run("list").errors == "hostctl: talking to \(socket): the answer is not HTTP/1.1\n")
    #expect(
      bench.run("status").errors
        == "hostctl: talking to \(socket): the connection ended in the middle of the answer\n")
    #expect(bench.run("health").errors.hasPrefix("hostctl: the node's answer is not JSON: byte 1"))
    #expect(bench.run("reload").errors == "hostctl: the node answered with HTTP status 500\n")
  }

  @Test func versionNeedsNoNode() {
    #expect(bench.run("version") == .init(code: 0, output: "hostctl \(HostVersion.text)\n", errors: ""))
    #expect(bench.run("--version").output == "hostctl \(HostVersion.text)\n")
    bench.node("a", answer)
    let version = HostVersion.text
    #expect(bench.run("version").output == "hostctl \(version)\nnode    \(version) (ABI 1 revision 1)\n")
  }

  @Test func becomesTheNodehostBesideIt() {
    let own = "\(bench.folder)/hostctl"
    #expect(system("cp \(Workbench.executable) \(own)") == 0)
    #expect(
      bench.run("validate", "a.yaml", executable: own).errors.hasPrefix(
        "hostctl: cannot run nodehost validate: No such"))
    bench.write("nodehost", Array("#!/bin/sh\necho \"$@\"; exit 3\n".utf8))
    chmod("\(bench.folder)/nodehost", 0o700)
    let result = bench.run("--json", "validate", "--set", "a=b", "a.yaml", executable: own)
    #expect(result == .init(code: 3, output: "validate --json --set a=b a.yaml\n", errors: ""))
  }

  @Test(arguments: [("swift", "Sources/TeaTime.swift"), ("c", "src/role.c"), ("rust", "src/nodehost.rs")])
  func newMakesAProject(_ language: String, _ file: String) throws {
    let folder = "\(bench.folder)/made"
    let result = bench.run("new", "tea-time", "--lang", language, "--dir", folder, "--json")
    defer { _ = system("rm -rf \(folder)") }
    let made = try JSON(parsing: result.output)
    let files = (made["files"]?.array ?? []).compactMap(\.string)
    #expect(Set([".gitignore", "README.md", "node.yaml", file]).isSubset(of: files))
    #expect(made["sdk"]?.string?.hasSuffix("/SDK") == true, "the SDK of the repository that it was built in")
    #expect(system("! grep -rilE 'sample.?role|@SDK@' \(folder)") == 0, "nothing of the template's own name is left")
    let again = bench.run("new", "tea-time", "--lang", language, "--dir", folder)
    #expect(again.errors.hasPrefix("hostctl: \(folder) is not empty\n") && again.code == 1)
  }

  @Test func newChecksTheName() {
    let result = bench.run("new", "TeaTime")
    #expect(result.code == 64)
    #expect(
      result.errors == "hostctl: \"TeaTime\" cannot be a role's name: it must begin with a small letter; "
        + "did you mean \"tea-time\"?\n")
    #expect(bench.run("new", "tea", "--lang", "cobol").code == 64)
  }

  @Test func devNeedsAProject() {
    #expect(bench.run("dev", "/nowhere").errors.hasPrefix("hostctl: there is no folder /nowhere\n"))
    let none = bench.run("dev", bench.folder)
    #expect(none.errors.contains("is no project that hostctl dev can build: it has no Package.swift, Cargo.toml or "))
    bench.write("Makefile", [])
    #expect(bench.run("dev", bench.folder).errors.hasPrefix("hostctl: there is no manifest "))
  }

  @Test func misuseIs64() {
    #expect(bench.run("lst").code == 64)
    #expect(bench.run("lst").errors.hasPrefix("hostctl: there is no command \"lst\"; did you mean \"list\"?\n"))
    #expect(bench.run().code == 64)
    #expect(bench.run("completions", "bsh").code == 64)
    #expect(bench.run("validate").code == 64)
  }

  @Test func completionsAndManualAreWhatTheirReadersTake() throws {
    bench.write("completions.bash", Array(bench.run("completions", "bash").output.utf8))
    #expect(system("bash -n \(bench.folder)/completions.bash") == 0)
    let words = "COMP_WORDS=(hostctl --node a lo); COMP_CWORD=3; _hostctl; echo ${COMPREPLY[*]}"
    bench.write("try.bash", Array("source \(bench.folder)/completions.bash; \(words)\n".utf8))
    #expect(system("test \"$(bash \(bench.folder)/try.bash)\" = 'logs load'") == 0)
    let manual = bench.run("man").output
    #expect(manual.hasPrefix(".TH \"HOSTCTL\" \"1\""))
    #expect(manual.contains(".SS \"hostctl call ROLE METHOD [ARG...] [\\-\\-OPTION...]\""))
  }
}
