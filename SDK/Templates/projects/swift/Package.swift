// swift-tools-version: 6.2
import PackageDescription

// Where nodehost's SDK is. `NODEHOST_SDK=/another/place swift build` takes another.
let sdk = Context.environment["NODEHOST_SDK"] ?? "@SDK@"

let package = Package(
  name: "sample-role",
  products: [.library(name: "sample-role", type: .dynamic, targets: ["SampleRolePlugin"])],
  dependencies: [.package(name: "nodehost", path: sdk)],
  targets: [
    .target(
      name: "SampleRolePlugin", dependencies: [.product(name: "NodeKit", package: "nodehost")], path: "Sources",
      // A plugin exports nh_plugin_query and nothing else.
      linkerSettings: [.unsafeFlags(["-Xlinker", "--version-script=\(sdk)/CNodeABI/plugin.map"])]),
    // The tests load the plugin as a node does; they must not link it.
    .testTarget(
      name: "SampleRoleTests", dependencies: [.product(name: "NodeTesting", package: "nodehost")], path: "Tests"),
  ]
)
