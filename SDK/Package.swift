// swift-tools-version: 6.2
import PackageDescription

// The SDK as a package of its own: what a plugin outside the host's repository depends on, by path. It lies in
// share/nodehost where the host is installed. The host's own Package.swift lists the same targets.
//
//     .package(name: "nodehost", path: "/usr/local/share/nodehost")
//     .product(name: "NodeKit", package: "nodehost")

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
  name: "nodehost",
  products: [
    .library(name: "NodeKit", targets: ["NodeKit"]),
    .library(name: "NodeTesting", targets: ["NodeTesting"]),
    .library(name: "ProtoFields", targets: ["ProtoFields"]),
    .library(name: "ReplicatedLog", targets: ["ReplicatedLog"]),
    .library(name: "Tensors", targets: ["Tensors"]),
  ],
  targets: [
    .target(name: "CNodeABI", path: "CNodeABI", exclude: ["describe", "plugin.map"]),
    .target(
      name: "NodeValues", dependencies: ["CNodeABI"], path: "NodeValues", swiftSettings: settings,
      linkerSettings: [.linkedLibrary("m")]),
    .target(
      name: "NodeKit", dependencies: ["CNodeABI", "NodeValues"], path: "NodeKit",
      swiftSettings: settings + [.enableExperimentalFeature("Extern")]),
    .target(name: "ProtoFields", dependencies: ["NodeValues"], path: "ProtoFields", swiftSettings: settings),
    .target(
      name: "ReplicatedLog", dependencies: ["NodeValues", "NodeKit"], path: "ReplicatedLog", swiftSettings: settings),
    .systemLibrary(name: "CZstd", path: "CZstd", providers: [.apt(["libzstd-dev"])]),
    .target(
      name: "CTensors", path: "CTensors",
      // The same bits on every machine: no product and sum in one where the machine could.
      cSettings: [.unsafeFlags(["-O3", "-ffp-contract=off", "-fvisibility=hidden"])]),
    .target(
      name: "Tensors", dependencies: ["NodeValues", "CTensors", "CZstd"], path: "Tensors", swiftSettings: settings),
    .target(name: "NodeSchema", dependencies: ["NodeValues"], path: "NodeSchema", swiftSettings: settings),
    .systemLibrary(name: "CFFI", path: "CFFI", providers: [.apt(["libffi-dev"])]),
    .target(
      name: "NodeTesting", dependencies: ["CNodeABI", "NodeValues", "NodeSchema", "NodeKit", "CFFI"],
      path: "NodeTesting", swiftSettings: settings),
  ]
)
