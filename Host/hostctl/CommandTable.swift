import HostCore

/// Everything that hostctl understands.
enum CommandTable {
  private static let role = Argument("ROLE", help: "The role's name, as hostctl list shows it")

  static let program = Program(
    name: "hostctl",
    summary: "look at and steer running nodes",
    discussion: """
      hostctl talks to a running node over its Unix socket. With one node on the machine it is found by \
      itself; with several, --node says which. A node on another machine that has a control.address in its \
      manifest is asked with --at and --token.

      Tables are for people; with --json every command prints what the node answered, for programs.
      """,
    options: [
      Option(long: "node", value: "NAME", help: "The node to talk to; hostctl nodes lists them"),
      Option(
        long: "socket", value: "PATH", help: "The node's control socket, instead of finding it", completion: .file),
      Option(long: "at", value: "HOST:PORT", help: "A node on another machine: its control.address"),
      Option(
        long: "token", value: "FILE", help: "With --at: the file with the node's control.token", completion: .file),
      Option(
        long: "authority", value: "FILE", help: "With --at: whose certificates are believed, in PEM",
        completion: .file),
      Option(
        long: "identity", value: "FILE", help: "With --at: a certificate and its key in PEM, if the node asks for one",
        completion: .file),
      Option(long: "json", help: "Print JSON for programs"),
    ],
    commands: looking + steering + storing + [canary, learning] + withoutNode,
    environment: [
      Named("NODEHOST_NODE", "What --node says, if it is not given"),
      Named("NODEHOST_SOCKET", "What --socket says, if it is not given"),
      Named("NODEHOST_AT", "What --at says, if it is not given"),
      Named("NODEHOST_TOKEN", "The token itself, if --token is not given"),
      Named("NODEHOST_AUTHORITY", "What --authority says, if it is not given"),
      Named("NODEHOST_IDENTITY", "What --identity says, if it is not given"),
      Named("PEERS", "For images: ID=HOST:PORT of the nodes, between commas"),
      Named("CONFIG_FILE", "For images: a JSON file with \"peers\""),
      Named("NODEHOST_RUNTIME_DIR", "The folder where running nodes leave their records"),
      Named("NO_COLOR", "Set to anything: no colours"),
      Named("COLUMNS", "The terminal's width, if it is not the window's"),
    ])

  private static let looking = [
    Command(
      name: "list", summary: "List the node's roles",
      discussion: "GEN counts the swaps of a role, LOOP is the event loop that it lives on.",
      examples: [Named("hostctl list --json | jq '.roles[].name'", "Only the names")]),
    Command(
      name: "describe", summary: "Show a role's settings, methods, services and origin", arguments: [role],
      examples: [Named("hostctl describe hello", "What hello can do")]),
    Command(
      name: "call", summary: "Call a method of a role and print its reply",
      discussion: """
        Arguments are converted by the method's signature, which hostctl describe shows. Bytes are given in \
        base64; for a parameter of type bytes or json, @FILE stands for the content of a file. Write -- \
        before an argument that begins with a dash.

        With --on the role is on another node of the cluster, and the call goes over the link to it; @FILE is for \
        roles of the node itself.
        """,
      arguments: [
        role, Argument("METHOD", help: "The method's name"),
        Argument("ARG", .any, help: "One word for each parameter", completion: .file),
      ],
      options: [
        Option(long: "timeout", short: "t", value: "MS", help: "Give up after so many milliseconds"),
        Option(long: "on", value: "NODE", help: "The name of another node, which has the role; see hostctl peers"),
      ],
      examples: [
        Named("hostctl call hello add 2 40", "Add two numbers"),
        Named("hostctl call store put picture @photo.jpg --timeout 60000", "Send a file, and wait for a minute"),
        Named("hostctl call --on node-b hello greet Ada", "Ask the role of another node"),
      ]),
    Command(name: "status", summary: "Show the node: its address, memory, loops and notes"),
    Command(
      name: "health", summary: "Show how well the node, or one role, is",
      discussion: "Exits with 1 if the health is not ok.",
      arguments: [Argument("ROLE", .optional, help: "Only this role")],
      examples: [Named("hostctl health gateway && echo serving", "In a script")]),
    Command(
      name: "logs", summary: "Show the node's log",
      options: [
        Option(long: "follow", short: "f", help: "Go on with new lines until interrupted"),
        Option(long: "lines", short: "n", value: "N", help: "The last so many lines"),
        Option(long: "role", short: "r", value: "ROLE", help: "Only lines of this role"),
        Option(
          long: "level", short: "l", value: "LEVEL", help: "Only lines at least this serious",
          completion: .words(ControlAPI.logLevels)),
      ],
      examples: [Named("hostctl logs -f -r gateway -l warning", "Watch for a role's trouble")]),
    Command(
      name: "metrics", summary: "Print the node's metrics in the Prometheus text form",
      examples: [Named("hostctl metrics --json", "The same as JSON")]),
    Command(
      name: "peers", summary: "Show the node's links to the other nodes of its cluster",
      discussion: """
        LINKS counts how often a link came up, DROPPED the messages that found no role, or one that did not get on. \
        Below the table stands why a link is down, what went wrong since it came up, and who else tried to connect.

        cut and heal are for tests of what happens when nodes cannot reach one another: a cut link carries nothing \
        more, and each side finds out by the silence. The node does it only if it was started with --dev.
        """,
      arguments: [
        Argument(
          "cut|heal", .optional, help: "Cut a link, or let it come up again", completion: .words(["cut", "heal"])),
        Argument("ID", .optional, help: "The node at its other end"),
      ],
      options: [
        Option(
          long: "direction", value: "DIRECTION", help: "What is cut: incoming, outgoing or both, as seen from the node",
          completion: .words(PeerCut.Direction.allCases.map(\.rawValue)))
      ],
      examples: [
        Named("hostctl peers --json | jq '.peers[] | select(.up | not)'", "Only those that are down"),
        Named("hostctl peers cut 2 --direction incoming", "Hear node 2 no more"),
      ]),
    Command(
      name: "nodes", summary: "List the nodes of this machine",
      discussion: "A node that is gone left its record behind when it was killed; the next start replaces it."),
  ]

  private static let steering = [
    Command(
      name: "load", summary: "Start a role on the running node",
      discussion: "The node allows it if its manifest says hot_swap: on, or if it was started with --dev.",
      options: [
        Option(long: "role", value: "ID", help: "The kind of role: its plugin's id"),
        Option(long: "name", value: "NAME", help: "The new role's name; its id if not given"),
        Option(
          long: "plugin", value: "PATH", help: "The plugin's name or file; the id if not given", completion: .file),
        Option(long: "config", value: "JSON", help: "The role's configuration, as JSON"),
      ],
      examples: [Named(#"hostctl load --role hello --name hi --config '{"greeting":"Hi"}'"#, "A second hello")]),
    Command(name: "unload", summary: "Drain and end a role", arguments: [role]),
    Command(name: "restart", summary: "End a role and start it anew", arguments: [role]),
    Command(
      name: "swap", summary: "Exchange the plugin of a running role, with its state",
      discussion: """
        The new build is tried beside the running one, takes over its state, and the calls that came meanwhile; \
        none is lost. For a while after that it is on probation: if it fails, the build before it comes back, \
        and the one that failed is quarantined by its hash. Roles that are given together, and those of --all, \
        change together or not at all.

        Without PLUGIN.so the node takes the file that it finds in its plugin folders. The node allows it if \
        its manifest says hot_swap: on, or if it was started with --dev.
        """,
      arguments: [
        Argument("ROLE", .optional, help: "The role's name; with --all none"),
        Argument("PLUGIN.so", .optional, help: "The build to take", completion: .file),
      ],
      options: [
        Option(long: "all", help: "Every role whose plugin's file has changed"),
        Option(long: "force", help: "Try a quarantined build once more"),
      ],
      examples: [
        Named("hostctl swap hello", "Take the new file in the plugin folder"),
        Named("hostctl swap hello build/libhello.so", "Take this one"),
      ]),
    Command(
      name: "history", summary: "Show which builds a role has run, and how each ended",
      discussion: """
        BUILD is the beginning of the plugin file's SHA-256, PAUSE how long calls waited for the swap, STATE what \
        went along. Builds that failed are quarantined; hostctl swap --force tries one again.
        """,
      arguments: [role]),
    Command(
      name: "rollback", summary: "Go back to an earlier build of a role, with its state",
      arguments: [
        role, Argument("GENERATION", .optional, help: "As in hostctl history; else the last build that served"),
      ],
      examples: [Named("hostctl rollback hello 2", "The build of generation 2")]),
    Command(
      name: "blob", summary: "List, fetch or check the objects that a role keeps on disk",
      discussion: """
        ls lists them, stat tells what is known of one, get writes its bytes to the output after checking all of \
        them, and scrub reads every object, tells what is not as it was written, and puts that into quarantine: \
        roles get DATA_LOSS for it until it is written again. A scrub goes on in the node when hostctl is \
        interrupted; asked again, hostctl watches it.

        KEY is the id of the key, in the manifest's blobs.keys, that an object is sealed with.
        """,
      arguments: [
        Argument(
          "ACTION", help: "ls, stat, get or scrub", completion: .words(BlobCommands.Action.allCases.map(\.rawValue))),
        role, Argument("SHA256", .optional, help: "The object's name, for stat and get"),
      ],
      examples: [
        Named("hostctl blob scrub sink", "Look for damage; exits with 1 if there is any"),
        Named("hostctl blob ls sink --json | jq -r '.blobs[].sha256'", "Only the names"),
      ]),
    Command(
      name: "reload", summary: "Let the node read its manifest again and apply what changed",
      discussion: "What needs a new start of the whole node is named and left as it is."),
  ]

  private static let storing = [
    Command(
      name: "store", summary: "Look into a role's durable store, and change it",
      discussion: """
        ls lists the keys, get prints a value as it is, export prints all entries, one a line, as JSON; they work \
        whether or not the role runs. put and delete change the store of a role, which is not told; the node allows it \
        if its manifest says hot_swap: on, or if it was started with --dev.

        Keys and values that are not text are shown in base64, in JSON under names that end in _base64.
        """,
      arguments: [
        Argument(
          "ACTION", help: "ls, get, put, delete or export",
          completion: .words(StoreCommand.Action.allCases.map(\.rawValue))),
        role, Argument("KEY", .optional, help: "The key; for ls and export what it begins with"),
        Argument("VALUE", .optional, help: "What to put; @FILE is the content of a file", completion: .file),
      ],
      options: [
        Option(long: "base64", short: "b", help: "KEY and VALUE are given, and shown, in base64"),
        Option(long: "limit", value: "N", help: "At most so many entries"),
        Option(long: "revision", value: "N", help: "Only if the key has this revision; 0: only if it is not there"),
      ],
      examples: [
        Named("hostctl store ls visits user/", "The keys that begin with user/"),
        Named("hostctl store export visits > visits.jsonl", "A copy of all of it"),
        Named("hostctl store put visits user/ada 7 --revision 12", "Unless somebody was faster"),
      ]),
    Command(
      name: "txn", summary: "Propose transactions over several nodes, look at them, and resolve one in doubt",
      discussion: """
        list shows what is open on the node, in doubt, or over; a transaction is in doubt where a node has voted for \
        it and does not know the outcome, and WAITS FOR names the nodes that could tell. show asks all nodes what they \
        know of one. watch prints what is decided as it comes. propose exits with 1 if the transaction was aborted.

        resolve commits or aborts a transaction in doubt on this node alone, without the others: for when the node \
        that could tell will never come back. If that turns out to be wrong, the node logs it as heuristic damage, and \
        show says so from then on.
        """,
      arguments: [
        Argument(
          "ACTION", help: "list, show, resolve, propose or watch",
          completion: .words(TxnCommand.Action.allCases.map(\.rawValue))),
        Argument(
          "WORD", .any,
          help:
            "For list open, in_doubt or history; else an id; for resolve also commit or abort, and why; for propose "
            + "JSON, or @FILE",
          completion: .words(TxnCommand.lists)),
      ],
      options: [
        Option(long: "limit", value: "N", help: "list shows at most so many; 50 if not given"),
        Option(long: "role", value: "NAME", help: "The role's name; coordinator if not given"),
      ],
      examples: [
        Named("hostctl txn list in_doubt", "What waits for its outcome, and for whom"),
        Named("hostctl txn resolve 1.7.42 abort node 1 has burnt down", "Free its keys on this node"),
      ]),
  ]

  private static let withoutNode = [
    Command(
      name: "images", summary: "Send images to the node that leads, and look at what is stored",
      discussion: """
        status asks every server whether it leads, discover says which one does. send sends images there, waits until \
        enough nodes have them on disk, and checks that they were stored as they are; if the leader dies meanwhile, it \
        goes on with the next one. list, get and delete ask the leader. verify and rotate-key are done by the node of \
        --node or --socket: it reads all its images, or seals them anew with the key that blobs.key of its manifest \
        names, which is given as WORD.

        Without ACTION there is a prompt that takes status, send-image PATH, discover, list, get ID FILE and \
        delete ID, completes with Tab, and remembers lines. Ctrl-C ends what goes on there; Ctrl-D leaves.
        """,
      arguments: [
        Argument(
          "ACTION", .optional, help: "status, discover, send, list, get, delete, verify or rotate-key",
          completion: .words(ImagesCommand.Action.allCases.map(\.rawValue))),
        Argument(
          "WORD", .any, help: "For send the files, for get and delete the image's id, for rotate-key the key's",
          completion: .file),
      ],
      options: [
        Option(
          long: "servers", value: "LIST",
          help: "HOST:PORT of the nodes, between commas; else PEERS, the peers of CONFIG_FILE, or ports 7001 to 7003"),
        Option(long: "patience", value: "SECONDS", help: "Give up sending an image after so long; 60 if not given"),
        Option(long: "output", short: "o", value: "FILE", help: "Where get writes to", completion: .file),
        Option(long: "width", value: "PIXELS", help: "get fetches a smaller picture, so wide"),
        Option(long: "role", value: "NAME", help: "The role's name for verify and rotate-key; images if not given"),
      ],
      examples: [
        Named("hostctl images send *.jpg", "Send these, wherever the leader is"),
        Named("hostctl images get 3f2a… -o small.jpg --width 320", "A small one"),
      ]),
    Command(
      name: "new", summary: "Make a project for a new role",
      discussion: """
        The project has a configuration, a method, a timer, state that outlives a swap, tests, and a manifest to run \
        it with. It is built against the SDK that belongs to this hostctl.
        """,
      arguments: [Argument("NAME", help: "The role's id: small letters, digits and -")],
      options: [
        Option(
          long: "lang", value: "LANGUAGE", help: "swift, c or rust; swift if not given",
          completion: .words(NewCommand.Language.allCases.map(\.rawValue))),
        Option(long: "dir", value: "DIR", help: "The folder to make; NAME if not given", completion: .file),
      ],
      examples: [Named("hostctl new tea-counter --lang rust", "A role in Rust, in ./tea-counter")]),
    Command(
      name: "dev", summary: "Build a role, run it, and swap in each change that is saved",
      discussion: """
        Builds the project, runs a node with its manifest, and watches its sources. After each change it builds anew, \
        and the running role goes over to the new build with its state. What fails to build or to load changes \
        nothing: the version that runs goes on. A build that takes the node down with it is put aside for the one \
        before. Ctrl-C ends the node too.

        The project is a Swift package, a Cargo package or a folder with a Makefile.
        """,
      arguments: [Argument("DIR", .optional, help: "The project; the current folder if not given", completion: .file)],
      options: [
        Option(
          long: "manifest", value: "FILE", help: "The manifest to run; DIR/node.yaml if not given", completion: .file)
      ]),
    Command(
      name: "validate", summary: "Check manifests; no node is needed",
      discussion: "Runs nodehost validate, which takes further options: see nodehost validate --help.",
      arguments: [Argument("MANIFEST", .atLeastOne, help: "YAML files", completion: .file)],
      passesWordsOn: true),
    Command(
      name: "schema", summary: "Print the JSON Schema of a plugin's configuration; no node is needed",
      discussion: "Runs nodehost schema.",
      arguments: [Argument("PLUGIN.so", help: "The plugin's file", completion: .file)],
      passesWordsOn: true),
    Command(
      name: "check", summary: "Check that plugins keep the rules of the ABI; no node is needed",
      discussion: "Runs nodehost check, which takes further options: see nodehost check --help.",
      arguments: [Argument("PLUGIN.so", .any, help: "Plugin files", completion: .file)],
      passesWordsOn: true),
    Command(
      name: "simulate", summary: "Run a deployment in simulated worlds, or live, with faults; no node is needed",
      discussion: "Runs nodehost simulate, which takes further options: see nodehost simulate --help.",
      arguments: [Argument("DEPLOYMENT", help: "A folder of manifests, or a scenario (.sim)", completion: .file)],
      passesWordsOn: true),
    Command(
      name: "key", summary: "Make a key by which the nodes of a cluster know one another",
      discussion: "The file gets mode 0600. One that is there already is not touched.",
      arguments: [
        Argument("new", help: "Make one", completion: .words(["new"])),
        Argument("FILE", .optional, help: "Where; cluster.key if not given", completion: .file),
      ],
      examples: [Named("hostctl key new", "A key in ./cluster.key")]),
    Command(
      name: "systemd-unit", summary: "Print a systemd unit that runs a manifest as a service",
      discussion: """
        It starts the nodehost beside this hostctl in the manifest's folder, with the environment of MANIFEST.env if \
        there is such a file, reloads it with SIGHUP, and starts it again when it ends.
        """,
      arguments: [Argument("MANIFEST", help: "The manifest", completion: .file)],
      options: [
        Option(long: "user", value: "NAME", help: "Runs as this user; as root if not given"),
        Option(long: "instance", value: "N", help: "Runs the Nth node of this manifest on the machine"),
      ],
      examples: [Named("hostctl systemd-unit node.yaml --user nodehost > node.service", "For /etc/systemd/system")]),
    Command(name: "version", summary: "Show the versions of hostctl and of the node"),
    Command(
      name: "completions", summary: "Print completions for a shell",
      arguments: [Argument("SHELL", help: "bash, zsh or fish", completion: .words(Shell.allCases.map(\.rawValue)))],
      examples: [Named("source <(hostctl completions bash)", "Use them now")]),
    Command(
      name: "man", summary: "Print the manual page in roff",
      examples: [Named("hostctl man | man -l -", "Read it")]),
  ]
}
