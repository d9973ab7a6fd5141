import Glibc
import HostCore

/// `hostctl images` without an action: a prompt that takes one after the other. Each is done by a process of its own,
/// so that Ctrl-C ends what goes on and leaves the prompt.
struct ImagePrompt {
  private static let greeting = "status | send-image PATH | discover | list | get ID FILE | delete ID | help | quit\n"
  private static let words = ["status", "send-image ", "discover", "list", "get ", "delete ", "help", "quit"]

  let invocation: Invocation
  private let editor = LineEditor(prompt: "> ", Self.completions)

  init(_ invocation: Invocation) { self.invocation = invocation }

  /// Ends with the input, or `quit`.
  func run() throws(CommandFailure) -> ExitCode {
    if editor.isInteractive { try Output.write(Self.greeting) }
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
    case "status", "discover", "list": return try begin(word, words)
    case "delete": return try begin(word, words)
    case "send-image", "send":
      let path = Self.path(line.drop { $0 == " " }.dropFirst(word.count))
      guard !path.isEmpty else { throw CommandFailure("send-image needs the path of an image", code: .usage) }
      return try begin("send", [path])
    case "get":
      let rest = line.drop { $0 == " " }.dropFirst(word.count).drop { $0 == " " }
      let file = Self.path(rest.drop { $0 != " " })
      guard let id = words.first, !file.isEmpty else {
        throw CommandFailure("get needs the id of an image, and the file to write", code: .usage)
      }
      return try begin("get", [id], ["--output=\(file)"])
    case "help":
      try Output.write(Self.greeting)
      return .success
    default: throw CommandFailure("\"\(word)\" is nothing that can be done here; help tells what is", code: .usage)
    }
  }

  /// A path may have spaces in it, but none around it; quotes and a `~` are taken as a shell takes them.
  private static func path(_ text: Substring) -> String {
    var text = text.drop { $0 == " " }
    while text.last == " " { text.removeLast() }
    if text.count > 1, let quote = text.first, quote == "'" || quote == "\"", text.last == quote {
      return String(text.dropFirst().dropLast())
    }
    return expanded(String(text))
  }

  private static func expanded(_ path: String) -> String {
    guard path == "~" || path.hasPrefix("~/"), let home = System.environment("HOME") else { return path }
    return home + path.dropFirst()
  }

  // MARK: Doing it

  private func begin(_ action: String, _ words: [String], _ more: [String] = []) throws(CommandFailure) -> ExitCode {
    let given = invocation.options.sorted { $0.key < $1.key }.flatMap { name, values in
      values.map { $0.isEmpty ? "--\(name)" : "--\(name)=\($0)" }
    }
    let result = try ChildProcess.run(["hostctl", "images"] + given + more + ["--", action] + words)
    if result == nil { try Output.write("\n") }
    return result ?? .failure
  }

  // MARK: Completion

  /// The first word from the list; then a path, with all that stands before it.
  private static func completions(_ line: String) -> (length: Int, candidates: [String]) {
    let trimmed = line.drop { $0 == " " }
    guard let space = trimmed.firstIndex(of: " ") else {
      return (trimmed.count, words.filter { $0.hasPrefix(trimmed) })
    }
    let rest = trimmed[space...].drop { $0 == " " }
    switch trimmed[..<space] {
    case "send-image", "send": return (rest.count, paths(String(rest)))
    case "get":
      guard let space = rest.firstIndex(of: " ") else { return (0, []) }
      let file = rest[space...].drop { $0 == " " }
      return (file.count, paths(String(file)))
    default: return (0, [])
    }
  }

  /// What the beginning of a path may become. Folders end in a slash, so that it goes on from there.
  private static func paths(_ start: String) -> [String] {
    let folder = start.lastIndex(of: "/").map { start[...$0] } ?? ""
    let name = start[folder.endIndex...]
    let place = folder.isEmpty ? "." : expanded(String(folder))
    let names = System.names(in: place).filter { $0.hasPrefix(name) && (name.hasPrefix(".") || !$0.hasPrefix(".")) }
    return names.sorted().map { folder + $0 + (System.isFolder("\(place)/\($0)") ? "/" : "") }
  }
}
