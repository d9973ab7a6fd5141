import Glibc

@testable import Simulator

/// The map of Tests/Fixtures/ReplicatedMap on its log, as it was built, or built with something broken.
final class ReplicatedMapPlugin {
  /// What is wrong with the log, as Raft.swift says; nil: nothing.
  static let faults = ["EARLY_ANSWER", "UNSYNCED_ANSWER", "FORGETS_VOTE", "STALE_READ", "APPLIES_TWICE"]

  let folder: String

  init(broken fault: String? = nil) {
    folder = SimulatedPlugins.temporaryFolder()
    let products = SimulatedPlugins.products
    guard let fault else {
      precondition(system("cp \(products)/libreplicated-map.so \(folder)/") == 0, "the map is not built")
      return
    }
    precondition(system(Self.build(fault, folder, products)) == 0, "the broken map does not build")
  }

  deinit { removeTree(folder) }

  /// The log and the map anew, on NodeKit as it was built.
  private static func build(_ fault: String, _ folder: String, _ products: String) -> String {
    let sdk = "\(SimulatedPlugins.repository)/SDK"
    let common =
      "swiftc -swift-version 6 -O -wmo -parse-as-library -package-name nodehost -I \(products)/Modules "
      + "-I \(sdk)/CNodeABI/include -I \(folder)"
    let objects = ["NodeKit", "NodeValues", "CNodeABI"].map { "\(products)/\($0).build/*.o" }.joined(separator: " ")
    return """
      \(common) -D BROKEN_\(fault) -module-name ReplicatedLog -emit-module -c -o \(folder)/log.o \
        -emit-module-path \(folder)/ReplicatedLog.swiftmodule $(find \(sdk)/ReplicatedLog -name '*.swift') &&
      \(common) -module-name replicated_map -emit-library -o \(folder)/libreplicated-map.so -lm \
        -Xlinker --version-script=\(sdk)/CNodeABI/plugin.map -Xlinker -z -Xlinker defs \
        \(SimulatedPlugins.repository)/Tests/Fixtures/ReplicatedMap/*.swift \(folder)/log.o \(objects)
      """
  }

  /// A scenario of nodes that keep a map, with this plugin.
  func simulation(_ text: String, nodes: Int = 3) throws -> Simulation {
    let head = "deployment replicated-map.yaml\nnodes \(nodes)\n"
    let scenario = try ScenarioReader.read(head + text, in: "\(SimulatedPlugins.repository)/Tests/Simulation")
    return try Simulation(
      scenario,
      PluginCatalogue(scratch: folder, executable: "\(SimulatedPlugins.products)/nodehost", folders: [folder]))
  }
}
