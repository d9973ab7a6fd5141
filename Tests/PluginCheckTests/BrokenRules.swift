import Glibc
import Testing

/// A way to break one rule, and what the checker must say of it.
struct BrokenRule: Sendable, CustomTestStringConvertible {
  var flags: [String]
  /// The cases that go wrong, and how. All others pass or are skipped.
  var verdicts: [String: String]
  /// Must stand in what the first of them found.
  var words: String
  /// What is run. Nothing is everything, with what a bad plugin is spared.
  var options: [String]

  /// The groups of these cases and the plain life, or in long tests all groups that run the role: starting a
  /// process for each case is what takes the time.
  private enum Scope {
    case all, only([String]), file, role
  }

  var testDescription: String { flags.joined(separator: " ") }

  private init(
    _ define: String, _ verdicts: [String: String], _ words: String = "", _ scope: Scope = .role, limit: Int? = nil
  ) {
    flags = define.hasPrefix("-") ? define.split(separator: " ").map(String.init) : ["-DCASE_\(define)"]
    self.verdicts = verdicts
    self.words = words
    options = Self.cases(scope, verdicts.keys) + (limit.map { ["--limit", "\($0)"] } ?? [])
  }

  private static func cases(_ scope: Scope, _ ids: some Collection<String>) -> [String] {
    let isLong = getenv("NODEHOST_LONG_TESTS") != nil
    let names: [String] =
      switch scope {
      case .all: []
      case .only(let names): names
      case .file: ["static", "open", "lifecycle.life"]
      case .role where isLong:
        ["negotiation", "lifecycle", "configuration", "state", "threads", "swap", "faults"]
      case .role:
        Set(ids.map { String($0.split(separator: ".")[0]) }).sorted()
          + (ids.contains { $0.hasPrefix("life") } ? [] : ["lifecycle.life"])
      }
    return names.flatMap { ["--only", $0] }
  }

  static let all: [BrokenRule] = inFile + inOpening + inNegotiation + inLife + inConfiguration + inState + elsewhere

  static let inFile = [
    BrokenRule("SECOND_EXPORT", ["static.one-export": "failed"], "second_export", .file),
    BrokenRule("NO_NOTE", ["static.note": "failed"], "has no .note.nodehost", .all),
    BrokenRule("NO_ENTRY", ["static.entry": "failed"], "does not export nh_plugin_query", .all),
    BrokenRule("UNDEFINED_SYMBOL", ["static.symbols": "failed"], "nobody_defines_this", .all),
    BrokenRule("-Wl,-z,execstack", ["static.stack": "failed"], "executable stack", .file),
    BrokenRule("-DCASE_TEXT_RELOCATION -Wl,-z,notext", ["static.text-relocations": "failed"], "", .file),
    BrokenRule("STATIC_TLS", ["static.static-tls": "failed"], "static thread-local", .file),
    BrokenRule("UNIQUE_SYMBOL", ["static.unique-symbols": "failed"], "unique_name", .file),
  ]

  static let inOpening = [
    BrokenRule("THREAD_ON_LOAD", ["open.threads": "failed"], "left running", .file),
    BrokenRule("DESCRIPTOR_ON_LOAD", ["open.descriptors": "failed"], "/dev/null", .file),
    BrokenRule("SIGNAL_ON_LOAD", ["open.signals": "failed"], "User defined signal 1", .file),
    BrokenRule("ENVIRONMENT_ON_LOAD", ["open.surroundings": "failed"], "CHECKED_WAS_HERE", .file),
    BrokenRule("FOLDER_ON_LOAD", ["open.surroundings": "failed"], "working folder", .file),
    BrokenRule("UMASK_ON_LOAD", ["open.surroundings": "failed"], "and is 0", .file),
    BrokenRule("PRINTS_ON_LOAD", ["open.output": "failed"], "hello from the constructor", .file),
    BrokenRule("SLOW_LOAD", ["open.time": "failed"], "it took", .only(["open"])),
    BrokenRule("CRASHING_LOAD", ["open.loads": "crashed"], "SIGABRT", .all),
    BrokenRule("HANGING_LOAD", ["open.loads": "hung"], "after 1s", .all, limit: 1),
    BrokenRule("BAD_TABLE", ["open.loads": "failed"], "its version is \"one\"", .all),
  ]

  static let inNegotiation = [
    BrokenRule("NEEDS_TERMINATOR", ["negotiation.older-host": "crashed"], "SIGSEGV"),
    BrokenRule("READS_BEYOND_TABLE", ["negotiation.older-host": "crashed"], "SIGSEGV"),
    BrokenRule("REFUSES_LONGER_TABLES", ["negotiation.newer-host": "failed"], "a table of another size"),
    BrokenRule("ACCEPTS_ANY_MAJOR", ["negotiation.other-major": "failed"], "majors 2 to 3"),
    BrokenRule("ACCEPTS_ANY_LAYOUT", ["negotiation.other-layout": "failed"], "another layout"),
    BrokenRule(
      "REFUSES_WITHOUT_ERROR_ROOM", ["negotiation.other-major": "crashed", "negotiation.other-layout": "crashed"],
      "SIGSEGV"),
    BrokenRule("ASKS_UNDECLARED", ["negotiation.declared-services": "failed"], "nodehost.roles/1"),
    BrokenRule("ASKS_UNKNOWN", ["negotiation.declared-services": "failed"], "com.example.unknown/1"),
    BrokenRule(
      "TRUSTS_SERVICES", ["negotiation.unknown-services": "crashed", "lifecycle.nth-call-fails": "crashed"], "SIGSEGV"),
    BrokenRule("ANOTHER_ANSWER", ["negotiation.same-answer": "failed"], "differs from the first"),
  ]

  static let inLife = [
    BrokenRule("CREATE_FAILS", ["lifecycle.life": "failed"], "never level enough", .all),
    BrokenRule("CRASHES_IN_METHOD", ["lifecycle.life": "crashed"], "SIGABRT", .all),
    BrokenRule("HANGS_IN_METHOD", ["lifecycle.life": "hung"], "", .all, limit: 1),
    BrokenRule(
      "LEAKS_IN_CREATE",
      [
        "lifecycle.thousand-creates": "failed", "lifecycle.thousand-lives": "failed",
        "lifecycle.failed-start": "failed",
      ], "48 each"),
    BrokenRule(
      "DESCRIPTOR_IN_CREATE",
      [
        "configuration.no-side-effects": "failed", "lifecycle.thousand-creates": "failed",
        "lifecycle.thousand-lives": "failed", "lifecycle.failed-start": "failed",
      ], "/dev/null"),
    BrokenRule("LEAKS_IN_METHOD", ["lifecycle.thousand-lives": "failed"], "48 each"),
    BrokenRule(
      "CRASHES_WITHOUT_TIMER", ["lifecycle.nth-call-fails": "crashed"], "nh_timer_service.every"),
    BrokenRule("FORGETS_CALL", ["lifecycle.nth-call-fails": "failed"], "nh_timer_service.once failed"),
    BrokenRule("LEAKS_IN_FAILED_START", ["lifecycle.failed-start": "failed"], "failed starts leave"),
    BrokenRule("GATHERS_SUBSCRIPTIONS", ["lifecycle.long-life": "failed"], "subscriptions"),
    BrokenRule("CANCELS_IN_DESTROY", ["lifecycle.after-stop": "failed"], "nh_timer_service.cancel"),
    BrokenRule(
      "USES_HOST_LATE", ["lifecycle.after-stop": "crashed"], "SIGSEGV", .only(["lifecycle.after-stop"])),
    BrokenRule(
      "SHARED_COUNT",
      [
        "lifecycle.two-instances": "failed", "threads.one-after-another": "failed", "threads.side-by-side": "failed",
        "state.same-bytes": "failed", "swap.undone": "failed",
      ], ""),
  ]

  static let inConfiguration = [
    BrokenRule("-DSCHEMA=\"{}\"", ["configuration.mutants": "failed"], ""),
    BrokenRule("-DSCHEMA=\"{\\\"type\\\":\\\"objekt\\\"}\"", ["configuration.schema": "failed"], "objekt"),
    BrokenRule("PRINTS_IN_CREATE", ["configuration.no-side-effects": "failed"], "it prints"),
    BrokenRule(
      "CLOCK_IN_CREATE", ["configuration.no-side-effects": "failed", "threads.brackets": "failed"], "nh_host.now"),
    BrokenRule("CRASHES_AT_LIMIT", ["configuration.fuzz": "crashed"], "1000"),
    BrokenRule("SILENT_AT_LIMIT", ["configuration.fuzz": "failed"], "without a reason"),
  ]

  static let inState = [
    BrokenRule("LOADS_NOTHING", ["state.round-trip": "failed"], "v1:"),
    BrokenRule("SAVES_ADDRESS", ["state.same-bytes": "failed", "state.round-trip": "failed"], "v1:"),
    BrokenRule("CRASHES_ON_CUT_STATE", ["state.truncated": "crashed", "state.random": "crashed"], "of 19 bytes"),
    BrokenRule("CRASHES_ON_EMPTY_STATE", ["state.empty": "crashed"], ""),
    BrokenRule("HANGS_ON_EMPTY_STATE", ["state.empty": "hung"], "", limit: 2),
    BrokenRule("CRASHES_ON_LONG_STATE", ["state.random": "crashed"], "random state"),
    BrokenRule("CRASHES_ON_OTHER_VERSION", ["state.other-version": "crashed"], "version 0"),
    BrokenRule("READS_BEYOND_STATE", ["state.truncated": "crashed", "state.random": "crashed"], ""),
    BrokenRule(
      "REFUSES_SILENTLY",
      [
        "state.truncated": "failed", "state.empty": "failed", "state.random": "failed", "state.other-version": "failed",
      ], "without a reason"),
    BrokenRule("IGNORES_SINK", ["state.short-writes": "failed"], "all is well"),
  ]

  static let elsewhere = [
    BrokenRule("CALLS_OFF_THREAD", ["threads.brackets": "failed"], "on another thread"),
    BrokenRule("THREAD_LOCAL", ["threads.one-after-another": "crashed"], "SIGSEGV"),
    BrokenRule("COUNTS_INSTANCES", ["threads.side-by-side": "crashed"], "SIGABRT"),
    BrokenRule("GATHERS_TIMERS", ["swap.self": "failed"], "timers"),
    BrokenRule("REFUSES_OLD_AGE", ["swap.self": "failed", "swap.undone": "failed"], "too old"),
    BrokenRule(
      "SAVE_EMPTIES",
      ["swap.undone": "failed", "state.same-bytes": "failed", "state.short-writes": "failed"], "undone"),
    BrokenRule("NO_REASON", ["faults.errors": "failed"], "without a reason"),
    BrokenRule("ODD_STATUS", ["faults.errors": "failed"], "status 99"),
    BrokenRule(
      "TRAPS_ON_EDGE", ["faults.traps": "crashed"],
      "add(int(-9223372036854775808), int(-9223372036854775808)) is called"),
    BrokenRule("SLOW_METHOD", ["faults.hangs": "failed"], "the method add", .only(["faults.hangs"])),
    BrokenRule("PUBLISHES_UNDECLARED", ["faults.misuse": "failed"], "checked.tock"),
    BrokenRule("ANSWERS_TEXT", ["faults.misuse": "failed"], "answered with text"),
    BrokenRule(
      "CRASHES_ON_LATE_CANCEL", ["faults.cancelled": "crashed"], "SIGABRT"),
    BrokenRule("CRASHES_ON_NEW_KIND", ["faults.strangers": "crashed"], "SIGABRT"),
  ]
}
