import Glibc
import HostCore
import HostRuntime
import NodeValues
import PluginCheck
import Testing

/// Tests/sanitize says so by these.
private let isSanitized = getenv("ASAN_OPTIONS") != nil || getenv("TSAN_OPTIONS") != nil
private let why: Comment = "A sanitizer reports the crashes that are asked for, and counts memory in its own way."

/// `nodehost check`: good plugins pass, and every case can tell a bad one.
@Suite(.disabled(if: isSanitized, why)) struct PluginCheckTests {
  /// Those of benchmarks and scenarios: a thousand times a megabyte of state takes too long, and what asks a gateway
  /// without end never rests.
  private static let others = [
    "libballast.so", "libcrowd.so", "libgateway-load.so", "libreplicated-map.so", "libteller.so",
    "libtrainees.so", "libtransaction-load.so",
  ]

  /// Whatever else the build has put beside the tests: each shipped role, each template.
  static let shipped = filesIn(Checker.products).filter {
    $0.hasPrefix("lib") && $0.hasSuffix(".so") && !others.contains($0)
  }.sorted()

  /// For roles whose settings have no defaults.
  static let configurations = [
    "libimage-frames.so": #"{"images": "http://127.0.0.1:7101", "listen": "127.0.0.1:0"}"#,
    "libtrainer.so": #"{"data": {"shapes": {"format": "synthetic", "count": 2}}}"#,
    "libmember.so": #"{"gateways": ["127.0.0.1:8090", "127.0.0.1:8091"], "address": "127.0.0.1", "port": 7001}"#,
  ]

  @Test(arguments: shipped) func aShippedPluginPasses(_ name: String) throws {
    let config = Self.configurations[name].map { ["--config", $0] } ?? []
    let run = Checker(["check", "--seed", "1", "--limit", "120"] + config + ["\(Checker.products)/\(name)"])
    #expect(run.code == 0, "\(run.output)")
    #expect(config.isEmpty || !run.output.contains("there is no configuration to run it with"), "\(run.output)")
    #expect(run.output.contains(" passed"))
  }

  @Test func theScriptedHostPlaysEveryServiceThatThisHostOffers() {
    #expect(Set(CheckCatalogue.playedServices) == Set(HostTables.offered.keys))
    #expect(Self.shipped.contains("libhello-swift.so") && Self.shipped.contains("libhello-c.so"))
  }

  @Test(
    arguments: [("keeper", ["-DPLAIN", "-Wno-unused-function"]), ("talker", []), ("watcher", [])])
  func aRoleOfTheFixturesPasses(_ source: String, _ flags: [String]) throws {
    // Other tests have the processor, too.
    let cases = try Checker.report(CheckedPlugin(flags, source: source), ["--limit", "120"])
    let others = cases.filter { !["passed", "skipped"].contains($0.value["verdict"]?.string) }
    #expect(others.isEmpty, "\(others.values.map(\.description))")
    #expect(cases["lifecycle.nth-call-fails"]?["verdict"] == "passed" && cases["swap.self"]?["verdict"] == "passed")
  }

  @Test func theFixtureKeepsEveryRule() throws {
    let cases = try Checker.report(CheckedPlugin(), ["--limit", "120"])
    let others = cases.filter { $0.value["verdict"]?.string != "passed" && $0.key != "configuration.reconfigure" }
    #expect(others.isEmpty, "\(others.values.map(\.description))")
    #expect(cases.count == CheckCatalogue.cases.count)
  }

  @Test(arguments: BrokenRule.all) func aBrokenRuleIsToldByItsCases(_ rule: BrokenRule) throws {
    let cases = try Checker.report(CheckedPlugin(rule.flags), rule.options)
    let bad = cases.compactMapValues(\.["verdict"]?.string).filter { $0.value != "passed" && $0.value != "skipped" }
    #expect(bad == rule.verdicts, "\(cases.values.filter { $0["found"] != nil })")
    let found = rule.verdicts.keys.sorted().compactMap { cases[$0]?["found"]?.string }
    #expect(found.contains { $0.contains(rule.words) }, "\(found)")
    for id in rule.verdicts.keys {
      #expect(cases[id]?["remedy"]?.string?.isEmpty == false)
      #expect(cases[id]?["expected"]?.string?.isEmpty == false)
    }
  }

  /// Every case but those that only a strange machine fails is made to fail above.
  @Test func everyCaseCanFail() {
    let failing = Set(BrokenRule.all.flatMap(\.verdicts.keys))
    let never = CheckCatalogue.cases.map(\.id).filter { !failing.contains($0) }
    #expect(never == ["static.elf", "static.glibc", "configuration.defaults", "configuration.reconfigure"])
  }

  @Test func aFileThatIsNoPluginIsNotOpened() throws {
    let folder = TestFolder()
    let path = "\(folder.path)/libtext.so"
    #expect(writeFile(path, Array("#!/bin/sh\n".utf8), mode: 0o755))
    let cases = try Checker.report(path)
    #expect(cases["static.elf"]?["verdict"] == "failed")
    #expect(cases["static.elf"]?["found"]?.string?.contains("is a text file") == true)
    #expect(cases.values.count { $0["verdict"] == "skipped" } == cases.count - 1)
    #expect(Checker(["check", "\(folder.path)/missing.so"]).code == 1)
  }

  @Test func aVersionOfGlibcThatNobodyHasIsTold() throws {
    let plugin = CheckedPlugin()
    var bytes = try #require(readFile(plugin.path, limit: 1 << 20))
    let name = Array("GLIBC_2.".utf8)
    let place = try #require(bytes.indices.first { bytes[$0...].starts(with: name) })
    bytes[place + 6] = UInt8(ascii: "9")
    #expect(writeFile(plugin.path, bytes, mode: 0o755))
    let cases = try Checker.report(plugin, ["--only", "static"])
    #expect(cases["static.glibc"]?["found"]?.string?.hasPrefix("it needs glibc 9.") == true)
    #expect(cases["static.symbols"]?["found"]?.string?.contains("GLIBC_9.") == true)
  }

  @Test func settingsWithoutDefaultsTakeAConfiguration() throws {
    let schema =
      #"{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"level\"],"#
      + #"\"properties\":{\"level\":{\"type\":\"integer\",\"multipleOf\":7,\"minimum\":1}}}"#
    let plugin = CheckedPlugin(["-DSCHEMA=\"\(schema)\""])
    let without = try Checker.report(plugin)
    #expect(without["configuration.defaults"]?["note"]?.string?.contains("--config") == true)
    #expect(without["lifecycle.life"]?["verdict"] == "skipped")
    let with = try Checker.report(plugin, ["--config", #"{"level": 14}"#])
    #expect(with.values.allSatisfy { $0["verdict"] == "passed" || $0["verdict"] == "skipped" })
    #expect(with["lifecycle.life"]?["verdict"] == "passed")
    let wrong = try Checker.report(plugin, ["--config", #"{"level": 15}"#])
    #expect(wrong["configuration.defaults"]?["verdict"] == "failed")
  }
}

/// What the command says and how.
@Suite(.disabled(if: isSanitized, why)) struct CheckCommandTests {
  @Test func aFailureComesWithTheCommandThatRepeatsItAlone() throws {
    let plugin = CheckedPlugin(["-DCASE_FORGETS_CALL"])
    let run = Checker(["check", "--seed", "42", "--only", "lifecycle.nth-call-fails"], plugin)
    #expect(run.code == 1)
    #expect(run.output.contains("  found     after nh_timer_service.once failed, a call is never answered\n"))
    #expect(run.output.contains("\n  expected  whichever host call fails"))
    let repetition = try #require(run.output.split(separator: "\n").first { $0.hasPrefix("  repeat    nodehost ") })
    let words = repetition.split(separator: " ").dropFirst(2).map(String.init)
    #expect(words.count == 6 && words[2].hasPrefix("lifecycle.nth-call-fails:") && words[4] == "42")
    #expect(withExtendedLifetime(plugin) { Checker(words) }.output.contains("after nh_timer_service.once failed"))
    let other = words.map { $0.hasPrefix("lifecycle") ? "lifecycle.nth-call-fails:1" : $0 }
    #expect(withExtendedLifetime(plugin) { Checker(other) }.code == 0)
  }

  @Test func whatACrashingPluginPrintedIsTold() throws {
    let run = Checker(["check", "--only", "lifecycle.life"], CheckedPlugin(["-DCASE_CRASHES_IN_METHOD"]))
    #expect(run.output.contains("lifecycle  life  crashed"))
    #expect(run.output.contains("crashed with SIGABRT (Aborted)"))
  }

  @Test func inProcessEndsAsTheCasesSay() {
    let good = Checker(["check", "--in-process", "--seed", "3", "\(Checker.products)/libhello-c.so"])
    #expect(good.code == 0, "\(good.output)")
    let plugin = CheckedPlugin(["-DCASE_ODD_STATUS"])
    let bad = Checker(["check", "--in-process", "--seed", "1", "--only", "faults"], plugin)
    #expect(bad.code == 1)
  }

  @Test func theListNamesEveryCase() {
    let run = Checker(["check", "--list"])
    #expect(run.code == 0)
    for check in CheckCatalogue.cases { #expect(run.output.contains(check.id)) }
    #expect(Checker(["check", "--list"], program: "hostctl").output == run.output)
  }

  @Test func junitTellsFailuresFromErrors() throws {
    let plugin = CheckedPlugin(["-DCASE_SECOND_EXPORT", "-DCASE_CRASHES_ON_EMPTY_STATE"])
    let file = "\(plugin.folder.path)/report.xml"
    let run = Checker(
      ["check", "--junit", file, "--only", "static.one-export", "--only", "state.empty", "--only", "static.elf"]
        + ["--only", "configuration.reconfigure"], plugin)
    #expect(run.code == 1)
    let report = plugin.folder.text("report.xml")
    #expect(report.contains("tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\""), "\(report)")
    #expect(report.contains("<failure type=\"failed\" message=\"it also exports second_export\">"))
    #expect(report.contains("<error type=\"crashed\" message=\"crashed with SIGABRT (Aborted)\">"))
    #expect(Checker(["check", "--junit", "/no/such/folder/x", "--only", "static.elf"], plugin).code == 1)
  }

  @Test(
    arguments: [
      (["check"], "needs PLUGIN"), (["check", "--only", "lifecycel", "x.so"], "did you mean `lifecycle`?"),
      (["check", "--only", "lifecycle.nth-call-fails:x", "x.so"], "parts are numbers"),
      (["check", "--seed", "red", "x.so"], "--seed takes a whole number"),
      (["check", "--limit", "0", "x.so"], "--limit takes seconds"),
      (["check", "--config", "[]", "x.so"], "--config takes a JSON object"),
      (["check", "--sed", "1", "x.so"], "--seed"),
    ] as [([String], String)])
  func aMisuseIsTold(_ arguments: [String], _ words: String) {
    let run = Checker(arguments)
    #expect(run.code == 64)
    #expect(run.errors.contains(words), "\(run.errors)")
    #expect(run.output.isEmpty)
  }

  @Test func hostctlPassesTheCommandOn() {
    let run = Checker(["check", "--only", "open", "\(Checker.products)/libhello-c.so"], program: "hostctl")
    #expect(run.code == 0)
    #expect(run.output.contains("7 passed in "))
  }

  @Test func severalPluginsAreToldOneAfterAnother() {
    let file = "\(Checker.products)/libhello-c.so"
    let run = Checker(["check", "--only", "static.elf", file, file])
    #expect(run.output.split(separator: "\n").count { $0.hasPrefix("\(file): 1 passed") } == 2)
    #expect(!run.output.contains("\u{1B}"))
  }
}
