extension Program {
  /// The man page, section 1, in roff; `man -l -` shows it.
  package var manual: String {
    var page = RoffPage()
    page.macro("TH", [name.uppercased(), "1", "", "\(name) \(version)", "nodehost"])
    page.macro("SH", ["NAME"])
    page.line("\(name) \\- \(RoffPage.escape(summary))", raw: true)
    page.macro("SH", ["SYNOPSIS"])
    page.line(usage())
    page.macro("SH", ["DESCRIPTION"])
    page.paragraphs(discussion.isEmpty ? summary + "." : discussion)
    page.macro("SH", ["COMMANDS"])
    for command in commands { describe(command, on: &page) }
    page.macro("SH", ["OPTIONS"])
    for option in options + Self.standardOptions { page.entry(option.manualUsage, option.fullHelp) }
    if !environment.isEmpty { page.macro("SH", ["ENVIRONMENT"]) }
    for variable in environment { page.entry(variable.name, variable.help) }
    page.macro("SH", ["EXIT STATUS"])
    page.entry("0", "Done; also when the reader of the output went away.")
    page.entry("1", "It failed, and stderr says why; or the answer to a question is no.")
    page.entry("64", "The command line was not understood.")
    return page.text
  }

  private func describe(_ command: Command, on page: inout RoffPage) {
    page.macro("SS", [usage(command)])
    page.paragraphs(command.discussion.isEmpty ? command.summary + "." : command.summary + ".\n\n" + command.discussion)
    for argument in command.arguments { page.entry(argument.name, argument.help) }
    for option in command.options { page.entry(option.manualUsage, option.fullHelp) }
    for example in command.examples {
      page.macro("PP", [])
      page.line(example.help + ":")
      page.macro("RS", [])
      page.macro("EX", [])
      page.line(example.name)
      page.macro("EE", [])
      page.macro("RE", [])
    }
  }
}

extension Option {
  fileprivate var manualUsage: String {
    (short.map { "-\($0), " } ?? "") + "--\(long)" + (value.map { " \($0)" } ?? "")
  }
}

private struct RoffPage {
  var text = ""

  /// Backslashes begin roff's escapes, and a plain hyphen would become a typographic one.
  static func escape(_ words: String) -> String {
    var escaped = ""
    for character in words {
      switch character {
      case "\\": escaped += "\\e"
      case "-": escaped += "\\-"
      case "…": escaped += "..."
      default: escaped.append(character)
      }
    }
    return escaped
  }

  mutating func macro(_ name: String, _ arguments: [String]) {
    text += ".\(name)"
    // A quote inside a quoted argument is written twice.
    for argument in arguments {
      text +=
        " \""
        + argument.split(separator: "\"", omittingEmptySubsequences: false).map { Self.escape(String($0)) }
        .joined(separator: "\"\"") + "\""
    }
    text += "\n"
  }

  mutating func line(_ words: String, raw: Bool = false) {
    let escaped = raw ? words : Self.escape(words)
    // A point or an apostrophe at the start of a line would begin a request.
    text += (escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" : "") + escaped + "\n"
  }

  mutating func paragraphs(_ words: String) {
    for paragraph in words.split(separator: "\n") {
      macro("PP", [])
      line(String(paragraph))
    }
  }

  mutating func entry(_ name: String, _ help: String) {
    macro("TP", [])
    text += ".B \(Self.escape(name))\n"
    line(help)
  }
}
