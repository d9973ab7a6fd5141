import Glibc
import HostCore
import NodeValues

/// `hostctl fl watch`: a session until it is over; on a terminal drawn anew, else a line for each change.
enum LearningWatch {
  private static let pollMicroseconds: UInt32 = 250_000

  static func run(_ word: String?, _ invocation: Invocation) throws(CommandFailure) -> ExitCode {
    signal(SIGINT) { _ in _exit(ExitCode.success.rawValue) }
    let id = try LearningCommand.session(word, invocation)
    let draws = Output.isTerminal && !invocation.has("json")
    var last = ""
    while true {
      let status = try LearningCommand.ask("status", invocation, [.string(id)])
      if draws {
        let curve = try accuracyCurve(id, status, invocation)
        // The top of the screen, and nothing left of what was longer.
        let text = LearningTable.status(status, width: Output.width, style: Output.style) + curve
        try Output.write("\u{1B}[H\u{1B}[2J" + text)
      } else {
        let line = invocation.has("json") ? status.description : LearningTable.line(status)
        if line != last { try Output.write(line + "\n") }
        last = line
      }
      let end = status.text("end")
      if !end.isEmpty { return end.hasPrefix("failed") ? .failure : .success }
      usleep(pollMicroseconds)
    }
  }

  private static func accuracyCurve(_ id: String, _ status: JSON, _ invocation: Invocation) throws(CommandFailure)
    -> String
  {
    guard status["round"]?.int ?? 0 > 1 else { return "" }
    let curves = Curves(id, try LearningCommand.events(of: id, invocation))
    return "\n"
      + TerminalPlot.text(
        curves.accuracy.points.isEmpty ? [curves.loss] : [curves.accuracy],
        width: Output.width ?? TextLayout.usualWidth, height: 8)
  }
}
