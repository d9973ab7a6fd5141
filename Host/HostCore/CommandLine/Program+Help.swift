extension Program {
  /// The usage line of one command, or of the program.
  package func usage(_ command: Command? = nil) -> String {
    guard let command else { return "\(name) COMMAND [ARGUMENT…] [--OPTION…]" }
    let options = command.options.isEmpty ? [] : ["[--OPTION…]"]
    return ([name, command.name] + command.arguments.map(\.usage) + options).joined(separator: " ")
  }

  /// What -h and --help print. The command must be one of the table's; an unknown one gets the program's help.
  package func help(command: String? = nil, long: Bool, width: Int = TextLayout.usualWidth, style: Style) -> String {
    let page = HelpPage(width: max(20, min(width, TextLayout.widestHelp)), style: style)
    guard let command = command.flatMap(self.command(named:)) else { return programHelp(page, long: long) }
    return commandHelp(command, page, long: long)
  }

  private func programHelp(_ page: HelpPage, long: Bool) -> String {
    var page = page
    page.paragraph("\(name): \(summary)")
    page.blank()
    page.paragraph("usage: \(usage())")
    if long, !discussion.isEmpty {
      page.blank()
      page.paragraph(discussion)
    }
    page.section("Commands", commands.map { Named(page.long(long, $0.name, usageWithoutProgram($0)), $0.summary) })
    page.section("Options", (Self.standardOptions + options).map { Named($0.usage, $0.help) })
    if long { page.section("Environment", environment) }
    page.blank()
    page.paragraph("\(name) COMMAND --help tells more about a command.")
    return page.text
  }

  private func usageWithoutProgram(_ command: Command) -> String {
    ([command.name] + command.arguments.map(\.usage)).joined(separator: " ")
  }

  private func commandHelp(_ command: Command, _ page: HelpPage, long: Bool) -> String {
    var page = page
    page.paragraph("\(name) \(command.name): \(command.summary)")
    page.blank()
    page.paragraph("usage: \(usage(command))")
    if long, !command.discussion.isEmpty {
      page.blank()
      page.paragraph(command.discussion)
    }
    page.section("Arguments", command.arguments.map { Named($0.name, $0.help) })
    page.section("Options", command.options.map { Named($0.usage, $0.fullHelp) })
    if long {
      page.section("Options of every command", (options + Self.standardOptions).map { Named($0.usage, $0.fullHelp) })
      page.section("Examples", command.examples.map { Named($0.name, $0.help) })
    }
    return page.text
  }
}

extension Option {
  /// The explanation with what the table knows beside it.
  var fullHelp: String {
    var text = help
    if case .words(let words) = completion { text += " (\(words.joined(separator: ", ")))" }
    return repeatable ? text + "; may be repeated" : text
  }
}

/// A page under construction.
private struct HelpPage {
  /// Names longer than this push their explanation to the next line.
  static let widestName = 26

  let width: Int
  let style: Style
  var text = ""

  func long(_ long: Bool, _ short: String, _ full: String) -> String { long ? full : short }

  mutating func blank() { text += "\n" }

  mutating func paragraph(_ words: String, indent: Int = 0) {
    for line in TextLayout.wrap(words, width: width, indent: indent) { text += line + "\n" }
  }

  /// Names on the left, explanations on the right.
  mutating func section(_ heading: String, _ entries: [Named]) {
    guard !entries.isEmpty else { return }
    blank()
    text += style.paint("\(heading):", .bold) + "\n"
    let widest = entries.reduce(0) { max($0, TextLayout.width(of: $1.name)) }
    let indent = min(widest, Self.widestName) + 4
    for entry in entries {
      let lines = TextLayout.wrap(entry.help, width: width, indent: indent)
      let fits = TextLayout.width(of: entry.name) + 4 <= indent
      if fits, let first = lines.first {
        text += "  " + TextLayout.pad(entry.name, to: indent - 2) + first.dropFirst(indent) + "\n"
      } else {
        text += "  \(entry.name)\n"
      }
      for line in lines.dropFirst(fits ? 1 : 0) { text += line + "\n" }
    }
  }
}
