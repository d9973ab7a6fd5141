import Glibc
import HostRuntime
import NodeValues
import Testing

/// `hostctl dev`, on a project in C since that is built soonest.
@Suite struct DevTests {
  let machine = Machine()

  private func project() throws {
    let (code, output) = run(["\(Place.products)/hostctl", "new", "tea", "--lang", "c", "--dir", machine.path("tea")])
    try #require(code == 0, "\(output)")
  }

  private func session() throws -> Child {
    try project()
    let session = machine.child("\(Place.products)/hostctl", ["dev", "tea"])
    try session.saysOnOutput("==> live in ")
    return session
  }

  /// Changes a file as sed would, and saves it as many editors do: beside the file, and then in its place.
  private func edit(_ script: String, _ name: String = "src/role.c") {
    let save = "sed \"$1\" \"$2\" >\"$2.part\" && mv \"$2.part\" \"$2\""
    let (code, output) = run(["sh", "-c", save, "sh", script, machine.path("tea/\(name)")])
    precondition(code == 0, output)
  }

  private func add(_ number: Int) -> String { machine.hostctl("call", "tea", "add", "\(number)").output }

  @Test func anEditGoesLiveWithTheState() throws {
    let session = try session()
    #expect(add(5) == "5\n")
    edit("s/nh_reply_int(call, sum)/nh_reply_int(call, sum * 100)/")
    try session.saysOnOutput("tea 0.1.0, generation 2")
    let line = try #require(session.output.split(separator: "\n").last)
    #expect(line.wholeMatch(of: /==> live in \d+ ms: build \d+ ms, swap \d+ ms: tea 0.1.0, generation 2/) != nil)
    #expect(add(1) == "600\n")
  }

  @Test func whatDoesNotBuildOrLoadLeavesTheRunningVersion() throws {
    let session = try session()
    #expect(add(5) == "5\n")
    edit("s/nh_reply_int(call, sum);/nh_reply_int(call, sum)/")
    try session.saysOnOutput("==> the build failed after ")
    #expect(session.output.contains("src/role.c:"), "the compiler's words are shown")
    #expect(session.output.contains("tea 0.1.0, generation 1, runs on"))
    #expect(add(1) == "6\n")
    edit("s/nh_reply_int(call, sum)/&;/")
    try session.saysOnOutput(": nothing that runs has changed")
    edit("s/\\.start = start,//")
    try session.saysOnOutput("==> not live: FAILED_PRECONDITION: ")
    #expect(add(1) == "7\n")
  }

  @Test func aBuildThatTakesTheNodeDownGivesWayToTheOneBefore() throws {
    let session = try session()
    edit("s/const int64_t period_ns/__builtin_trap(); &/")
    try session.saysOnOutput("==> the node crashed (")
    try session.saysOnOutput("==> running again after ")
    #expect(add(3) == "3\n")
  }

  @Test func aBuildThatCrashesOnProbationGivesWayToo() throws {
    let session = try session()
    #expect(add(5) == "5\n")
    edit("s/if (amount < 1)/if (amount == 6) __builtin_trap(); &/")
    try session.saysOnOutput("generation 2")
    #expect(add(6) == "")
    try session.saysOnOutput("with the new build; it starts again with the build before")
    try session.saysOnOutput("==> running again after ")
    // The state is that of the swap.
    #expect(add(6) == "11\n")
  }

  @Test func aBuildThatFailsOnProbationIsSaidToHave() throws {
    let session = try session()
    let function = "static uint32_t sick(void *self, const nh_sink *why) { return self ? 2u : !!why; }"
    edit("s/^static nh_status save/\(function)\\n&/; s/\\.save = save/.health = sick, &/")
    try session.saysOnOutput("==> tea: generation 2 gave up after ")
    try session.saysOnOutput("tea 0.1.0, generation 1, runs on")
  }

  @Test func aRoleThatDidNotStartIsStartedWithItsNextBuild() throws {
    try project()
    let refusal = "if (role) return nh_fail(error, NH_ABORTED, NH_STR(\"\"), NH_STR(\"no tea\"));"
    edit("s/const int64_t period_ns/\(refusal) &/")
    let session = machine.child("\(Place.products)/hostctl", ["dev", "tea"])
    try session.saysOnOutput("==> tea is not live: ")
    #expect(session.output.contains("no tea"))
    edit("s/if (role)/if (!role)/")
    try session.saysOnOutput("==> live in ")
    #expect(add(3) == "3\n")
  }

  @Test func theManifestIsReadAgain() throws {
    let session = try session()
    edit("s/report_seconds: 5/report_seconds: 7/", "node.yaml")
    try session.saysOnOutput("==> the manifest is read again: ")
    edit("s/report_seconds: 7/report_seconds: no/", "node.yaml")
    try session.saysOnOutput("==> the manifest is not in force: ")
  }

  @Test func anInterruptEndsTheNodeToo() throws {
    let session = try session()
    let node = try #require(try machine.json("nodes")["nodes"]?[0]?["pid"]?.int)
    session.send(SIGINT)
    #expect(session.end() == 0)
    #expect(session.errors.contains("node: ended"))
    #expect(kill(pid_t(node), 0) == -1)
  }

  @Test func theNodeEndsEvenIfTheSessionIsKilled() throws {
    let session = try session()
    let node = pid_t(try #require(try machine.json("nodes")["nodes"]?[0]?["pid"]?.int))
    session.send(SIGKILL)
    #expect(session.end() == 128 + SIGKILL)
    for _ in 0..<500 where kill(node, 0) == 0 { usleep(10_000) }
    #expect(kill(node, 0) == -1)
  }
}
