import NodeTesting
import Testing

/// gRPC, as a Swift role sees it.
@Suite struct RpcTests {
  final class Greeter: Role {
    static let about = About("greeter", version: "1.0.0", "Greets by gRPC.")
    static let needs: [Need] = [.rpc, .timer]

    private let context: RoleContext
    private(set) var ends: [String] = []
    private(set) var kept: [RpcServerCall] = []
    private(set) var removable: RpcMethod?
    private(set) var said: [String] = []
    private(set) var call: RpcClientCall?
    private(set) weak var summed: RpcServerCall?
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

    func start() throws {
      let rpc = context.rpc
      try rpc.unary("/hello.Greeter/Hello") { call, name in
        try call.answer(Array("hello, ".utf8) + name, metadata: ["x-caller": call.remote])
      }
      try rpc.unary("/hello.Greeter/Throws") { _, _ in throw RoleError(.outOfRange, "no luck") }
      try rpc.unary("/hello.Greeter/Details") { call, message in
        try call.fail(RoleError(.aborted, "look closer"), details: message)
      }
      try rpc.unary("/hello.Greeter/Dropped") { _, _ in }
      try rpc.unary("/hello.Greeter/Late") { [unowned self] call, name in
        try context.timer.once(after: .seconds(1)) { try call.answer(name) }
      }
      try rpc.unary("/hello.Greeter/Kept") { [unowned self] call, _ in
        kept.append(call)
        call.whenEnded { self.ends.append("\($0.status): \($0.message)") }
      }
      try rpc.unary("/hello.Greeter/Meta") { [unowned self] call, _ in
        try call.begin(["x-first": call.metadata["x-word"] ?? "-"], compresses: true)
        said.append(call.deadline.map { "\(context.now.duration(to: $0))" } ?? "none")
        #expect(throws: RoleError.self) { try call.begin() }
        #expect(throws: RoleError.self) { try call.finish(["X-Bin ": "a"]) }
        var ending = RpcMetadata()
        ending.add("x-raw-bin", call.metadata.bytes("x-raw-bin") ?? [])
        try call.answer([1], metadata: ending)
      }
      try rpc.stream("/hello.Greeter/Count") { call in
        call.receive { try Self.pour(call, from: 0, to: Int($0.first ?? 0)) }
      }
      try rpc.stream("/hello.Greeter/Sum") { [unowned self] call in
        var sum = 0
        summed = call
        call.receive {
          sum += Int($0.first ?? 0)
        } last: {
          try call.answer([UInt8(sum)])
        }
      }
      try rpc.stream("/chat.Room/{method}") { [unowned self] call in
        call.receive(byCredit: call.path.hasSuffix("ByCredit")) {
          _ = try call.send($0.reversed())
        } last: {
          try call.finish(["x-path": call.path])
        }
        kept = [call]
      }
      removable = try rpc.unary("/hello.Greeter/Gone") { call, _ in try call.answer([]) }
      try rpc.describe([10, 0])
    }

    private static func pour(_ call: RpcServerCall, from first: Int, to last: Int) throws {
      for number in first..<last {
        guard try call.send([UInt8(number)]) else {
          return call.whenWritable { [unowned call] in try pour(call, from: number, to: last) }
        }
      }
      try call.finish()
    }

    // What the tests let it do.

    func ask(_ words: String, _ options: RpcOptions = RpcOptions(), path: String = "/far.Away/Ask") throws {
      call = try context.rpc.call(path, at: "http://far:1", Array(words.utf8), options) { [unowned self] in
        switch $0 {
        case .success(let answer): said.append(String(decoding: answer, as: UTF8.self))
        case .failure(let error): said.append("\(error.status): \(error.message)")
        }
      }
    }

    func talk() throws {
      let call = try context.rpc.open("/far.Away/Talk", at: "https://far:1", RpcOptions(metadata: ["x-who": "me"]))
      self.call = call
      call.whenAnswered { [unowned self] _ in said.append("answered") }
      call.receive { [unowned self, unowned call] message in
        said.append(String(decoding: message, as: UTF8.self))
        if said.count < 4 { _ = try call.send(message + message) } else { try call.finish() }
      }
      call.whenEnded { [unowned self] in said.append("\($0.status)") }
      #expect(try call.send(Array("a".utf8)))
    }
  }

  private func host() throws -> FakeHost {
    let host = try FakeHost(Greeter.self)
    try host.start()
    return host
  }

  @Test func aMessageGetsAnAnswer() throws {
    let host = try host()
    let answer = host.rpc("/hello.Greeter/Hello", "ada")
    #expect(answer.text == "hello, ada" && answer.status == .ok && answer.messages.count == 1)
    #expect(answer.ending?.metadata["x-caller"] == "10.0.0.7:51234" && answer.ending?.error == nil)
    #expect(host.rpc("/hello.Greeter/Nothing", "").status == .unimplemented)
    #expect(host.rpc("/hello.Greeter/Gone", "").status == .ok)
    host.role(as: Greeter.self)?.removable?.remove()
    #expect(host.rpc("/hello.Greeter/Gone", "").status == .unimplemented)
    #expect(host.described == [[10, 0]])
    #expect(host.misuse.isEmpty)
  }

  @Test func whatIsThrownIsTheStatus() throws {
    let host = try host()
    let failed = host.rpc("/hello.Greeter/Throws", "")
    #expect(failed.ending?.error == RoleError(.outOfRange, "no luck"))
    let details = host.rpc("/hello.Greeter/Details", [7, 8] as [UInt8])
    #expect(details.status == .aborted && details.ending?.details == [7, 8])
    let empty = host.openRpc("/hello.Greeter/Hello")
    empty.finish()
    #expect(empty.status == .invalidArgument)
    #expect(host.misuse.isEmpty)
  }

  @Test func aCallThatIsDroppedIsAnswered() throws {
    let host = try host()
    #expect(host.rpc("/hello.Greeter/Dropped", "").status == .internal)
    #expect(host.log.contains { $0.level == .error && $0.message.contains("was dropped without an answer") })
    #expect(host.misuse.isEmpty)
  }

  @Test func anAnswerMayComeLater() throws {
    let host = try host()
    let call = host.rpc("/hello.Greeter/Late", "x")
    #expect(call.status == nil)
    host.clock.advance(by: .seconds(1))
    #expect(call.text == "x" && call.status == .ok)
    #expect(host.misuse.isEmpty)
  }

  @Test func theRoleHearsWhenACallerGoes() throws {
    let host = try host()
    let role = try #require(host.role(as: Greeter.self))
    host.rpc("/hello.Greeter/Kept", "").cancel()
    let waiting = host.rpc("/hello.Greeter/Kept", "", timeout: .seconds(2))
    host.clock.advance(by: .seconds(2))
    #expect(waiting.status == .deadlineExceeded)
    #expect(role.ends == ["cancelled: the caller gave up", "deadline exceeded: the call took too long"])
    #expect(throws: RoleError.self) { try role.kept[0].answer([]) }
    let open = host.rpc("/hello.Greeter/Kept", "")
    host.stop()
    #expect(open.status == .unavailable && host.misuse.isEmpty)
  }

  @Test func metadataGoesBothWays() throws {
    let host = try host()
    var metadata: RpcMetadata = ["x-word": "hi"]
    metadata.add("x-raw-bin", [0, 255])
    let call = host.rpc("/hello.Greeter/Meta", "", metadata: metadata, timeout: .seconds(3))
    #expect(call.metadata == ["x-first": "hi"] && call.compresses)
    #expect(call.ending?.metadata.bytes("x-raw-bin") == [0, 255])
    #expect(host.role(as: Greeter.self)?.said == ["3.0 seconds"])
    #expect(host.misuse.isEmpty)
  }

  /// Closures that wait for something hold the role and the call.
  @Test func anEndedRoleGoesWithWhatIsOpen() throws {
    let host = try host()
    _ = host.rpc("/hello.Greeter/Kept", "")
    let sum = host.openRpc("/hello.Greeter/Sum")
    weak let role = host.role(as: Greeter.self)
    weak let summed = role?.summed
    #expect(role != nil && summed != nil)
    host.destroy()
    #expect(role == nil && summed == nil)
    withExtendedLifetime(sum) {}
  }

  @Test func streamsGoOneWayAndTheOther() throws {
    let host = try host()
    let slow = host.openRpc("/hello.Greeter/Count", room: 3)
    slow.send([8] as [UInt8])
    #expect(slow.messages.count == 3 && slow.status == nil)
    slow.read()
    slow.read()
    #expect(slow.messages == (0..<8).map { [$0] } && slow.status == .ok)
    let sum = host.openRpc("/hello.Greeter/Sum")
    for number in 1...5 { sum.send([UInt8(number)]) }
    #expect(sum.status == nil && sum.unsent == 0)
    sum.finish()
    #expect(sum.messages == [[15]])
    let chat = host.openRpc("/chat.Room/Any")
    chat.send("abc")
    #expect(chat.text == "cba")
    chat.finish()
    #expect(chat.ending?.metadata["x-path"] == "/chat.Room/Any")
    #expect(host.misuse.isEmpty)
  }

  @Test func messagesWaitForCredit() throws {
    let host = try host()
    let chat = host.openRpc("/chat.Room/ByCredit")
    for word in ["a", "b", "c"] { chat.send(word) }
    #expect(chat.messages.count == 1 && chat.unsent == 2)
    host.role(as: Greeter.self)?.kept.first?.wantMore(2)
    host.clock.advance(by: .zero)
    #expect(chat.messages.count == 3)
    chat.finish()
    #expect(chat.status == .ok && host.misuse.isEmpty)
  }

  @Test func theRoleCallsOthers() throws {
    let host = try host()
    let role = try #require(host.role(as: Greeter.self))
    host.playRpc("/far.Away/Ask") { [$0 + $0] }
    try role.ask("ab", RpcOptions(metadata: ["x-a": "b"], timeout: .seconds(1), retries: 2, compresses: true))
    try role.ask("x", path: "/far.Away/Nothing")
    host.clock.advance(by: .zero)
    #expect(role.said == ["abab", "unimplemented: nobody plays /far.Away/Nothing"])
    let first = try #require(host.rpcCalls.first)
    #expect(first.target == "http://far:1" && first.messages == [Array("ab".utf8)] && first.hasFinished)
    #expect(first.options.compresses && first.options.retries == 2 && first.options.metadata == ["x-a": "b"])
    #expect(throws: RoleError.self) { try role.ask("x", path: "nonsense") }
    #expect(throws: RoleError.self) { try role.ask("x", RpcOptions(metadata: ["grpc-timeout": "1S"])) }
    #expect(host.misuse.isEmpty)
  }

  @Test func othersAreSlowOrNotThere() throws {
    let host = try host()
    let role = try #require(host.role(as: Greeter.self))
    host.playRpc("/far.Away/Ask") { [$0] }
    host.rpcIsReachable = false
    try role.ask("a")
    try role.ask("b", RpcOptions(waits: true))
    host.clock.advance(by: .seconds(1))
    #expect(role.said == ["unavailable: http://far:1: nobody is there"])
    host.rpcIsReachable = true
    host.clock.advance(by: .zero)
    #expect(role.said.last == "b")
    host.rpcTakes = .seconds(5)
    try role.ask("c", RpcOptions(timeout: .seconds(2)))
    host.clock.advance(by: .seconds(9))
    #expect(role.said.last == "deadline exceeded: no answer in time")
    try role.ask("d")
    role.call?.cancel()
    host.clock.advance(by: .zero)
    #expect(role.said.last == "cancelled: given up here" && host.misuse.isEmpty)
  }

  @Test func theRoleTalksWithOthers() throws {
    let host = try host()
    let role = try #require(host.role(as: Greeter.self))
    host.playRpc("/far.Away/Talk") { [$0] }
    try role.talk()
    host.clock.advance(by: .zero)
    #expect(role.said == ["answered", "a", "aa", "aaaa", "ok"])
    #expect(host.rpcCalls.first?.ending?.status == .ok && host.misuse.isEmpty)
  }
}
