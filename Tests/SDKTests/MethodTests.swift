import NodeTesting
import Testing

/// Methods: what Swift says is what callers see.
@Suite struct MethodTests {
  struct Vote: RoleConfig, Equatable {
    @Setting("Who.") var name: String
    @Setting("How often.", in: 1...3) var count = 1
    static func == (left: Vote, right: Vote) -> Bool { left.name == right.name && left.count == right.count }
  }

  enum Mistake: Error { case someKind(Int) }

  final class Types: Role {
    static let about = About("types", version: "1.0.0", "All types.")
    static let methods = [
      Method("nothing()", "", nothing), Method("int(a)", "", int), Method("small(a,b)", "", small),
      Method("large(a)", "", large), Method("number(a)", "", number), Method("truth(a)", "", truth),
      Method("text(a)", "", text), Method("bytes(a)", "", bytes), Method("json(a)", "", json),
      Method("vote(a)", "", vote), Method("votes(list, times)", "", votes), Method("maybe(a)", "", maybe),
      Method("table(a)", "", table), Method("oops()", "", oops), Method("wait(a)", "", wait),
      Method("drop()", "", drop), Method("twice()", "", twice), Method("keep()", "", keep),
      Method("throwLater()", "", throwLater),
    ]
    var kept: [Reply<Nothing>] = []
    var cancelled = 0
    let context: RoleContext
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

    func nothing() {}
    func int(_ a: Int) -> Int { a }
    func small(_ a: Int32, _ b: UInt32) -> UInt32 { UInt32(bitPattern: a) &+ b }
    func large(_ a: UInt64) -> UInt64 { a }
    func number(_ a: Double) -> Double { a / 2 }
    func truth(_ a: Bool) -> Bool { !a }
    func text(_ a: String) -> String { a + a }
    func bytes(_ a: [UInt8]) -> [UInt8] { a.reversed() }
    func json(_ a: JSON) -> JSON { ["got": a] }
    func vote(_ a: Vote) -> Int { a.count }
    func votes(_ list: [Vote], _ times: Int) -> [Vote] {
      list.map { vote in
        var copy = vote; copy.count = times; return copy
      }
    }
    func maybe(_ a: Int?) -> Int? { a.map { $0 + 1 } }
    func table(_ a: [String: Int]) -> [Int] { a.values.sorted() }
    func oops() throws { throw Mistake.someKind(3) }
    func wait(_ a: Int, reply: Reply<Int>) throws {
      let timer = try context.timer.once(after: .seconds(a)) { reply.send(a) }
      reply.onCancel { [self] in
        cancelled += 1
        timer.cancel()
      }
    }
    func drop(_ reply: Reply<String>) {}
    func twice(_ reply: Reply<Int>) {
      reply.send(1)
      reply.send(2)
      reply.fail(.internal, "three")
    }
    func keep(_ reply: Reply<Nothing>) { kept.append(reply) }
    func throwLater(_ reply: Reply<Int>) throws {
      kept = []
      throw RoleError(.notFound, "nothing there", at: "x")
    }
  }

  func started() throws -> FakeHost {
    let host = try FakeHost(Types.self)
    try host.start()
    return host
  }

  @Test func derivesSignatures() throws {
    let host = try started()
    let expected = [
      "nothing": "v()", "int": "l(l)", "small": "I(iI)", "large": "L(L)", "number": "d(d)", "truth": "z(z)",
      "text": "s(s)", "bytes": "b(b)", "json": "j(j)", "vote": "l(j)", "votes": "j(jl)", "maybe": "j(j)",
      "table": "j(j)", "wait": "l(l)", "drop": "s()", "keep": "v()",
    ]
    for (name, signature) in expected { #expect(host.signature(of: name) == signature, "\(name)") }
  }

  @Test func carriesEveryType() throws {
    let host = try started()
    #expect(try host.call("nothing") as Nothing == Nothing())
    #expect(try host.call("int", Int.min) as Int == .min)
    #expect(try host.call("small", -1, 3) as UInt32 == 2)
    #expect(try host.call("large", UInt64.max) as UInt64 == .max)
    #expect(try host.call("number", -1) as Double == -0.5)
    #expect(try host.call("truth", false) as Bool)
    #expect(try host.call("text", "é\0") as String == "é\0é\0")
    #expect(try host.call("bytes", [UInt8]([1, 2, 0])) as [UInt8] == [0, 2, 1])
    #expect(try host.call("json", ["a": [nil, 1.5]] as JSON) as JSON == ["got": ["a": [nil, 1.5]]])
    #expect(try host.call("vote", Vote(setting: ["name": "Ada", "count": 2], at: "")) as Int == 2)
    let votes = try host.call("votes", [Vote(setting: ["name": "Ada"], at: "")], 3) as [Vote]
    #expect(votes.map(\.name) == ["Ada"] && votes.map(\.count) == [3])
    #expect(try host.call("maybe", Int?.none) as Int? == nil)
    #expect(try host.call("maybe", Int?(4)) as Int? == 5)
    #expect(try host.call("table", ["x": 2, "y": 1]) as [Int] == [1, 2])
    #expect(host.misuse.isEmpty)
  }

  static let refusals: [(String, [Value], String)] = [
    ("int", [], "int" + "l(l) takes 1 arguments, got 0"),
    ("int", [.text("x")], "int: parameter `a`: expected a whole number from \(Int64.min) to \(Int64.max), got text"),
    (
      "small", [.int(1 << 40), .int(0)],
      "small: parameter `a`: expected a whole number from \(Int32.min) to \(Int32.max), got int"
    ),
    ("json", [.json("{")], "json: parameter `a`: not JSON: byte 1: expected a key in quotes"),
    ("vote", [.json("{}")], "vote: parameter `a`: /name: this setting is missing: Who."),
    ("vote", [.json(#"{"name":"Ada","count":9}"#)], "vote: parameter `a`: /count: 9 is not from 1 to 3"),
  ]

  @Test(arguments: refusals)
  func refusesBadArguments(_ method: String, _ values: [Value], _ message: String) throws {
    let host = try started()
    let error = #expect(throws: RoleError.self) { try host.begin(method, values: values).answer() as JSON }
    #expect(error?.status == .invalidArgument)
    #expect(error?.message.hasSuffix(message) == true, "\(error?.message ?? "")")
  }

  @Test func errorsBecomeStatusAndMessage() throws {
    let host = try started()
    #expect(throws: RoleError(.unknown, "someKind(3)")) { try host.call("oops") as Nothing }
    #expect(throws: RoleError(.notFound, "x: nothing there")) { try host.call("throwLater") as Int }
    #expect(throws: RoleError.self) { try host.call("unheard") as Int }
  }

  @Test func answersOnceOnly() throws {
    let host = try started()
    #expect(try host.call("twice") as Int == 1)
    #expect(host.misuse.isEmpty, "NodeKit keeps the second answer to itself")
  }

  @Test func aDroppedReplyIsAnError() throws {
    let host = try started()
    let error = #expect(throws: RoleError.self) { try host.call("drop") as String }
    #expect(error?.status == .internal)
    #expect(error?.message.contains("`drop` without answering") == true)
  }

  @Test func tellsAboutCancellationAndDeadline() throws {
    let host = try started()
    let role = try #require(host.role(as: Types.self))
    let call = try host.begin("keep", timeout: .seconds(5))
    #expect(role.kept[0].deadline == role.context.now.advanced(by: .seconds(5)))
    #expect(role.kept[0].isWaiting)
    host.clock.advance(by: .seconds(5))
    #expect(!role.kept[0].isWaiting)
    #expect(throws: RoleError.self) { try call.answer() as Nothing }

    let wait = try host.begin("wait", 10)
    wait.cancel()
    #expect(role.cancelled == 1 && host.clock.pending == 0)
    role.kept[0].send()
    #expect(host.misuse.isEmpty)
  }

  @Test func openCallsAreAnsweredAtTheEnd() throws {
    let host = try started()
    let call = try host.begin("keep")
    let role = try #require(host.role(as: Types.self))
    let reply = role.kept[0]
    host.destroy()
    let error = #expect(throws: RoleError.self) { try call.answer() as Nothing }
    #expect(error?.status == .unavailable)
    reply.send()
    #expect(host.misuse.isEmpty, "a reply that outlives its role reaches nobody")
  }

  final class Misdeclared: Role {
    static let about = About("", version: "1.0.0", "")
    static let methods = [
      Method("add(a)", "", add), Method("add(a,b)", "", add), Method("add", "", add), Method("add(a,a)", "", add),
      Method("1(a,b)", "", add), Method("add(a,)", "", add), Method("both()", "", both),
    ]
    init(_ context: RoleContext, _ config: ConfigTests.Plain) {}
    func add(_ a: Int, _ b: Int) -> Int { a + b }
    func both(_ reply: Reply<Int>) -> Int { 1 }
  }

  @Test func saysEverythingThatIsWrongWithDeclarations() {
    let error = #expect(throws: RoleError.self) { try FakeHost(Misdeclared.self) }
    #expect(error?.place == "Misdeclared")
    let problems = error?.message ?? ""
    for problem in [
      "Method(\"add(a)\") names 1 parameters, but its function takes 2 (l(ll)); name each one",
      "Method(\"add\"): write the name and its parameters' names", "Method(\"add(a,a)\") uses one parameter name twice",
      "Method(\"1(a,b)\"): write the name", "Method(\"add(a,)\"): \"\" is no parameter name",
      "Method(\"both()\") takes a Reply and returns a value", "two methods are called add", "About has no id",
      "Plain.forgotten has no @Setting",
    ] {
      #expect(problems.contains(problem), "\(problem) in \(problems)")
    }
  }
}
