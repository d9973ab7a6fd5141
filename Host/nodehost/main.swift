import Glibc
import HostCore
import HostRuntime
import PluginCheck

/// Does what a command line asks for.
func run(_ words: [String]) -> ExitCode {
  let program = CommandTable.program
  // Not in the table: the host's own trial process, see PluginInspector.
  if words == ["inspect"] {
    InspectorChild.run()
    return .success
  }
  // Nor this: the process of one case of `check`.
  if words == ["check-case"] { CaseChild.run() }
  // Nor this: a process of `simulate`.
  if words.first == SimulationWorker.word { return SimulationWorker.run(Array(words.dropFirst())) }
  // Nor this: a node of `simulate --live`.
  if words.first == LiveNodeCommand.word { return LiveNodeCommand.run(Array(words.dropFirst())) }
  switch program.parse(CommandTable.completed(words)) {
  case .version: Console.write("nodehost \(HostVersion.text)\n")
  case .help(let command, let long):
    Console.write(program.help(command: command, long: long, width: Console.width, style: Console.style))
  case .misused(let error):
    Console.complain(error.text(program))
    return .usage
  case .run(let invocation): return run(invocation)
  }
  return .success
}

func run(_ invocation: Invocation) -> ExitCode {
  switch invocation.command {
  case "run": RunCommand.run(invocation)
  case "validate": ValidateCommand.run(invocation)
  case "schema": SchemaCommand.run(invocation)
  case "check": CheckCommand.run(invocation)
  case "simulate": SimulateCommand.run(invocation, words: Array(CommandLine.arguments.dropFirst(2)))
  case "man": Console.show(CommandTable.program.manual)
  case "completions": completions(invocation.arguments[0])
  default: preconditionFailure("the table has a command that nobody does")
  }
}

func completions(_ name: String) -> ExitCode {
  guard let shell = Shell(rawValue: name) else {
    Console.complain("nodehost: there are completions for \(Shell.allCases.map(\.rawValue).joined(separator: ", "))\n")
    return .usage
  }
  return Console.show(CommandTable.program.completions(for: shell))
}

// A closed pipe is seen as an error of write instead.
signal(SIGPIPE, SIG_IGN)
exit(run(Array(CommandLine.arguments.dropFirst())).rawValue)
