// swift-tools-version: 6.2
import PackageDescription

// One list for all Swift targets.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  // Say `any` where a call goes through a witness table: it costs, and should be seen.
  .enableUpcomingFeature("ExistentialAny"),
  // A member is visible only where its module is imported, so imports tell the truth.
  .enableUpcomingFeature("MemberImportVisibility"),
  // Imports are private unless said otherwise, so that C libraries do not leak through ours.
  .enableUpcomingFeature("InternalImportsByDefault"),
  .treatAllWarnings(as: .error),
]

// The host's own modules and those that shipped roles are built of. They are optimised in debug builds, too: tests
// spend most of their time in them.
let fast: [SwiftSetting] = [
  .unsafeFlags(["-O"], .when(configuration: .debug)),
  .unsafeFlags(
    [
      // Generic code of one module is specialised where another uses it; a call costs a tenth then.
      "-cross-module-optimization",
      // All state belongs to one loop. Debug builds, and so the tests, check overlapping access.
      "-enforce-exclusivity=unchecked",
    ], .when(configuration: .release)),
]

// Exports nothing but nh_plugin_query. On plugin targets only; no test or executable may depend on
// one, since linker settings are inherited and entry symbols collide.
let pluginLink: [LinkerSetting] = [
  .unsafeFlags(["-Xlinker", "--version-script=\(Context.packageDirectory)/SDK/CNodeABI/plugin.map"]),
  // Names stay for backtraces; debug information would make the file, which is hashed and copied, tenfold.
  .unsafeFlags(["-Xlinker", "--strip-debug"], .when(configuration: .release)),
]

// C of ours that looks at libraries' headers only.
let plainC = ["-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-Wno-nullability-extension"]
// GLib has a header of its own for each machine, which pkg-config would find with many that nobody needs.
let glibHeaders = ["/usr/include", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"].flatMap {
  ["-I\($0)/glib-2.0", "-I\($0)/glib-2.0/include"]
}

func module(
  _ name: String, in folder: String, _ dependencies: [Target.Dependency], settings: [SwiftSetting] = []
) -> Target {
  .target(name: name, dependencies: dependencies, path: "\(folder)/\(name)", swiftSettings: strict + settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, path: "Tests/\(name)", swiftSettings: strict)
}

/// A plugin in Swift or C: one target, one dynamic library.
struct Plugin {
  var name: String
  var path: String
  var language: Language
  /// The module of its logic and what that is built on, for a shipped role.
  var core: Core?
  enum Language { case swift, c }
  struct Core {
    var name: String
    var dependencies: [Target.Dependency]
  }
  /// What its one target is built on, beside NodeKit.
  var libraries: [Target.Dependency] = []

  init(name: String, path: String, language: Language, libraries: [Target.Dependency] = []) {
    (self.name, self.path, self.language, self.libraries) = (name, path, language, libraries)
  }

  /// A shipped role: Plugins/NAME/Core and Plugins/NAME/Entry.
  init(role name: String, core: String, _ dependencies: [Target.Dependency]) {
    self.init(name: name, path: "Plugins/\(name)", language: .swift)
    self.core = Core(name: core, dependencies: dependencies)
  }

  var coreTarget: Target? {
    core.map {
      .target(
        name: $0.name, dependencies: $0.dependencies, path: "\(path)/Core", swiftSettings: strict + fast)
    }
  }

  var product: Product { .library(name: name, type: .dynamic, targets: [name]) }
  var target: Target {
    switch language {
    case .swift:
      .target(
        name: name, dependencies: ["NodeKit"] + libraries + (core.map { [.init(stringLiteral: $0.name)] } ?? []),
        path: core == nil ? path : "\(path)/Entry", swiftSettings: strict + fast, linkerSettings: pluginLink)
    case .c:
      .target(
        name: name, dependencies: ["CNodeABI"], path: path, publicHeadersPath: ".",
        cSettings: [.unsafeFlags(["-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])], linkerSettings: pluginLink)
    }
  }
}

// The Rust template is built by rustc; see Host/start.
let plugins = [
  Plugin(role: "gateway", core: "GatewayCore", ["NodeKit", "ProtoFields", "ReplicatedLog"]),
  Plugin(role: "elector", core: "ElectorCore", ["NodeKit"]),
  Plugin(role: "canary", core: "CanaryCore", ["NodeKit"]),
  Plugin(role: "images", core: "ImagesCore", ["NodeKit", "CImages"]),
  Plugin(role: "image-frames", core: "ImageFramesCore", ["NodeKit", "CImageFrames"]),
  Plugin(role: "coordinator", core: "CoordinatorCore", ["NodeKit"]),
  Plugin(role: "ledger", core: "LedgerCore", ["NodeKit"]),
  Plugin(role: "member", core: "MemberCore", ["NodeKit", "ProtoFields"]),
  Plugin(role: "flotilla", core: "FlotillaCore", ["NodeKit", "TrainerWire", "CFlotillaMqtt"]),
  Plugin(
    role: "flserver", core: "LearningCore", ["NodeKit", "Privacy", "SecureSum", "Tensors", "TrainerWire", "Training"]),
  Plugin(
    role: "trainer", core: "TrainerCore",
    ["NodeKit", "Privacy", "ProtoFields", "SecureSum", "Tensors", "TrainerWire", "Training", "CTrainer"]),
  Plugin(name: "hello-swift", path: "SDK/Templates/swift", language: .swift),
  // Versions of a small service, for trying the canary router.
  Plugin(name: "service", path: "SDK/Templates/service", language: .swift),
  Plugin(name: "hello-c", path: "SDK/Templates/c", language: .c),
  // Swapped by Tests/Benchmarks/run.
  Plugin(name: "ballast", path: "Tests/Benchmarks/Ballast", language: .swift),
  // Keeps objects, for tests and benchmarks.
  Plugin(name: "attic", path: "Tests/Fixtures/Attic", language: .swift),
  // Asks other servers, for tests.
  Plugin(name: "asker", path: "Tests/Fixtures/Asker", language: .swift),
  // Keeps a map on several nodes, for tests.
  Plugin(
    name: "replicated-map", path: "Tests/Fixtures/ReplicatedMap", language: .swift, libraries: ["ReplicatedLog"]),
  Plugin(name: "greeter", path: "Tests/Benchmarks/Greeter", language: .swift),
  Plugin(name: "router", path: "Tests/Benchmarks/Router", language: .swift),
  // Clients of the gateway, for simulated worlds.
  Plugin(name: "crowd", path: "Tests/Fixtures/Crowd", language: .swift, libraries: ["ProtoFields"]),
  // Users of a service's versions, for simulated worlds.
  Plugin(name: "users", path: "Tests/Fixtures/Users", language: .swift),
  // Trainers whose updates can be told apart in a model, for simulated worlds.
  Plugin(name: "trainees", path: "Tests/Fixtures/Trainees", language: .swift, libraries: ["TrainerWire"]),
  // Proposes transactions, for simulated worlds.
  Plugin(name: "teller", path: "Tests/Fixtures/Teller", language: .swift),
  // A resource of transactions with reservations in memory, for tests.
  Plugin(name: "vault", path: "Tests/Fixtures/Vault", language: .swift),
  // A user's own strategy of federated learning, for tests.
  Plugin(name: "strategy", path: "Tests/Fixtures/Strategy", language: .swift),
  Plugin(name: "gateway-load", path: "Tests/Benchmarks/Gateway", language: .swift, libraries: ["ProtoFields"]),
  Plugin(name: "transaction-load", path: "Tests/Benchmarks/Transactions/Load", language: .swift),
  Plugin(name: "receiver", path: "Tests/Benchmarks/Receiver", language: .swift),
]

// libFuzzer brings this program's `main`, so it links only under Tests/Fuzz/run.
let fuzzers: [Target] =
  Context.environment["NODEHOST_FUZZ"] == nil
  ? []
  : [
    .executableTarget(
      name: "fuzz",
      dependencies: [
        "ProtoFields", "HostCore", "HostRuntime", "ReplicatedLog", "Tensors", "ElectorCore", "ImagesCore",
        "CoordinatorCore", "CanaryCore", "Training", "FlotillaCore", "TrainerCore", "SecureSum",
        "TrainerWire", "LearningCore",
      ],
      path: "Tests/Fuzz",
      exclude: ["corpus", "make-plugin-seeds", "run"],
      swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])])
  ]

let package = Package(
  name: "nodehost",
  products: [
    .library(name: "NodeKit", targets: ["NodeKit"]),
    .library(name: "ReplicatedLog", targets: ["ReplicatedLog"]),
    .library(name: "NodeTesting", targets: ["NodeTesting"]),
    .library(name: "ProtoFields", targets: ["ProtoFields"]),
    .executable(name: "nodehost", targets: ["nodehost"]),
    .executable(name: "hostctl", targets: ["hostctl"]),
  ] + plugins.map(\.product),
  targets: [
    .target(name: "CNodeABI", path: "SDK/CNodeABI", exclude: ["describe", "plugin.map"]),
    .target(
      name: "NodeValues", dependencies: ["CNodeABI"], path: "SDK/NodeValues", swiftSettings: strict + fast,
      // Swift's own Double needs it, and without Foundation or Glibc nobody else asks for it.
      linkerSettings: [.linkedLibrary("m")]),
    .target(
      name: "NodeKit", dependencies: ["CNodeABI", "NodeValues"], path: "SDK/NodeKit",
      // nh_plugin_query calls the `main` that `@main` makes of the plugin's role.
      swiftSettings: strict + fast + [.enableExperimentalFeature("Extern")]),
    module("NodeSchema", in: "SDK", ["NodeValues"]),
    // Messages of gRPC, for roles in Swift.
    module("ProtoFields", in: "SDK", ["NodeValues"], settings: fast),
    // Many numbers with names: files of them, sums of them, and how they are sent.
    .systemLibrary(name: "CZstd", path: "SDK/CZstd", providers: [.apt(["libzstd-dev"])]),
    .target(
      name: "CTensors", path: "SDK/CTensors",
      cSettings: [
        // The same bits on every machine: no product and sum in one where the machine could.
        .unsafeFlags(["-O3", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])
      ]),
    module("Tensors", in: "SDK", ["NodeValues", "CTensors", "CZstd"], settings: fast),
    // SHA-256 of many contents side by side.
    .target(
      name: "CSha256", path: "SDK/CSha256", cSettings: [.unsafeFlags(plainC)],
      linkerSettings: [.linkedLibrary("crypto")]),
    // Trains networks. In debug builds, too, it is optimised: tests train.
    .target(
      name: "CTraining", path: "SDK/CTraining",
      cSettings: [
        .unsafeFlags(["-O2", "-std=c11", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])
      ],
      linkerSettings: ["m", "z"].map { .linkedLibrary($0) }),
    // Picture files as numbers. It knows libvips by its headers and loads it when a picture is read.
    .target(name: "CPictures", path: "SDK/CPictures", cSettings: [.unsafeFlags(plainC + glibHeaders)]),
    .target(
      name: "Training", dependencies: ["NodeValues", "ProtoFields", "CTraining", "CPictures"], path: "SDK/Training",
      exclude: ["README.md"],
      swiftSettings: strict + fast),
    // Sums of numbers that nobody sees but their owner; OpenSSL behind a few functions of plain C.
    .target(
      name: "CSecureSum", path: "SDK/CSecureSum",
      cSettings: [
        .unsafeFlags(["-O3", "-ffp-contract=off", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])
      ],
      linkerSettings: [.linkedLibrary("crypto")]),
    module("SecureSum", in: "SDK", ["NodeKit", "ProtoFields", "CSecureSum"], settings: fast),
    // What a training tells of those who took part: noise, and what it is worth.
    .target(
      name: "CPrivacy", path: "SDK/CPrivacy",
      cSettings: [.unsafeFlags(["-O3", "-fno-math-errno", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])],
      linkerSettings: ["m", "crypto"].map { .linkedLibrary($0) }),
    module("Privacy", in: "SDK", ["CPrivacy"], settings: fast),
    // What servers and trainers of federated learning say to one another.
    module("TrainerWire", in: "SDK", ["NodeKit", "ProtoFields", "CSha256"], settings: fast),
    // One order of entries on several nodes; linked into each role that uses it.
    module("ReplicatedLog", in: "SDK", ["NodeValues", "NodeKit"], settings: fast),
    // libffi calls the methods of plugins written in C as a node does.
    module("NodeTesting", in: "SDK", ["CNodeABI", "NodeValues", "NodeSchema", "NodeKit", "CFFI"]),

    .systemLibrary(name: "CYaml", path: "Host/CYaml", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CFFI", path: "SDK/CFFI", providers: [.apt(["libffi-dev"])]),
    .systemLibrary(name: "CCrypto", path: "Host/CCrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CSQLite", path: "Host/CSQLite", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CZlib", path: "Host/CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CHttp2", path: "Host/CHttp2", providers: [.apt(["libnghttp2-dev"])]),
    .target(name: "CSystem", path: "Host/CSystem"),
    .target(
      name: "CImageFrames", path: "Plugins/image-frames/Sockets",
      cSettings: [.unsafeFlags(["-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])],
      linkerSettings: [.linkedLibrary("crypto")]),
    // libmosquitto behind a few functions that do not wait, for the role `flotilla`.
    .target(
      name: "CFlotillaMqtt", path: "Plugins/flotilla/Mqtt",
      cSettings: [.unsafeFlags(["-fvisibility=hidden", "-Wall", "-Wextra", "-Werror"])],
      linkerSettings: [.linkedLibrary("mosquitto")]),
    .target(
      name: "CTrainer", path: "Plugins/trainer/Native",
      cSettings: [.unsafeFlags(["-fvisibility=hidden", "-Wall", "-Wextra", "-Werror", "-Wno-nullability-extension"])],
      linkerSettings: [.linkedLibrary("crypto")]),
    // libvips and OpenSSL behind a few functions of plain C, for the role `images`.
    .target(
      name: "CImages", path: "Plugins/images/Codec",
      cSettings: [.unsafeFlags(plainC + glibHeaders)],
      linkerSettings: ["vips", "gobject-2.0", "glib-2.0", "crypto"].map { .linkedLibrary($0) }),
    module("HostCore", in: "Host", ["CNodeABI", "NodeValues", "NodeSchema"], settings: fast),
    // Reads YAML into trees that know their places, with libyaml.
    module("HostYaml", in: "Host", ["NodeValues", "HostCore", "CYaml"]),
    module(
      "HostRuntime", in: "Host",
      [
        "CNodeABI", "NodeValues", "NodeSchema", "HostCore", "HostYaml", "CFFI", "CCrypto", "CSQLite", "CHttp2", "CZlib",
        "CSystem", "CSha256",
      ],
      settings: fast),
    // The cases of `nodehost check`, with a host of their own.
    module("PluginCheck", in: "Host", ["CNodeABI", "NodeValues", "NodeSchema", "HostCore", "HostRuntime", "CSystem"]),
    // The same services on virtual time: any number of nodes in one process.
    module("Simulator", in: "Host", ["CNodeABI", "NodeValues", "HostCore", "HostRuntime", "CSystem"], settings: fast),
    .executableTarget(
      name: "nodehost",
      dependencies: ["CNodeABI", "NodeValues", "NodeSchema", "HostCore", "HostRuntime", "PluginCheck", "Simulator"],
      path: "Host/nodehost", swiftSettings: strict),
    .executableTarget(
      name: "hostctl",
      dependencies: ["NodeValues", "NodeSchema", "HostCore", "HostYaml", "CSystem", "CCrypto", "CZlib", "Training"],
      path: "Host/hostctl", swiftSettings: strict,
      // It loads no plugin, so it may carry its own runtime: it starts 1.5 ms sooner, for 9 MB more.
      // A sanitizer sees only the memory that a runtime of its own asks for.
      linkerSettings: Context.environment["NODEHOST_SANITIZED"] == nil ? [.unsafeFlags(["-static-stdlib"])] : []),

    .executableTarget(
      name: "benchmarks",
      dependencies: [
        "CNodeABI", "CFFI", "CCrypto", "CSQLite", "NodeValues", "HostCore", "HostRuntime", "Tensors", "CTensors",
        "Training", "SecureSum", "Privacy",
      ],
      path: "Tests/Benchmarks",
      exclude: [
        "run", "canary.py", "failover.py", "gateway.py", "images.py", "learning.py", "servers.py", "tensors.py",
        "training.py", "training_peer.py", "transactions.py",
        "Ballast", "Flower", "Gateway", "Greeter", "Router", "Receiver", "Peers", "Rpc", "Transactions",
      ],
      swiftSettings: strict),

    tests("SDKTests", ["CNodeABI", "NodeValues", "NodeSchema", "NodeKit", "NodeTesting"]),
    .testTarget(
      name: "TrainingTests", dependencies: ["NodeKit", "ProtoFields", "Training", "FuzzSupport"],
      path: "Tests/TrainingTests",
      exclude: ["Data", "make-data.py"], swiftSettings: strict),
    tests(
      "LearningTests",
      ["NodeKit", "NodeTesting", "SecureSum", "Tensors", "TrainerWire", "LearningCore", "TrainerCore", "FuzzSupport"]),
    tests(
      "TrainerTests",
      ["NodeKit", "NodeTesting", "SecureSum", "Tensors", "Training", "TrainerWire", "TrainerCore", "FuzzSupport"]),
    tests("TensorsTests", ["Tensors", "CTensors", "FuzzSupport"]),
    tests("PrivacyTests", ["Privacy"]),
    tests("SecureSumTests", ["NodeKit", "NodeTesting", "SecureSum", "FuzzSupport"]),
    tests("ProtoFieldsTests", ["NodeKit", "ProtoFields", "FuzzSupport"]),
    tests("MemberTests", ["NodeKit", "NodeTesting", "ProtoFields", "MemberCore"]),
    tests("GatewayTests", ["NodeKit", "NodeTesting", "ProtoFields", "GatewayCore", "FuzzSupport"]),
    tests("ReplicatedLogTests", ["NodeValues", "NodeKit", "NodeTesting", "ReplicatedLog", "FuzzSupport"]),
    tests("SchemaTests", ["NodeValues", "NodeSchema"]),
    // Seeds and mutations for the fuzz targets, which lie beside the code that they try.
    module("FuzzSupport", in: "Tests", []),
    // Where nodes of a test listen.
    module("TestPorts", in: "Tests", []),
    tests("HostCoreTests", ["CNodeABI", "NodeValues", "NodeSchema", "HostCore", "FuzzSupport"]),
    tests("HostctlTests", ["NodeValues", "HostCore"]),
    tests(
      "HostRuntimeTests",
      [
        "CNodeABI", "NodeValues", "NodeSchema", "HostCore", "HostRuntime", "CSystem", "CHttp2", "CSha256",
        "FuzzSupport", "TestPorts",
      ]),
    tests("PluginCheckTests", ["NodeValues", "HostCore", "HostRuntime", "PluginCheck"]),
    // Roles in simulated worlds: how they are built right and broken, their scenarios and their invariants.
    .target(
      name: "SimulatedRoles", dependencies: ["NodeValues", "HostCore", "HostRuntime", "Simulator"],
      path: "Tests/Simulation/Roles",
      swiftSettings: strict),
    // Counts the seeds that it takes to find them.
    .executableTarget(
      name: "planted-faults", dependencies: ["HostCore", "HostRuntime", "Simulator", "SimulatedRoles"],
      path: "Tests/Simulation/Planted", swiftSettings: strict),
    tests("SimulatorTests", ["CNodeABI", "NodeValues", "HostCore", "HostRuntime", "Simulator", "SimulatedRoles"]),
    tests("NodeProcessTests", ["NodeValues", "HostCore", "HostRuntime", "SimulatedRoles", "TestPorts"]),
    tests("ElectorTests", ["NodeKit", "NodeTesting", "ElectorCore", "FuzzSupport"]),
    tests("CanaryTests", ["NodeKit", "NodeTesting", "CanaryCore", "FuzzSupport"]),
    tests("CoordinatorTests", ["NodeKit", "NodeTesting", "CoordinatorCore", "LedgerCore", "FuzzSupport"]),
    tests("ImagesTests", ["NodeKit", "NodeTesting", "ImagesCore", "FuzzSupport"]),
    tests("FlotillaTests", ["NodeKit", "NodeTesting", "FlotillaCore", "FuzzSupport"]),
    tests("ImageFramesTests", ["NodeKit", "NodeTesting", "ImageFramesCore", "FuzzSupport"]),
  ] + plugins.map(\.target) + plugins.compactMap(\.coreTarget) + fuzzers
)
