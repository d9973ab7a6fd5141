import CSystem
import Glibc
import HostRuntime
import NodeValues

/// The process of one case: reads what to do from descriptor 3, does it, and answers there.
package enum CaseChild {
  static let channel: Int32 = 3

  /// Ends the process; what the plugin would do at its end is nobody's business here.
  package static func run() -> Never {
    csystem_no_core_dump()
    guard let request = readRequest(), let subject = CaseSubject(request["subject"] ?? .null),
      let check = request["case"]?.string.flatMap(CheckCatalogue.find)
    else { _exit(64) }
    if let output = request["output"]?.string { redirect(to: output) }
    subject.announce = { part, what in send(["part": JSON(part), "doing": .string(what)]) }
    send(CaseEnding.of(check, subject).json)
    _exit(0)
  }

  private static func readRequest() -> JSON? {
    var line: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while line.last != UInt8(ascii: "\n") {
      let count = read(channel, &chunk, chunk.count)
      guard count > 0 else { return nil }
      line += chunk[..<count]
    }
    return try? JSON(parsing: line)
  }

  /// What the plugin prints is kept for whoever asks why it crashed.
  private static func redirect(to path: String) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
    guard file >= 0 else { return }
    dup2(file, STDOUT_FILENO)
    dup2(file, STDERR_FILENO)
    close(file)
  }

  private static func send(_ message: JSON) { _ = writeAll(channel, Array("\(message)\n".utf8)) }
}
