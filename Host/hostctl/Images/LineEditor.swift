import Glibc
import HostCore

/// Lines from a terminal, with history and completion; from anything else, lines as they come.
final class LineEditor {
  /// Of a line up to the cursor: how much of its end is to be completed, and to what.
  typealias Completer = (String) -> (length: Int, candidates: [String])

  private static let candidatesShown = 100

  private let prompt: String
  private let complete: Completer
  private let keys = TerminalKeys()
  private var line = EditedLine()

  init(prompt: String, _ complete: @escaping Completer) { (self.prompt, self.complete) = (prompt, complete) }

  var isInteractive: Bool { keys != nil }

  /// Nil at the end of the input. Ctrl-C begins the line anew.
  func next() -> String? {
    guard let keys else { return readLine() }
    keys.listen()
    defer { keys.rest() }
    draw()
    while let key = keys.next() {
      switch key {
      case .edit(let key): line.press(key)
      case .enter:
        let text = line.text
        line.press(.end)
        draw()
        line.enter()
        show("\n")
        return text
      case .interrupt:
        line.press(.end)
        draw()
        line.clear()
        show("^C\n")
      case .endOfInput where line.isEmpty:
        show("\n")
        return nil
      case .endOfInput: line.press(.delete)
      case .complete: completeWord()
      case .redraw: show("\u{1B}[H\u{1B}[2J")
      case .unknown: break
      }
      draw()
    }
    return nil
  }

  private func completeWord() {
    let (length, candidates) = complete(line.beforeCursor)
    let open = line.complete(length, with: candidates)
    guard !open.isEmpty else { return }
    let more = open.count > Self.candidatesShown ? ["and \(open.count - Self.candidatesShown) more"] : []
    // Of a path, only what is new.
    let names = open.prefix(Self.candidatesShown).map { path in
      let name = path.dropLast(path.hasSuffix("/") ? 1 : 0)
      return TextLayout.harmless(String(path[(name.lastIndex(of: "/").map(name.index(after:)) ?? path.startIndex)...]))
    }
    show("\n" + (names + more).joined(separator: "  ") + "\n")
  }

  /// The line in one row, however long it is.
  private func draw() {
    let columns = (Output.width ?? TextLayout.usualWidth) - TextLayout.width(of: prompt) - 1
    let (text, cursor) = line.window(columns)
    show("\r\(prompt)\(text)\u{1B}[K\r\u{1B}[\(TextLayout.width(of: prompt) + cursor)C")
  }

  /// Best effort: if the terminal is gone, so is who reads it.
  private func show(_ text: String) { try? Output.write(text) }
}
