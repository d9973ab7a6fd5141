import NodeTesting
import Testing

@Suite struct SampleRoleTests {
  @Test func countsAndReports() throws {
    let host = try FakeHost(product: "sample-role", config: ["what": "cups", "report_seconds": 10])
    try host.start()
    #expect(try host.call("add", 2) as Int == 2)
    #expect(try host.call("add", 40) as Int == 42)
    host.clock.advance(by: .seconds(10))
    #expect(host.log.last?.message == "42 cups")
    #expect(host.misuse.isEmpty)
  }

  @Test func refusesToCountDown() throws {
    let host = try FakeHost(product: "sample-role")
    try host.start()
    let error = #expect(throws: RoleError.self) { try host.call("add", -1) as Int }
    #expect(error?.status == .invalidArgument)
  }

  @Test func keepsItsSumOverASwap() throws {
    let old = try FakeHost(product: "sample-role")
    try old.start()
    _ = try old.call("add", 7) as Int
    let new = try FakeHost(product: "sample-role")
    try new.load(old.save())
    try new.start()
    #expect(try new.call("add", 1) as Int == 8)
  }
}
