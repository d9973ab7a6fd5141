import HostCore
import HostRuntime
import NodeValues
@testable import Simulator
import Testing

extension Worlds {
  /// Users from outside, and what a simulation refuses.
  @Suite struct UserTests {
    private func scenario(_ text: String) throws -> Scenario { try ScenarioReader.read(text, in: "/") }

    @Test func scenariosSayWhatUsersAskFor() throws {
      let plan = try scenario(
        """
        deployment d
        clients 2
        get /hello/{1..3}
        post /echo on admin some {unique} words
        put /thing on data
        delete /thing
        """
      ).clients[0]
      #expect(plan.requests.map(\.method) == ["GET", "POST", "PUT", "DELETE"])
      #expect(plan.requests.map(\.listener) == ["data", "admin", "data", "data"])
      #expect(
        plan.requests.map(\.words) == [
          ["/hello/{1..3}", ""], ["/echo", "some {unique} words"], ["/thing", ""], ["/thing", ""],
        ])
      for wrong in ["get /x", "clients 1\nget x", "clients 1\nget", "clients 1\nget /x body"] {
        #expect(throws: ScenarioReader.Problem.self) { try scenario("deployment d\n\(wrong)") }
      }
    }

    /// All that clients got, in words.
    private func run(_ faults: String) throws -> (outcome: Simulation.Outcome, answers: [String]) {
      let folder = SimulatedPlugins.temporaryFolder()
      defer { removeTree(folder) }
      for id in 1...2 {
        try writeText(
          "\(folder)/\(id).yaml",
          """
          nodehost: 1
          node: { id: \(id), name: n\(id), state: \(folder)/state\(id) }
          plugins: { folders: [\(SimulatedPlugins.folder)] }
          listen: { data: { address: "0.0.0.0:8080" } }
          roles: [{ role: routes }]
          """)
      }
      let text = """
        deployment \(folder)
        minutes 0.5
        faults \(faults)
        clients 3
        get /hello/{1..9}
        post /echo a body, number {unique}
        """
      let scenario = try scenario(text)
      let simulation = try Simulation(scenario, SimulatedPlugins.catalogue)
      let trace = Trace()
      var answers: [String] = []
      trace.reader = { if contains($2, " gets ") { answers.append($2) } }
      return (simulation.run(3, trace: trace), answers)
    }

    @Test func usersAreAnswered() throws {
      let (outcome, answers) = try run("none")
      #expect(outcome.failure == nil && outcome.operations > 100 && outcome.operations - outcome.answered <= 3)
      #expect(
        answers.contains { contains($0, "200 a body, number 1") } && answers.allSatisfy { contains($0, "(\"200 ") })
      #expect(try run("none").outcome.hash == outcome.hash)
    }

    @Test func faultsAreTheSameEachTime() throws {
      let (outcome, answers) = try run("all")
      #expect(outcome.failure == nil && outcome.answered > 50)
      #expect(!answers.isEmpty)
      #expect(try run("all").outcome.hash == outcome.hash)
    }

    @Test func rolesThatWatchDescriptorsAreRefused() throws {
      let nodes = try SimulatedNodes([["{ role: watcher, restart: { policy: never } }"]])
      let trouble = try #require(nodes[1].process?.node.trouble)
      #expect(contains(trouble, "watches descriptors, which a simulated world has not"), "\(trouble)")
    }

    @Test func rolesThatCanDoWithoutDescriptorsGetNone() throws {
      let nodes = try SimulatedNodes([["{ role: watcher, plugin: careless }"]])
      #expect(nodes[1].process?.node.trouble == nil)
      #expect(try nodes.call("watcher", "heard", [], on: 1) == 0)
    }
  }
}
