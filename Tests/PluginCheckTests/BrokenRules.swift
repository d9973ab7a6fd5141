import Testing

/// A way to break one rule, and what the checker must say of it.
struct BrokenRule: Sendable, CustomTestStringConvertible {
  var flags: [String]
  /// The cases that go wrong, and how. All others pass or are skipped.
  var verdicts: [String: String]
  /// Must stand in what the first of them found.
  var words: String
  /// What is run: most rules are broken far from most cases.
  var options: [String]

  var testDescription: String { flags.joined(separator: " ") }

  init(_ define: String, _ verdicts: [String: String], _ words: String = "", _ options: [String]) {
    flags = define.hasPrefix("-") ? define.split(separator: " ").map(String.init) : ["-DCASE_\(define)"]
    self.verdicts = verdicts
    self.words = words
    self.options = options
  }

  private static let file = ["--only", "static", "--only", "open", "--only", "lifecycle.life"]
  private static let role = [
    "negotiation", "lifecycle", "configuration", "state", "threads", "swap", "faults",
  ].flatMap { ["--only", $0] }

  static let all: [BrokenRule] = inFile + inOpening + inNegotiation + inLife + inConfiguration + inState + elsewhere

  static let inFile = [
    BrokenRule("SECOND_EXPORT", ["static.one-export": "failed"], "second_export", file),
    BrokenRule("NO_NOTE", ["static.note": "failed"], "has no .note.nodehost", []),
    BrokenRule("NO_ENTRY", ["static.entry": "failed"], "does not export nh_plugin_query", []),
    BrokenRule("UNDEFINED_SYMBOL", ["static.symbols": "failed"], "nobody_defines_this", []),
    BrokenRule("-Wl,-z,execstack", ["static.stack": "failed"], "executable stack", file),
    BrokenRule("-DCASE_TEXT_RELOCATION -Wl,-z,notext", ["static.text-relocations": "failed"], "", file),
    BrokenRule("STATIC_TLS", ["static.static-tls": "failed"], "static thread-local", file),
    BrokenRule("UNIQUE_SYMBOL", ["static.unique-symbols": "failed"], "unique_name", file),
  ]

  static let inOpening = [
    BrokenRule("THREAD_ON_LOAD", ["open.threads": "failed"], "left running", file),
    BrokenRule("DESCRIPTOR_ON_LOAD", ["open.descriptors": "failed"], "/dev/null", file),
    BrokenRule("SIGNAL_ON_LOAD", ["open.signals": "failed"], "User defined signal 1", file),
    BrokenRule("ENVIRONMENT_ON_LOAD", ["open.surroundings": "failed"], "CHECKED_WAS_HERE", file),
    BrokenRule("FOLDER_ON_LOAD", ["open.surroundings": "failed"], "working folder", file),
    BrokenRule("UMASK_ON_LOAD", ["open.surroundings": "failed"], "and is 0", file),
    BrokenRule("PRINTS_ON_LOAD", ["open.output": "failed"], "hello from the constructor", file),
    BrokenRule("SLOW_LOAD", ["open.time": "failed"], "it took", ["--only", "open"]),
    BrokenRule("CRASHING_LOAD", ["open.loads": "crashed"], "SIGABRT", []),
    BrokenRule("HANGING_LOAD", ["open.loads": "hung"], "after 1s", ["--limit", "1"]),
    BrokenRule("BAD_TABLE", ["open.loads": "failed"], "its version is \"one\"", []),
  ]

  static let inNegotiation = [
    BrokenRule("NEEDS_TERMINATOR", ["negotiation.older-host": "crashed"], "SIGSEGV", role),
    BrokenRule("READS_BEYOND_TABLE", ["negotiation.older-host": "crashed"], "SIGSEGV", role),
    BrokenRule("REFUSES_LONGER_TABLES", ["negotiation.newer-host": "failed"], "a table of another size", role),
    BrokenRule("ACCEPTS_ANY_MAJOR", ["negotiation.other-major": "failed"], "majors 2 to 3", role),
    BrokenRule("ACCEPTS_ANY_LAYOUT", ["negotiation.other-layout": "failed"], "another layout", role),
    BrokenRule(
      "REFUSES_WITHOUT_ERROR_ROOM", ["negotiation.other-major": "crashed", "negotiation.other-layout": "crashed"],
      "SIGSEGV", role),
    BrokenRule("ASKS_UNDECLARED", ["negotiation.declared-services": "failed"], "nodehost.roles/1", role),
    BrokenRule("ASKS_UNKNOWN", ["negotiation.declared-services": "failed"], "com.example.unknown/1", role),
    BrokenRule(
      "TRUSTS_SERVICES", ["negotiation.unknown-services": "crashed", "lifecycle.nth-call-fails": "crashed"], "SIGSEGV",
      role),
    BrokenRule("ANOTHER_ANSWER", ["negotiation.same-answer": "failed"], "differs from the first", role),
  ]

  static let inLife = [
    BrokenRule("CREATE_FAILS", ["lifecycle.life": "failed"], "never level enough", []),
    BrokenRule("CRASHES_IN_METHOD", ["lifecycle.life": "crashed"], "SIGABRT", []),
    BrokenRule("HANGS_IN_METHOD", ["lifecycle.life": "hung"], "", ["--limit", "1"]),
    BrokenRule(
      "LEAKS_IN_CREATE",
      [
        "lifecycle.thousand-creates": "failed", "lifecycle.thousand-lives": "failed",
        "lifecycle.failed-start": "failed",
      ], "48 each", role),
    BrokenRule(
      "DESCRIPTOR_IN_CREATE",
      [
        "configuration.no-side-effects": "failed", "lifecycle.thousand-creates": "failed",
        "lifecycle.thousand-lives": "failed", "lifecycle.failed-start": "failed",
      ], "/dev/null", role),
    BrokenRule("LEAKS_IN_METHOD", ["lifecycle.thousand-lives": "failed"], "48 each", role),
    BrokenRule(
      "CRASHES_WITHOUT_TIMER", ["lifecycle.nth-call-fails": "crashed", "lifecycle.failed-start": "crashed"], "", role),
    BrokenRule("FORGETS_CALL", ["lifecycle.nth-call-fails": "failed"], "nh_timer_service.once failed", role),
    BrokenRule("LEAKS_IN_FAILED_START", ["lifecycle.failed-start": "failed"], "failed starts leave", role),
    BrokenRule("GATHERS_SUBSCRIPTIONS", ["lifecycle.long-life": "failed"], "subscriptions", role),
    BrokenRule("CANCELS_IN_DESTROY", ["lifecycle.after-stop": "failed"], "nh_timer_service.cancel", role),
    BrokenRule(
      "USES_HOST_LATE", ["lifecycle.after-stop": "crashed"], "SIGSEGV", ["--only", "lifecycle.after-stop"]),
    BrokenRule(
      "SHARED_COUNT",
      [
        "lifecycle.two-instances": "failed", "threads.one-after-another": "failed", "threads.side-by-side": "failed",
        "state.same-bytes": "failed",
      ], "", role),
  ]

  static let inConfiguration = [
    BrokenRule("-DSCHEMA=\"{}\"", ["configuration.mutants": "failed"], "", role),
    BrokenRule("-DSCHEMA=\"{\\\"type\\\":\\\"objekt\\\"}\"", ["configuration.schema": "failed"], "objekt", role),
    BrokenRule("PRINTS_IN_CREATE", ["configuration.no-side-effects": "failed"], "it prints", role),
    BrokenRule(
      "CLOCK_IN_CREATE", ["configuration.no-side-effects": "failed", "threads.brackets": "failed"], "nh_host.now", role),
    BrokenRule("CRASHES_AT_LIMIT", ["configuration.fuzz": "crashed"], "1000", role),
    BrokenRule("SILENT_AT_LIMIT", ["configuration.fuzz": "failed"], "without a reason", role),
  ]

  static let inState = [
    BrokenRule("LOADS_NOTHING", ["state.round-trip": "failed"], "v1:", role),
    BrokenRule("SAVES_ADDRESS", ["state.same-bytes": "failed", "state.round-trip": "failed"], "v1:", role),
    BrokenRule("CRASHES_ON_CUT_STATE", ["state.truncated": "crashed"], "of 19 bytes", role),
    BrokenRule("CRASHES_ON_EMPTY_STATE", ["state.empty": "crashed"], "", role),
    BrokenRule("HANGS_ON_EMPTY_STATE", ["state.empty": "hung"], "", role + ["--limit", "2"]),
    BrokenRule("CRASHES_ON_LONG_STATE", ["state.random": "crashed"], "random state", role),
    BrokenRule("CRASHES_ON_OTHER_VERSION", ["state.other-version": "crashed"], "version 0", role),
    BrokenRule("READS_BEYOND_STATE", ["state.truncated": "crashed", "state.random": "crashed"], "", role),
    BrokenRule(
      "REFUSES_SILENTLY",
      [
        "state.truncated": "failed", "state.empty": "failed", "state.random": "failed", "state.other-version": "failed",
      ], "without a reason", role),
    BrokenRule("IGNORES_SINK", ["state.short-writes": "failed"], "all is well", role),
  ]

  static let elsewhere = [
    BrokenRule("CALLS_OFF_THREAD", ["threads.brackets": "failed"], "on another thread", role),
    BrokenRule("THREAD_LOCAL", ["threads.one-after-another": "crashed"], "SIGSEGV", role),
    BrokenRule("COUNTS_INSTANCES", ["threads.side-by-side": "crashed"], "SIGABRT", role),
    BrokenRule("KEEPS_OLD_TIMERS", ["swap.self": "failed"], "timers", role),
    BrokenRule("NO_REASON", ["faults.errors": "failed"], "without a reason", role),
    BrokenRule("ODD_STATUS", ["faults.errors": "failed"], "status 99", role),
    BrokenRule("TRAPS_ON_EDGE", ["faults.traps": "crashed"], "add is called", role),
    BrokenRule("SLOW_METHOD", ["faults.hangs": "failed"], "the method add", ["--only", "faults.hangs"]),
    BrokenRule("PUBLISHES_UNDECLARED", ["faults.misuse": "failed"], "checked.tock", role),
    BrokenRule("ANSWERS_TEXT", ["faults.misuse": "failed"], "answered with text", role),
    BrokenRule(
      "CRASHES_ON_LATE_CANCEL", ["faults.cancelled": "crashed", "faults.strangers": "crashed"], "SIGABRT", role),
    BrokenRule("CRASHES_ON_NEW_KIND", ["faults.strangers": "crashed"], "SIGABRT", role),
  ]
}
