import NodeSchema

/// A command line that was understood.
package struct Invocation: Sendable, Equatable {
  package var command: String
  package var arguments: [String]
  /// By long name, in the order typed. An option without a value counts as one empty text.
  package var options: [String: [String]]

  package init(command: String, arguments: [String] = [], options: [String: [String]] = [:]) {
    self.command = command
    self.arguments = arguments
    self.options = options
  }

  /// Whether the option was given.
  package func has(_ long: String) -> Bool { options[long] != nil }
  /// The option's value; the last one if it was repeated.
  package func value(_ long: String) -> String? { options[long]?.last }
  /// All values of a repeatable option.
  package func values(_ long: String) -> [String] { options[long] ?? [] }
}

/// What a command line asks for.
package enum CommandLineOutcome: Sendable, Equatable {
  case run(Invocation)
  /// Of one command, or of the program. Render it with `Program.help`.
  case help(command: String?, long: Bool)
  case version
  case misused(UsageError)
}

/// Why a command line was not understood.
package struct UsageError: Error, Sendable, Equatable {
  package var message: String
  /// The nearest thing that would have been understood.
  package var suggestion: String?
  package var command: String?

  package init(_ message: String, suggestion: String? = nil, command: String? = nil) {
    self.message = message
    self.suggestion = suggestion
    self.command = command
  }

  /// For stderr, with the usage line and the next step.
  package func text(_ program: Program) -> String {
    let words = [program.name] + (command.map { [$0] } ?? [])
    var text = "\(program.name): \(message)"
    if let suggestion { text += "; did you mean \(suggestion)?" }
    text += "\nusage: \(program.usage(command.flatMap(program.command)))"
    return text + "\nSee \(words.joined(separator: " ")) --help.\n"
  }
}

extension Program {
  /// Understands the words after the program's name.
  package func parse(_ words: [String]) -> CommandLineOutcome {
    var parser = CommandLineParser(program: self, words: words)
    do { return try parser.parse() } catch { return .misused(error) }
  }
}

private struct CommandLineParser {
  let program: Program
  let words: [String]
  var position = 0
  var command: Command?
  var arguments: [String] = []
  var options: [String: [String]] = [:]
  var help: Bool?
  var version = false
  var optionsEnded = false

  init(program: Program, words: [String]) {
    self.program = program
    self.words = words
  }

  var known: [Option] { Program.standardOptions + program.options + (command?.options ?? []) }

  func misuse(_ message: String, suggestion: String? = nil) -> UsageError {
    UsageError(message, suggestion: suggestion, command: command?.name)
  }

  mutating func parse() throws(UsageError) -> CommandLineOutcome {
    while position < words.count {
      let word = words[position]
      position += 1
      if optionsEnded || passesOn(word) {
        try take(word)
      } else if word == "--" {
        optionsEnded = true
      } else if word.hasPrefix("--") {
        try takeLong(word.dropFirst(2))
      } else if word.hasPrefix("-"), word.count > 1, !isNegativeNumber(word) {
        try takeShort(word.dropFirst())
      } else {
        try take(word)
      }
      // Whoever asks for help gets it, whatever follows.
      if let help { return .help(command: command?.name, long: help) }
      if version { return .version }
    }
    return try outcome()
  }

  func passesOn(_ word: String) -> Bool { command?.passesWordsOn == true && !["-h", "--help"].contains(word) }

  /// `hostctl call hello add -5 3`: numbers are not options.
  func isNegativeNumber(_ word: String) -> Bool {
    guard let second = word.dropFirst().first else { return false }
    return second.isNumber || second == "."
  }

  mutating func take(_ word: String) throws(UsageError) {
    if command != nil {
      arguments.append(word)
    } else if let found = program.command(named: word) {
      command = found
    } else if word == "help" {
      try takeHelp()
    } else {
      let near = nearestWord(to: word, among: program.commands.map(\.name) + ["help"])
      throw misuse("there is no command \"\(word)\"", suggestion: near.map { "\"\($0)\"" })
    }
  }

  /// `hostctl help list` is `hostctl list --help`.
  mutating func takeHelp() throws(UsageError) {
    help = true
    guard position < words.count, !words[position].hasPrefix("-") else { return }
    help = nil
    let word = words[position]
    position += 1
    try take(word)
    help = true
  }

  mutating func takeLong(_ text: Substring) throws(UsageError) {
    let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(parts[0])
    guard let option = known.first(where: { $0.long == name }) else {
      let near = nearestWord(to: name, among: known.map(\.long))
      throw misuse("there is no option --\(name)", suggestion: near.map { "--\($0)" })
    }
    guard option.value != nil else {
      guard parts.count == 1 else { throw misuse("--\(name) takes no value") }
      return try record(option, "", typed: "--\(name)")
    }
    let value = parts.count == 2 ? String(parts[1]) : try nextValue(option, typed: "--\(name)")
    try record(option, value, typed: "--\(name)")
  }

  /// `-fn5`: letters without values, and at the end one with its value attached or as the next word.
  mutating func takeShort(_ letters: Substring) throws(UsageError) {
    var rest = letters
    while let letter = rest.popFirst() {
      guard let option = known.first(where: { $0.short == letter }) else {
        throw misuse("there is no option -\(letter)", suggestion: suggestion(for: letter, in: letters))
      }
      guard option.value != nil else {
        if option.long == "help" {
          help = false
          return
        }
        try record(option, "", typed: "-\(letter)")
        continue
      }
      if rest.first == "=" { rest.removeFirst() }
      let value = rest.isEmpty ? try nextValue(option, typed: "-\(letter)") : String(rest)
      return try record(option, value, typed: "-\(letter)")
    }
  }

  /// `-json` is a slip for `--json`.
  func suggestion(for letter: Character, in letters: Substring) -> String? {
    let near = letters.count > 1 ? nearestWord(to: String(letters), among: known.map(\.long)) : nil
    if let near { return "--\(near)" }
    let otherCase = known.first { $0.short.map { String($0).lowercased() } == String(letter).lowercased() }
    return otherCase?.short.map { "-\($0)" }
  }

  mutating func nextValue(_ option: Option, typed: String) throws(UsageError) -> String {
    let name = option.value ?? "VALUE"
    guard position < words.count else { throw misuse("\(typed) needs a value: \(typed) \(name)") }
    let word = words[position]
    if word.hasPrefix("-"), word.count > 1, !isNegativeNumber(word) {
      let direct = "--\(option.long)=\(word)"
      throw misuse("\(typed) needs a value, but \(word) looks like an option; write \(direct) if it is one")
    }
    position += 1
    return word
  }

  mutating func record(_ option: Option, _ value: String, typed: String) throws(UsageError) {
    if option.long == "help" {
      help = true
    } else if option.long == "version", option.value == nil {
      version = true
    } else if options[option.long] != nil, option.value != nil, !option.repeatable {
      throw misuse("\(typed) was given twice")
    } else {
      if case .words(let allowed) = option.completion, !allowed.contains(value) {
        let near = nearestWord(to: value, among: allowed)
        throw misuse(
          "\(typed) is one of \(allowed.joined(separator: ", ")), not \"\(value)\"",
          suggestion: near.map { "\"\($0)\"" })
      }
      options[option.long, default: []].append(value)
    }
  }

  func outcome() throws(UsageError) -> CommandLineOutcome {
    guard let command else {
      let names = program.commands.map(\.name).joined(separator: ", ")
      throw misuse("which command? There are \(names)")
    }
    let least = command.arguments.count { $0.count == .one || $0.count == .atLeastOne }
    if arguments.count < least {
      let missing = command.arguments.filter { $0.count == .one || $0.count == .atLeastOne }[arguments.count]
      throw misuse("\(command.name) needs \(missing.name): \(missing.help)")
    }
    let endless = command.arguments.contains { $0.count == .any || $0.count == .atLeastOne }
    if !endless, !command.passesWordsOn, arguments.count > command.arguments.count {
      let extra = arguments[command.arguments.count]
      throw misuse("\(command.name) takes \(takes(command)), and \"\(extra)\" is one too many")
    }
    return .run(Invocation(command: command.name, arguments: arguments, options: options))
  }

  func takes(_ command: Command) -> String {
    switch command.arguments.count {
    case 0: "no argument"
    case 1: "one argument"
    default: "\(command.arguments.count) arguments"
    }
  }
}
