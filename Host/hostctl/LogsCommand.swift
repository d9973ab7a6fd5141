import Glibc
import HostCore
import NodeValues

/// `hostctl logs`: the node's lines, and with -f those to come.
enum LogsCommand {
  /// A longer line is not the node's, whose own limit is 8 KiB before escapes.
  private static let lineLimit = 1024 * 1024

  static func run(_ invocation: Invocation) throws(CommandFailure) {
    var query = LogQuery(
      role: invocation.value("role"), level: invocation.value("level"), follow: invocation.has("follow"))
    if let text = invocation.value("lines") {
      guard let lines = Int(text), (0...ControlAPI.mostLogLines).contains(lines) else {
        throw CommandFailure(
          "--lines is a whole number from 0 to \(ControlAPI.mostLogLines), not \"\(text)\"", code: .usage)
      }
      query.lines = lines
    }
    // An interrupt is how following ends: that is no failure.
    if query.follow { signal(SIGINT) { _ in _exit(ExitCode.success.rawValue) } }
    let asJSON = invocation.has("json")
    let patience = query.follow ? nil : ControlConnection.usualPatienceSeconds
    var rest: [UInt8] = []
    try NodeFinder.connect(invocation).stream(.logs(query), patience: patience) { piece throws(CommandFailure) in
      if asJSON { return try Output.write(piece) }
      rest += piece
      guard let end = rest.lastIndex(of: 0x0A) else {
        guard rest.count <= lineLimit else { throw CommandFailure("a line of the log has no end") }
        return
      }
      let lines = rest[..<end].split(separator: 0x0A)
      try Output.write(lines.map { text(Array($0)) + "\n" }.joined())
      rest.removeSubrange(...end)
    }
  }

  private static func text(_ line: [UInt8]) -> String {
    guard let record = try? JSON(parsing: line) else {
      return TextLayout.harmless(String(decoding: line, as: UTF8.self))
    }
    let level = record.text("level")
    let role = record.text("role").isEmpty ? "node" : record.text("role")
    var text = Output.style.paint(TextLayout.harmless(record.text("time")), .faint)
    text += " " + Output.style.paint(TextLayout.pad(TextLayout.harmless(level.uppercased()), to: 7), colour(level))
    text += " \(TextLayout.harmless(role)): \(TextLayout.harmless(record.text("message")))"
    for field in record["fields"]?.object?.members ?? [] {
      let value = TextLayout.harmless(field.value.string ?? field.value.description)
      text += " " + Output.style.paint(TextLayout.harmless(field.key) + "=", .faint) + value
    }
    return text
  }

  private static func colour(_ level: String) -> Style.Colour? {
    switch level {
    case "trace", "debug": .faint
    case "warning": .yellow
    case "error", "misuse": .red
    default: nil
    }
  }
}
