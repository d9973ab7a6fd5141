import Testing

@testable import Simulator

@Suite struct ScenarioTests {
  private func problem(_ text: String) -> ScenarioReader.Problem? {
    do throws(ScenarioReader.Problem) {
      _ = try ScenarioReader.read(text, in: "/x")
      return nil
    } catch {
      return error
    }
  }

  @Test func whatIsWrittenIsReadAgain() throws {
    let text = """
      deployment /x/register
      nodes 5
      neighbours 2
      minutes 1.5
      seed 7
      operations 30
      faults crashes,disks
      clients 2 pause 10ms..20ms timeout 500ms
        call register.write k{1..3} {unique}
        get /k{1..3} on data
        post /k on data a body of words
      at 30000ms crash one for 5000ms
      within 10000ms running
      within 10000ms same elector.leader
      always linearizable register.read register.write
      always one leader per term in elector.leader
      always rising term in elector.term

      """
    #expect(try ScenarioReader.read(text, in: "/x").text == text)
  }

  @Test func pathsStartAtTheScenario() throws {
    #expect(try ScenarioReader.read("deployment three # nodes", in: "/x").deployment == "/x/three")
  }

  @Test(arguments: [
    ("minutes 3", 1, "it names no deployment"),
    ("deployment a\nminuts 3", 2, "`minuts` is not understood"),
    ("deployment a\nminutes -3", 2, "minutes NUMBER"),
    ("deployment a\ncall a.b", 2, "`call` belongs below `clients`"),
    ("deployment a\nclients 0", 2, "`0` is no number from 1"),
    ("deployment a\nclients 1 pause 20ms..10ms", 2, "the shorter time comes first"),
    ("deployment a\nclients 1\ncall a", 3, "`a` is not ROLE.METHOD"),
    ("deployment a\nwithin 3 running", 2, "`3` is no time"),
    ("deployment a\nalways right", 2, "always linearizable"),
    ("deployment a\nfaults all,earthquakes", 2, "there is no fault `earthquakes`"),
  ])
  func whatIsWrongIsSaidWithItsLine(_ text: String, _ line: Int, _ message: String) throws {
    let problem = try #require(self.problem(text))
    #expect(problem.line == line && problem.message.contains(message), "\(problem)")
  }

  private static let names = ["one", "two", "three"]

  @Test(arguments: [
    "crash one for 5000ms", "blackout one three for 200ms", "partition two for 1ms", "cut one two for 1500us",
    "slow-network 20 for 5000ms", "break-links 0.01 for 5000ms", "duplicate 0.1 for 5000ms", "reorder 0.1 for 5000ms",
    "slow-disk two for 5000ms", "full-disk two for 5000ms", "fail-sync three", "drift one 250.0 for 5000ms",
    "jump one -3000ms", "slow two 20ms for 5000ms", "swap one register", "reload three",
  ])
  func faultsAreReadAsTheyAreWritten(_ words: String) throws {
    let text = "at 30000ms \(words)"
    let fault = try Fault(text.split(separator: " ").dropFirst().map(String.init), nodes: Self.names)
    #expect(fault.text(nodes: Self.names) == text)
  }

  @Test(arguments: [
    ("30s crash four", "there is no node `four`"), ("30s earthquake one", "there is no fault `earthquake`"),
    ("soon crash one", "`soon` is no time"), ("30s cut one", "wants more"), ("30s slow-network", "at TIME FAULT"),
  ])
  func faultsThatMakeNoSense(_ words: String, _ message: String) {
    let error = #expect(throws: Fault.Problem.self) {
      try Fault(words.split(separator: " ").map(String.init), nodes: Self.names)
    }
    #expect(error?.message.contains(message) == true, "\(String(describing: error))")
  }

  @Test func listsOfFaults() throws {
    #expect(try Set<FaultKind>(list: "all") == FaultKind.usual)
    #expect(try Set<FaultKind>(list: "none").isEmpty)
    #expect(
      try Set<FaultKind>(list: "all,-disks,duplicates") == FaultKind.usual.subtracting([.disks]).union([.duplicates]))
  }

  @Test func bodiesOfBytesAndZeros() {
    #expect(OutsideRequest.bytes(of: "hex") == Array("hex".utf8))
    #expect(OutsideRequest.bytes(of: "hex:47fF/*9") == [0x47, 0xFF, 0x2A, 0x39])
    #expect(OutsideRequest.bytes(of: "hex:47*3/a") == [0x47, 0, 0, 0, 0x61])
    #expect(OutsideRequest.bytes(of: "hex:47*99999999").count == 1 + 16 << 20)
  }

  @Test func plansAreMadeUpFromTheSeed() {
    let roles = [["register"], ["register"], ["register"]]
    func plan(_ seed: UInt64) -> FaultPlan {
      FaultPlan(kinds: FaultKind.usual, roles: roles, from: 0, until: 600_000_000_000, seed: seed)
    }
    #expect(plan(1) == plan(1) && plan(1) != plan(2))
    #expect(plan(1).faults.count > 60)
    #expect(plan(1).faults.allSatisfy { $0.end <= 600_000_000_000 && $0.start <= $0.end })
    // Each is written and read as it is.
    for fault in plan(3).faults {
      let words = fault.text(nodes: Self.names).split(separator: " ").dropFirst().map(String.init)
      let again = try? Fault(words, nodes: Self.names)
      #expect(again?.start == fault.start && again?.end == fault.end, "\(fault)")
    }
  }
}
