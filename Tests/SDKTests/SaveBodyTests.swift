import NodeTesting
import Testing

/// Bodies of requests that go into objects.
@Suite struct SaveBodyTests {
  final class Keeper: Role {
    static let about = About("keeper", version: "1.0.0", "Keeps bodies.")
    static let needs: [Need] = [.http, .blob]
    private let context: RoleContext
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

    func start() throws {
      try context.http.route("PUT", "/{name}") { [unowned self] request in
        try request.saveBody(
          in: context.blobs, as: request["name"]!, from: Int(request.queryValue("from") ?? "0") ?? 0,
          sha256: request.header("x-sha256")
        ) { result in
          let stored = try result.get()
          try request.answer(201, text: "\(stored.size) \(stored.sha256)")
        }
      }
    }
  }

  private static let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

  private func host() throws -> FakeHost {
    let host = try FakeHost(Keeper.self)
    try host.start()
    return host
  }

  @Test func aBodyBecomesAnObject() throws {
    let host = try host()
    let request = host.request("PUT", "/x", body: "abc")
    host.clock.advance(by: .seconds(1))
    #expect(request.status == 201 && request.text == "3 \(Self.abc)")
  }

  @Test func aLongOneComesAsItIsTaken() throws {
    let host = try host()
    let request = host.openRequest("PUT", "/x")
    for _ in 0..<40 { request.send([UInt8](repeating: 1, count: 100_000)) }
    request.finish()
    host.clock.advance(by: .seconds(5))
    #expect(request.status == 201 && request.text.hasPrefix("4000000 ") && request.unsent == 0)
  }

  @Test func whatWasPromisedMustCome() throws {
    let host = try host()
    let request = host.request("PUT", "/x", headers: ["x-sha256": Self.abc], body: "abd")
    host.clock.advance(by: .seconds(1))
    #expect((400..<500).contains(request.status), "\(request.status) \(request.text)")
  }

  @Test func whoComesBackGoesOnWhereItWas() throws {
    let host = try host()
    let first = host.openRequest("PUT", "/x")
    first.send("ab")
    host.clock.advance(by: .seconds(1))
    first.hangUp()
    host.clock.advance(by: .seconds(1))
    let wrong = host.request("PUT", "/x?from=1", body: "bc")
    host.clock.advance(by: .seconds(1))
    #expect(wrong.status == 400 && wrong.text.contains("2 bytes are there"), "\(wrong.status) \(wrong.text)")
    let right = host.request("PUT", "/x?from=2", body: "c")
    host.clock.advance(by: .seconds(1))
    #expect(right.status == 201 && right.text == "3 \(Self.abc)", "\(right.text)")
  }

  @Test func whoBeginsAnewIsNotMixedUpWithBefore() throws {
    let host = try host()
    let first = host.openRequest("PUT", "/x")
    first.send("zz")
    host.clock.advance(by: .seconds(1))
    first.hangUp()
    host.clock.advance(by: .seconds(1))
    let again = host.request("PUT", "/x", body: "abc")
    host.clock.advance(by: .seconds(1))
    #expect(again.text == "3 \(Self.abc)", "\(again.status) \(again.text)")
  }
}
