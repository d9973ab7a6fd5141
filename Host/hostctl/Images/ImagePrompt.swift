import Glibc
import HostCore

/// `hostctl images` without an action: a prompt that takes one after the other.
struct ImagePrompt {
  private static let greeting = "status | send-image PATH | discover | list | get ID FILE | help | quit\n"

  let invocation: Invocation
  private let editor = LineEditor(
    prompt: "> ", words: ["status", "send-image ", "discover", "list", "get ", "help", "quit"])

  init(_ invocation: Invocation) { self.invocation = invocation }

  /// Ends with the input, or `quit`.
  func run() throws(CommandFailure) -> ExitCode {
    if isatty(STDIN_FILENO) == 1 { try Output.write(Self.greeting) }
    var last = ExitCode.success
    while let line = editor.next() {
      let words = line.split(separator: " ").map(String.init)
      guard let word = words.first else { continue }
      if ["quit", "exit"].contains(word) { break }
      do throws(CommandFailure) { last = try obey(word, line, Array(words.dropFirst())) } catch {
        last = error.code
        Output.complain(error.text)
      }
    }
    return last
  }

  private func obey(_ word: String, _ line: String, _ words: [String]) throws(CommandFailure) -> ExitCode {
    switch word {
    case "status": return try ImagesCommand.run(.status, [], invocation)
    case "discover": return try ImagesCommand.run(.discover, [], invocation)
    case "list": return try ImagesCommand.run(.list, [], invocation)
    case "send-image", "send":
      // A path may have spaces in it.
      let path = line.drop { $0 == " " }.dropFirst(word.count).drop { $0 == " " }
      guard !path.isEmpty else { throw CommandFailure("send-image needs the path of an image", code: .usage) }
      return try ImagesCommand.run(.send, [String(path)], invocation)
    case "get" where words.count == 2:
      var into = invocation
      into.options["output"] = [words[1]]
      return try ImagesCommand.run(.get, [words[0]], into)
    case "help": try Output.write(Self.greeting)
    default: throw CommandFailure("\"\(word)\" is nothing that can be done here; help tells what is", code: .usage)
    }
    return .success
  }
}
