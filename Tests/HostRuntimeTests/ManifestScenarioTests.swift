import Glibc
import HostRuntime
import Testing

/// The files of Tests/Scenarios/manifest. `NODEHOST_RECORD=1` writes into them what comes out, to be read before it is
/// committed.
@Suite struct ManifestScenarioTests {
  static let folder = "\(Place.repository)/Tests/Scenarios/manifest"
  static let names = filesIn(folder).filter { $0.hasSuffix(".txt") }.sorted()

  @Test func scenariosAreThere() { #expect(Self.names.count > 10) }

  @Test(arguments: names) func answersAsTheFileSays(_ name: String) throws {
    let path = "\(Self.folder)/\(name)"
    let scenarios = ManifestScenario.read(path)
    if getenv("NODEHOST_RECORD") != nil {
      let text = scenarios.map { "\($0.question)\n\($0.actual)\n" }.joined(separator: "\n")
      try #require(writeFile(path, Array(text.utf8), mode: 0o644))
      return
    }
    for scenario in scenarios {
      let actual = scenario.actual
      #expect(
        actual == scenario.answer,
        "\(path):\(scenario.line): answered otherwise. It should be\n\(scenario.answer)\nbut is\n\(actual)\n")
    }
  }
}
