import HostCore
import NodeSchema
import Simulator

/// Everything that nodehost understands.
enum CommandTable {
  private static let manifest = Argument("MANIFEST", help: "The node's manifest, a YAML file", completion: .file)

  private static let overrides = [
    Option(
      long: "set", value: "PATH=VALUE", help: "Put a value into the manifest: roles.hello.config.greeting=Hi",
      repeatable: true),
    Option(
      long: "instance", value: "N", help: "Be the Nth node of this manifest on this machine: own name, state, ports"),
    Option(long: "peer", value: "ID=HOST", help: "Where the peer with this id is", repeatable: true),
  ]

  private static let faults = FaultKind.help.map { "\($0.0.rawValue) (\($0.1))" }.joined(separator: "; ")

  static let program = Program(
    name: "nodehost",
    summary: "run the roles that a manifest names",
    discussion: """
      nodehost reads one manifest, loads the plugins that it names, and runs their roles until it is told \
      to end. hostctl looks at it and steers it.

      SIGTERM and SIGINT drain the roles and end the node; a second one ends it at once. SIGHUP reads the \
      manifest again and applies what has changed.

      `nodehost MANIFEST` is short for `nodehost run MANIFEST`.
      """,
    commands: [
      Command(
        name: "run", summary: "Run a node",
        discussion: """
          Writes its log to standard error, one line each. Exits with 0 after it was told to end, with 1 if it \
          could not start, was told a second time, or had to end without a role whose code never returned.
          """,
        arguments: [manifest],
        options: overrides + [
          Option(long: "dev", help: "Load and unload roles at run time, from any folder, as if hot_swap were on"),
          Option(long: "no-watch", help: "Take a plugin's new build only when told, not when its file changes"),
          Option(long: "check", help: "Start each role once, print them, end; 0 if all of them run"),
        ],
        examples: [
          Named("nodehost node.yaml", "Run a node in the foreground"),
          Named("nodehost node.yaml --instance 2 --set roles.hello.config.greeting=Hi", "A second one beside it"),
        ]),
      Command(
        name: "validate", summary: "Check manifests, and their roles' configuration, without running them",
        discussion: """
          Reports every error with its place. Configuration is checked against the schema of the role's plugin, \
          and then by the plugin itself, which a trial process creates and destroys. Exits with 1 if there is \
          an error.
          """,
        arguments: [Argument("MANIFEST", .atLeastOne, help: "Manifests to check", completion: .file)],
        options: overrides + [
          Option(long: "without-plugins", help: "Check the manifest alone, for plugins that are not here"),
          Option(long: "json", help: "Print JSON for programs"),
        ],
        examples: [Named("nodehost validate manifests/*/*.yaml", "Check all of them")]),
      Command(
        name: "schema", summary: "Print the JSON Schema of a plugin's configuration",
        arguments: [Argument("PLUGIN", help: "The plugin's file", completion: .file)],
        options: [
          Option(long: "all", help: "Everything the plugin says of itself: methods, needs, topics"),
          Option(long: "json", help: "Accepted for symmetry: the output is JSON either way"),
        ],
        examples: [Named("nodehost schema libhello.so", "What may stand under config:")]),
      Command(
        name: "check", summary: "Check that plugins keep the rules of the ABI",
        discussion: """
          Tries each plugin in several dozen cases, each in a process of its own with a time limit: what the file \
          says, what opening it changes, older and newer hosts, failing host calls, wrong configuration, damaged \
          state, threads, swaps, and faults. A case passes, fails, crashes, hangs, or is skipped if it does not apply.

          Every failure comes with what was found, what was expected, a remedy, and the command that repeats it \
          alone. Exits with 1 if a case fails, crashes or hangs, and with 64 for a command line that it does not \
          understand.
          """,
        arguments: [Argument("PLUGIN", .any, help: "Plugin files to check", completion: .file)],
        options: [
          Option(long: "list", help: "List the cases, and check nothing"),
          Option(
            long: "only", value: "CASE", help: "Only this group, case, or part of a case: lifecycle.nth-call-fails:7",
            repeatable: true),
          Option(long: "seed", value: "N", help: "Make up the same arguments again; otherwise each run has its own"),
          Option(long: "config", value: "JSON", help: "The role's configuration, if its defaults are not enough"),
          Option(long: "limit", value: "SECONDS", help: "Time limit of each case, instead of its own"),
          Option(long: "in-process", help: "All in this process, without limits: for a debugger"),
          Option(long: "junit", value: "FILE", help: "Also write JUnit XML, for build servers", completion: .file),
          Option(long: "json", help: "Print JSON for programs"),
        ],
        examples: [
          Named("nodehost check libhello.so", "Try everything"),
          Named("nodehost check --only state --seed 42 libhello.so", "One group, with the arguments of another run"),
        ]),
      Command(
        name: "simulate", summary: "Run a deployment in simulated worlds, with everything that can go wrong",
        discussion: """
          All nodes run in one process on virtual time, with the very plugins that are deployed. What goes wrong, and \
          when, follows from the seed; the same seed is the same run. A failure comes with what was before it and the \
          command that repeats it. Every tenth seed runs twice, and must be the same twice.

          DEPLOYMENT is a folder of manifests, one manifest, or a scenario: lines of deployment PATH, nodes COUNT, \
          neighbours COUNT, minutes NUMBER, seed NUMBER, faults LIST, clients COUNT [pause A..B] [timeout T], below \
          them call ROLE.METHOD [WORD...] and get, post, put or delete /PATH [on LISTENER] [BODY], \
          operations COUNT, at TIME FAULT [for TIME], always and within. The README explains them. Without a \
          scenario all roles must run 15 s after the last fault.

          Faults that can be left out or chosen: \(faults). `all` is all of them but the last two; `all,-disks` \
          leaves some out.

          Faults for `at`: \(Fault.forms).

          With --live real nodes play the scenario on this machine, a process each, and minutes are real: one, unless \
          --minutes says otherwise or the scenario has fewer. The seed decides what goes wrong and what clients ask \
          for; how the machine mixes it is new each time. Nodes are killed and started again, stand still, lose their \
          links, swap roles and read their manifests again; what of the scenario cannot be done live is said at the end.

          Exits with 0 if all runs are right, with 1 if one fails, and with 64 for a command line that it does not \
          understand.
          """,
        arguments: [
          Argument("DEPLOYMENT", help: "A folder of manifests, or a scenario (.sim)", completion: .file)
        ],
        options: [
          Option(long: "seed", value: "N", help: "One run, with the events of this seed"),
          Option(long: "seeds", value: "A..B", help: "A run for each of these seeds"),
          Option(long: "minutes", value: "M", help: "Minutes of each run: virtual ones, with --live real ones"),
          Option(long: "nodes", value: "N", help: "So many nodes, further ones like the last"),
          Option(long: "neighbours", value: "K", help: "Link each node with K before and after it, instead of all"),
          Option(long: "faults", value: "LIST", help: "What goes wrong: all, none, or names between commas"),
          Option(long: "live", help: "Real processes on this machine instead of a simulated world"),
          Option(long: "trace", value: "FILE", help: "Write every event of the run into a file", completion: .file),
          Option(long: "shrink", help: "Look for a smaller run with the same failure, and write it as a scenario"),
          Option(long: "twice", help: "Run each seed twice and compare, not only every tenth"),
          Option(long: "jobs", value: "J", help: "So many processes side by side; otherwise one per core"),
          Option(long: "json", help: "Print JSON for programs"),
        ],
        examples: [
          Named("nodehost simulate manifests --seeds 1..1000", "A thousand runs of a minute each"),
          Named("nodehost simulate register.sim --seed 42 --trace events.txt", "One run, event by event"),
          Named("nodehost simulate register.sim --seed 42 --shrink", "The least that fails in the same way"),
          Named("nodehost simulate register.sim --live --minutes 0.5", "Half a minute with real processes"),
        ]),
      Command(name: "man", summary: "Print the manual page, to be shown by `man -l -`"),
      Command(
        name: "completions", summary: "Print completions for a shell",
        arguments: [Argument("SHELL", help: "bash, zsh or fish", completion: .words(["bash", "zsh", "fish"]))]),
    ],
    environment: [
      Named("NODEHOST_RUNTIME_DIR", "The folder where the node leaves its record for hostctl"),
      Named("NO_COLOR", "Set to anything: no colours"),
    ])

  /// `nodehost node.yaml` is `nodehost run node.yaml`, whatever options come first.
  static func completed(_ words: [String]) -> [String] {
    let names = program.commands.map(\.name)
    let standard = ["-h", "--help", "--version"]
    guard let first = words.first, !names.contains(first), !standard.contains(first) else { return words }
    // A word that is nearly a command is a slip rather than a manifest.
    if words.count == 1, !first.contains("."), nearestWord(to: first, among: names) != nil { return words }
    return ["run"] + words
  }
}
