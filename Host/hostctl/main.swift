import Glibc
import HostCore
import NodeSchema

/// Does what a command line asks for.
func run(_ words: [String]) throws(CommandFailure) -> ExitCode {
  let program = CommandTable.program
  switch program.parse(words) {
  case .version: try Output.write("hostctl \(HostVersion.text)\n")
  case .help(let command, let long):
    let width = Output.width ?? TextLayout.usualWidth
    try Output.write(program.help(command: command, long: long, width: width, style: Output.style))
  case .misused(let error):
    Output.complain(error.text(program))
    return .usage
  case .run(let invocation): return try run(invocation)
  }
  return .success
}

func run(_ invocation: Invocation) throws(CommandFailure) -> ExitCode {
  guard ["node", "socket", "at"].filter({ invocation.has($0) }).count <= 1 else {
    throw CommandFailure("--node, --socket and --at exclude each other", code: .usage)
  }
  switch invocation.command {
  case "list": try RoleCommands.list(invocation)
  case "describe": try DescribeCommand.run(invocation)
  case "call": try CallCommand.run(invocation)
  case "load": try SteeringCommands.load(invocation)
  case "unload": try SteeringCommands.unload(invocation)
  case "restart": try SteeringCommands.restart(invocation)
  case "swap": try SwapCommands.swap(invocation)
  case "history": try SwapCommands.history(invocation)
  case "rollback": try SwapCommands.rollback(invocation)
  case "store": try StoreCommand.run(invocation)
  case "blob": return try BlobCommands.run(invocation)
  case "canary": return try CanaryCommand.run(invocation)
  case "fl": return try LearningCommand.run(invocation)
  case "images": return try ImagesCommand.run(invocation)
  case "txn": return try TxnCommand.run(invocation)
  case "reload": try SteeringCommands.reload(invocation)
  case "new": try NewCommand.run(invocation)
  case "dev": return try DevCommand.run(invocation)
  case "peers": try PeersCommand.run(invocation)
  case "systemd-unit": try SystemdCommand.run(invocation)
  case "key": try KeyCommand.run(invocation)
  case "status": try NodeCommands.status(invocation)
  case "health": return try RoleCommands.health(invocation)
  case "logs": try LogsCommand.run(invocation)
  case "metrics": try NodeCommands.metrics(invocation)
  case "nodes": try NodeCommands.nodes(invocation)
  case "version": try NodeCommands.version(invocation)
  case "man": try Output.write(CommandTable.program.manual)
  case "completions": try completions(invocation.arguments[0])
  case "validate", "schema", "check", "simulate": try NodehostCommands.become(invocation)
  default: preconditionFailure("the table has a command that nobody does")
  }
  return .success
}

func completions(_ name: String) throws(CommandFailure) {
  guard let shell = Shell(rawValue: name) else {
    let known = Shell.allCases.map(\.rawValue)
    let near = nearestWord(to: name, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
    throw CommandFailure(
      "there are completions for \(known.joined(separator: ", ")), not for \"\(name)\"\(near)", code: .usage)
  }
  try Output.write(CommandTable.program.completions(for: shell))
}

// A closed pipe is seen as an error of write instead.
signal(SIGPIPE, SIG_IGN)
do throws(CommandFailure) {
  exit(try run(Array(CommandLine.arguments.dropFirst())).rawValue)
} catch {
  Output.complain(error.text)
  exit(error.code.rawValue)
}
