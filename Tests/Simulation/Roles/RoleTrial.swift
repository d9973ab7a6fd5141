import HostCore
import HostRuntime
package import Simulator

/// A role in a scenario, with the invariants that only it has.
package struct RoleTrial: Sendable {
  package let build: RoleBuild
  /// A file of the repository, or the lines of a scenario that stands in Tests/Simulation.
  package let scenario: String
  /// Virtual; nil: as the scenario says.
  package let minutes: Double?
  /// New ones for each run: they look at the world after each event.
  package let watchers: @Sendable () -> [any WorldWatcher]

  package init(
    _ build: RoleBuild, _ scenario: String, minutes: Double? = nil,
    watchers: @escaping @Sendable () -> [any WorldWatcher] = { [] }
  ) {
    (self.build, self.scenario, self.minutes, self.watchers) = (build, scenario, minutes, watchers)
  }

  /// `broken` is one of the role's switches, without `BROKEN_`. Other roles of the deployment are as they ship.
  /// - Parameter nodes: nil: as the scenario says.
  package func simulation(broken fault: String? = nil, nodes: Int? = nil) throws -> Simulation {
    let folders = [try build.folder(broken: fault), TestPlaces.products]
    let catalogue = PluginCatalogue(
      scratch: TestPlaces.newFolder(), executable: "\(TestPlaces.products)/nodehost", folders: folders)
    var scenario = try read()
    if let minutes { scenario.minutes = minutes }
    if let nodes { scenario.nodes = nodes }
    return try Simulation(scenario, catalogue)
  }

  private func read() throws -> Scenario {
    guard scenario.hasSuffix(".sim") else {
      return try ScenarioReader.read(scenario, in: "\(TestPlaces.repository)/Tests/Simulation")
    }
    let path = "\(TestPlaces.repository)/\(scenario)"
    guard let bytes = readFile(path, limit: 1 << 20) else { throw RoleBuild.Failure(description: "no file \(path)") }
    return try ScenarioReader.read(String(decoding: bytes, as: UTF8.self), in: PathText.folder(of: path))
  }

  package func run(_ simulation: Simulation, _ seed: UInt64) -> Simulation.Outcome {
    simulation.run(seed, watchers: watchers())
  }
}
