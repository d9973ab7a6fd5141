import Glibc
import HostCore
import HostRuntime

@testable import Simulator

/// The discovery gateway and its crowd of clients, as they ship or with a planted fault.
final class GatewayPlugin {
  /// Plugins/gateway/Core/PlantedFaults.swift says what they are.
  static let faults = ["own_bootstrap", "early_answer", "everybody_expires", "older_term", "late_watcher"]

  private let folder = SimulatedPlugins.temporaryFolder()
  private let deployment: String

  /// - Parameter deployment: a folder of Tests/Simulation.
  init(_ deployment: String, fault: String? = nil) throws {
    self.deployment = deployment
    let source = "\(SimulatedPlugins.repository)/Tests/Simulation/\(deployment)"
    mkdir("\(folder)/\(deployment)", 0o755)
    for name in ["one", "two", "three"] {
      guard let bytes = readFile("\(source)/\(name).yaml", limit: 1 << 16) else { continue }
      let text = String(decoding: bytes, as: UTF8.self)
      try writeText("\(folder)/\(deployment)/\(name).yaml", fault.map { Self.planted($0, text) } ?? text)
    }
    let gateway = fault == nil ? "libgateway.so" : "libgateway-faults.so"
    symlink("\(SimulatedPlugins.products)/\(gateway)", "\(folder)/libgateway.so")
    symlink("\(SimulatedPlugins.products)/libcrowd.so", "\(folder)/libcrowd.so")
  }

  deinit { removeTree(folder) }

  private static func planted(_ fault: String, _ text: String) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false)
      .flatMap { line in line.hasPrefix("      history_limit:") ? [line, "      fault: \(fault)"] : [line] }
      .joined(separator: "\n")
  }

  /// The scenario of Tests/Simulation of that name, for so many minutes.
  func simulation(minutes: Double) throws -> Simulation {
    let path = "\(SimulatedPlugins.repository)/Tests/Simulation/\(deployment).sim"
    let text = String(decoding: readFile(path, limit: 1 << 16) ?? [], as: UTF8.self)
    var scenario = try ScenarioReader.read(text, in: folder)
    scenario.minutes = minutes
    return try Simulation(
      scenario, PluginCatalogue(scratch: folder, executable: "\(SimulatedPlugins.products)/nodehost", folders: [folder])
    )
  }
}
