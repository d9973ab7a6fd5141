/// A program's whole command line. Parsing, help, man page and completions are all read from it.
package struct Program: Sendable {
  package var name: String
  package var summary: String
  package var discussion: String
  package var version: String
  /// Understood before and after every command.
  package var options: [Option]
  package var commands: [Command]
  package var environment: [Named]

  package init(
    name: String, summary: String, discussion: String = "", version: String = HostVersion.text, options: [Option] = [],
    commands: [Command], environment: [Named] = []
  ) {
    self.name = name
    self.summary = summary
    self.discussion = discussion
    self.version = version
    self.options = options
    self.commands = commands
    self.environment = environment
  }

  package func command(named name: String) -> Command? { commands.first { $0.name == name } }

  /// Every program understands these two.
  static let standardOptions = [
    Option(long: "help", short: "h", help: "Show help: -h in short, --help in full"),
    Option(long: "version", help: "Show the version"),
  ]
}

/// A name with its explanation: an environment variable, for one.
package struct Named: Sendable, Equatable {
  package var name: String
  package var help: String

  package init(_ name: String, _ help: String) {
    self.name = name
    self.help = help
  }
}

/// One verb of a program.
package struct Command: Sendable {
  package var name: String
  /// One line, without a full stop.
  package var summary: String
  /// Paragraphs between empty lines; shown by --help and the man page.
  package var discussion: String
  package var arguments: [Argument]
  package var options: [Option]
  /// A line to type, with what it does.
  package var examples: [Named]
  /// Another program does the command: all words behind its name are arguments, but for a wish for help.
  package var passesWordsOn: Bool

  package init(
    name: String, summary: String, discussion: String = "", arguments: [Argument] = [], options: [Option] = [],
    examples: [Named] = [], passesWordsOn: Bool = false
  ) {
    self.name = name
    self.summary = summary
    self.discussion = discussion
    self.arguments = arguments
    self.options = options
    self.examples = examples
    self.passesWordsOn = passesWordsOn
  }
}

/// What a shell can offer where a value is to be typed.
package enum Completion: Sendable, Equatable {
  case nothing
  case file
  case words([String])
}

/// A word that a command takes by its place.
package struct Argument: Sendable, Equatable {
  package enum Count: Sendable { case one, optional, any, atLeastOne }

  package var name: String
  package var help: String
  package var count: Count
  package var completion: Completion

  package init(_ name: String, _ count: Count = .one, help: String, completion: Completion = .nothing) {
    self.name = name
    self.help = help
    self.count = count
    self.completion = completion
  }

  /// As it stands in a usage line.
  var usage: String {
    switch count {
    case .one: name
    case .optional: "[\(name)]"
    case .any: "[\(name)…]"
    case .atLeastOne: "\(name)…"
    }
  }
}

/// A word with two dashes, perhaps with a letter for short.
package struct Option: Sendable, Equatable {
  package var long: String
  package var short: Character?
  /// What its value is called in help; nil for an option without one.
  package var value: String?
  package var help: String
  package var repeatable: Bool
  package var completion: Completion

  package init(
    long: String, short: Character? = nil, value: String? = nil, help: String, repeatable: Bool = false,
    completion: Completion = .nothing
  ) {
    self.long = long
    self.short = short
    self.value = value
    self.help = help
    self.repeatable = repeatable
    self.completion = completion
  }

  /// As it stands in help: `-n, --lines N`.
  var usage: String {
    (short.map { "-\($0), " } ?? "    ") + "--\(long)" + (value.map { " \($0)" } ?? "")
  }
}
