/// The shells that completions can be written for.
package enum Shell: String, Sendable, CaseIterable {
  case bash, zsh, fish
}

extension Program {
  /// A script for the shell to source.
  package func completions(for shell: Shell) -> String {
    switch shell {
    case .bash: bashCompletions
    case .zsh: zshCompletions
    case .fish: fishCompletions
    }
  }

  private func known(_ command: Command?) -> [Option] { (command?.options ?? []) + options + Self.standardOptions }

  private var functionName: String { "_" + name.map { $0.isLetter || $0.isNumber ? String($0) : "_" }.joined() }

  // MARK: bash

  private var bashCompletions: String {
    let names = commands.map(\.name).joined(separator: " ")
    return """
      # Completions of \(name) for bash: source <(\(name) completions bash)
      \(functionName)() {
        local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= i
        COMPREPLY=()
        for ((i = 1; i < COMP_CWORD; i++)); do
          case ${COMP_WORDS[i]} in
            \(bashValueOptions)) ((i++)) ;;
            -*) ;;
            *) command=${COMP_WORDS[i]}; break ;;
          esac
        done
        case $command,$before in
      \(bashValues)  esac
        case $command in
      \(commands.map(bashWords).joined())    *) COMPREPLY=($(compgen -W '\(names) \(longNames(nil))' -- "$word")) ;;
        esac
      }
      complete -F \(functionName) \(name)

      """
  }

  /// The program's options that take the next word, which is then no command.
  private var bashValueOptions: String {
    let words = options.filter { $0.value != nil }.flatMap(\.typed)
    return words.isEmpty ? "''" : words.joined(separator: "|")
  }

  private var bashValues: String {
    var lines = ""
    for command in commands {
      for option in known(command) where option.value != nil {
        lines += "    " + option.typed.map { "\(command.name),\($0)" }.joined(separator: "|") + ") "
        lines += bashReply(option.completion) + "return ;;\n"
      }
    }
    return lines
  }

  private func bashReply(_ completion: Completion) -> String {
    switch completion {
    case .nothing: ""
    case .file: "COMPREPLY=($(compgen -f -- \"$word\")); "
    case .words(let words): "COMPREPLY=($(compgen -W '\(words.joined(separator: " "))' -- \"$word\")); "
    }
  }

  private func bashWords(_ command: Command) -> String {
    var words = longNames(command), files = ""
    for argument in command.arguments {
      switch argument.completion {
      case .nothing: break
      case .file: files = " -f"
      case .words(let more): words += " " + more.joined(separator: " ")
      }
    }
    return "    \(command.name)) COMPREPLY=($(compgen\(files) -W '\(words)' -- \"$word\")) ;;\n"
  }

  private func longNames(_ command: Command?) -> String { known(command).map { "--\($0.long)" }.joined(separator: " ") }

  // MARK: zsh

  private var zshCompletions: String {
    var text = "#compdef \(name)\n# Completions of \(name) for zsh: source <(\(name) completions zsh)\n"
    text += "\(functionName)() {\n  local context state state_descr line\n  local -A opt_args\n  local -a commands\n"
    text += "  commands=(\n"
    for command in commands { text += "    \(quoted(command.name + ":" + command.summary))\n" }
    text += "  )\n  _arguments -C \\\n"
    text += (options + Self.standardOptions).map { "    \(zshOption($0)) \\\n" }.joined()
    text += "    '1:command:->command' '*::argument:->arguments'\n  case $state in\n"
    text += "    command) _describe command commands ;;\n    arguments)\n      case $line[1] in\n"
    for command in commands {
      let parts = known(command).map(zshOption) + zshArguments(command)
      text += "        \(command.name)) _arguments \(parts.joined(separator: " \\\n          ")) ;;\n"
    }
    return text + "      esac ;;\n  esac\n}\ncompdef \(functionName) \(name)\n"
  }

  private func zshOption(_ option: Option) -> String {
    let explained =
      "[\(zshEscaped(option.help))]" + (option.value.map { ":\($0):\(zshAction(option.completion))" } ?? "")
    let star = option.repeatable ? "*" : ""
    guard let short = option.short else {
      return quoted("\(star)--\(option.long)\(option.value == nil ? "" : "=")\(explained)")
    }
    let group = option.repeatable ? "'*'" : quoted("(-\(short) --\(option.long))")
    return "\(group){-\(short),--\(option.long)\(option.value == nil ? "" : "=")}\(quoted(explained))"
  }

  private func zshArguments(_ command: Command) -> [String] {
    command.arguments.enumerated().map { place, argument in
      let many = argument.count == .any || argument.count == .atLeastOne
      return quoted("\(many ? "*" : String(place + 1)):\(argument.name):\(zshAction(argument.completion))")
    }
  }

  private func zshAction(_ completion: Completion) -> String {
    switch completion {
    case .nothing: " "
    case .file: "_files"
    case .words(let words): "(\(words.joined(separator: " ")))"
    }
  }

  private func zshEscaped(_ text: String) -> String {
    text.map { "[]:\\".contains($0) ? "\\\($0)" : String($0) }.joined()
  }

  /// In single quotes, for any of the three shells' usual case: a quote ends, stands escaped, and begins again.
  private func quoted(_ text: String) -> String {
    "'" + text.map { $0 == "'" ? "'\\''" : String($0) }.joined() + "'"
  }

  // MARK: fish

  private var fishCompletions: String {
    var text = "# Completions of \(name) for fish: \(name) completions fish | source\n"
    let start = "complete -c \(name)"
    let names = commands.map(\.name).joined(separator: " ")
    text += "\(start) -f\n"
    for option in options + Self.standardOptions { text += "\(start) \(fishOption(option))\n" }
    for command in commands {
      text +=
        "\(start) -n 'not __fish_seen_subcommand_from \(names)' -a \(command.name) -d \(quoted(command.summary))\n"
      let inside = "\(start) -n '__fish_seen_subcommand_from \(command.name)'"
      for option in command.options { text += "\(inside) \(fishOption(option))\n" }
      for argument in command.arguments where argument.completion != .nothing {
        text += inside + fishValues(argument.completion) + "\n"
      }
    }
    return text
  }

  private func fishOption(_ option: Option) -> String {
    var words = "-l \(option.long)" + (option.short.map { " -s \($0)" } ?? "")
    if option.value != nil { words += " -x" + fishValues(option.completion) }
    return words + " -d \(quoted(option.help))"
  }

  private func fishValues(_ completion: Completion) -> String {
    switch completion {
    case .nothing: ""
    case .file: " -F"
    case .words(let words): " -a \(quoted(words.joined(separator: " ")))"
    }
  }
}

extension Option {
  /// The ways to type it.
  fileprivate var typed: [String] { (short.map { ["-\($0)"] } ?? []) + ["--\(long)"] }
}
