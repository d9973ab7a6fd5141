import HostCore
import Testing

private let program = Program(
  name: "ship", summary: "sail", options: [Option(long: "node", value: "NAME", help: "Which")],
  commands: [
    Command(name: "list", summary: "List them"),
    Command(
      name: "log", summary: "Show the log",
      discussion: "First paragraph.\n\n.dot at the start, and a back\\slash.",
      options: [
        Option(long: "follow", short: "f", help: "Go on"), Option(long: "quiet", short: "q", help: "Less"),
        Option(long: "lines", short: "n", value: "N", help: "How many [at most]: it's up to you"),
        Option(long: "set", value: "K=V", help: "Set", repeatable: true),
        Option(long: "level", value: "L", help: "Least", completion: .words(["info", "error"])),
      ], examples: [Named("ship log -f", "Watch")]),
    Command(
      name: "call", summary: "Call",
      arguments: [Argument("ROLE", help: "The role"), Argument("ARG", .any, help: "Words", completion: .file)]),
    Command(
      name: "check", summary: "Check", arguments: [Argument("FILE", .atLeastOne, help: "Files")], passesWordsOn: true),
  ], environment: [Named("SHIP_NODE", "What --node says")])

@Suite struct CommandLineTests {
  private func run(_ words: String...) -> Invocation? {
    guard case .run(let invocation) = program.parse(words) else { return nil }
    return invocation
  }

  private func misuse(_ words: String...) -> String? {
    guard case .misused(let error) = program.parse(words) else { return nil }
    return error.text(program).split(separator: "\n").first.map(String.init)
  }

  @Test func readsOptionsInEveryForm() {
    let expected = Invocation(command: "log", options: ["follow": [""], "lines": ["5"], "node": ["a"]])
    #expect(run("log", "-f", "-n", "5", "--node", "a") == expected)
    #expect(run("--node=a", "log", "-fn5") == expected)
    #expect(run("log", "-fn=5", "--node=a") == expected)
    #expect(run("log", "--lines=5", "--follow", "--node", "a") == expected)
  }

  @Test func keepsRepeatedValuesInOrder() {
    #expect(run("log", "--set", "a=1", "--set=b=2")?.values("set") == ["a=1", "b=2"])
  }

  @Test func leavesNumbersAndWordsAfterDashesAlone() {
    #expect(run("call", "r", "-5", "-.5")?.arguments == ["r", "-5", "-.5"])
    #expect(run("call", "r", "--", "--node", "-x")?.arguments == ["r", "--node", "-x"])
    #expect(run("call", "r", "-", "")?.arguments == ["r", "-", ""])
  }

  @Test func passesWordsOnToAnotherProgram() {
    #expect(run("check", "--strange", "a.yaml", "-z")?.arguments == ["--strange", "a.yaml", "-z"])
    #expect(program.parse(["check", "a", "--help"]) == .help(command: "check", long: true))
  }

  @Test(arguments: [
    (["lst"], "ship: there is no command \"lst\"; did you mean \"list\"?"),
    (["log", "--folow"], "ship: there is no option --folow; did you mean --follow?"),
    (["log", "-lines"], "ship: there is no option -l; did you mean --lines?"),
    (["log", "-F"], "ship: there is no option -F; did you mean -f?"),
    (["log", "-n"], "ship: -n needs a value: -n N"),
    (
      ["log", "-n", "--follow"],
      "ship: -n needs a value, but --follow looks like an option; write --lines=--follow if it is one"
    ),
    (["log", "--follow=yes"], "ship: --follow takes no value"),
    (["log", "-n", "1", "-n", "2"], "ship: -n was given twice"),
    (["log", "--level", "inf"], "ship: --level is one of info, error, not \"inf\"; did you mean \"info\"?"),
    (["list", "x"], "ship: list takes no argument, and \"x\" is one too many"),
    (["call"], "ship: call needs ROLE: The role"),
    (["check"], "ship: check needs FILE: Files"),
    ([], "ship: which command? There are list, log, call, check"),
  ])
  func saysWhatIsWrong(_ words: [String], _ message: String) {
    guard case .misused(let error) = program.parse(words) else {
      Issue.record("\(words) was understood")
      return
    }
    #expect(error.text(program).split(separator: "\n").first.map(String.init) == message)
  }

  @Test func misuseEndsWithTheNextStep() {
    guard case .misused(let error) = program.parse(["call"]) else { return #expect(Bool(false)) }
    #expect(error.text(program).hasSuffix("\nusage: ship call ROLE [ARG…]\nSee ship call --help.\n"))
  }

  @Test func helpIsAskedForInEveryForm() {
    #expect(program.parse(["-h"]) == .help(command: nil, long: false))
    #expect(program.parse(["log", "--help", "--nonsense"]) == .help(command: "log", long: true))
    #expect(program.parse(["help", "log"]) == .help(command: "log", long: true))
    #expect(program.parse(["help"]) == .help(command: nil, long: true))
    #expect(program.parse(["--version"]) == .version)
  }

  @Test func helpIsWrappedAndShortHelpIsShort() {
    let plain = Style(coloured: false)
    let long = program.help(command: "log", long: true, width: 40, style: plain)
    #expect(long.split(separator: "\n").allSatisfy { TextLayout.width(of: String($0)) <= 40 })
    #expect(long.contains("First paragraph."))
    #expect(long.contains("ship log -f"))
    let short = program.help(command: "log", long: false, style: plain)
    #expect(!short.contains("First paragraph."))
    #expect(short.contains("  -n, --lines N  How many"))
    #expect(!program.help(long: true, style: plain).contains("\u{1B}"))
    #expect(program.help(long: true, style: Style(coloured: true)).contains("\u{1B}[1mCommands:\u{1B}[0m"))
  }

  @Test func exitCodesAreThoseOfTheManual() {
    #expect(ExitCode.allCases.map(\.rawValue) == [0, 1, 64])
    for code in ExitCode.allCases { #expect(program.manual.contains(".B \(code.rawValue)\n")) }
  }

  @Test func manualNamesEverythingAndEscapes() {
    let manual = program.manual
    for command in program.commands { #expect(manual.contains(".SS \"ship \(command.name)")) }
    #expect(manual.contains("\\&.dot at the start, and a back\\eslash."))
    #expect(manual.contains(".B \\-n, \\-\\-lines N\n"))
  }

  @Test func completionsNameEveryCommandAndOption() {
    for shell in Shell.allCases {
      let script = program.completions(for: shell)
      for command in program.commands { #expect(script.contains(command.name)) }
      for option in ["follow", "lines", "set", "level", "node", "help"] { #expect(script.contains(option)) }
    }
    #expect(program.completions(for: .bash).contains("log,--level) COMPREPLY=($(compgen -W 'info error'"))
    // Brackets, colons and quotes mean something to zsh.
    #expect(program.completions(for: .zsh).contains(#"[How many \[at most\]\: it'\''s up to you]"#))
  }
}
