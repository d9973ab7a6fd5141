import CSystem
import Glibc
import HostCore
import HostRuntime
import NodeValues

/// A case that runs in a process of its own, seen from outside.
final class CaseProcess {
  /// A longer message is none of ours.
  private static let lineLimit = 1 << 20
  /// As much of what a plugin printed before it crashed as anybody reads.
  private static let outputLimit = 400

  let started = EventLoop.now()
  let deadline: Int64
  let channel: Int32
  private let limitMilliseconds: Int64
  private let process: pid_t
  private let output: String
  private var received: [UInt8] = []
  private var part: Int?
  private var doing = ""

  /// Nil if no process can be started; errno says why.
  init?(
    _ check: CheckCase, _ subject: CaseSubject, executable: String, output: String, limitMilliseconds: Int64
  ) {
    var ends: [Int32] = [0, 0]
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      return nil
    }
    defer { close(ends[1]) }
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(executable), strdup("check-case"), nil]
    defer { for argument in arguments { free(argument) } }
    process = csystem_start_child(executable, &arguments, ends[1])
    channel = ends[0]
    self.output = output
    self.limitMilliseconds = limitMilliseconds
    deadline = started + limitMilliseconds * 1_000_000
    let request: JSON = ["case": .string(check.id), "subject": subject.json, "output": .string(output)]
    guard process > 0, writeAll(channel, Array("\(request)\n".utf8)) else {
      close(ends[0])
      return nil
    }
  }

  /// Takes what has come; the ending, if that was it. Call it only when there is something to read.
  func receive() -> CaseEnding? {
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    let count = read(channel, &chunk, chunk.count)
    guard count > 0, received.count + count <= Self.lineLimit else { return crash() }
    received += chunk[..<count]
    while let end = received.firstIndex(of: UInt8(ascii: "\n")) {
      let line = Array(received[..<end])
      received.removeSubrange(...end)
      guard let message = try? JSON(parsing: line) else { return crash("wrote over the checker's channel") }
      if let ending = CaseEnding(message) {
        _ = bury()
        return ending
      }
      part = message["part"]?.int.map { Int($0) }
      doing = message["doing"]?.string ?? ""
    }
    return nil
  }

  func hang() -> CaseEnding {
    _ = bury()
    let limit = HumanUnits.duration(milliseconds: limitMilliseconds)
    return .hung(CaseFailure("was still at it after \(limit)\(context)\(printed)", part: part))
  }

  private func crash(_ what: String? = nil) -> CaseEnding {
    let status = bury()
    let signal = status & 0x7F
    let how =
      what ?? (signal == 0 ? "ended the process with exit code \(status >> 8 & 0xFF)" : "crashed with \(name(signal))")
    return .crashed(CaseFailure("\(how)\(context)\(printed)", part: part))
  }

  /// Ends the process if it is still there; its wait status.
  private func bury() -> Int32 {
    close(channel)
    // After a closed channel a crash may still be under way: its own signal must not be lost.
    var status: Int32 = 0
    let patience = EventLoop.now() + 500_000_000
    while EventLoop.now() < min(patience, deadline) {
      if waitpid(process, &status, WNOHANG) != 0 { return status }
      usleep(200)
    }
    kill(process, SIGKILL)
    waitpid(process, &status, 0)
    return status
  }

  private func name(_ signal: Int32) -> String {
    let names: [Int32: String] = [
      SIGSEGV: "SIGSEGV", SIGBUS: "SIGBUS", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP", SIGFPE: "SIGFPE",
      SIGABRT: "SIGABRT", SIGKILL: "SIGKILL", SIGPIPE: "SIGPIPE", SIGTERM: "SIGTERM", SIGSYS: "SIGSYS",
    ]
    let words = String(cString: strsignal(signal))
    return names[signal].map { "\($0) (\(words))" } ?? "signal \(signal) (\(words))"
  }

  private var context: String { doing.isEmpty ? "" : " when \(doing)" }

  private var printed: String {
    guard let bytes = readFile(output, limit: 1 << 20), !bytes.isEmpty else { return "" }
    let text = String(decoding: bytes.suffix(Self.outputLimit), as: UTF8.self)
    let lines = text.split(separator: "\n").map(String.init)
    return "; it printed: " + lines.joined(separator: " / ")
  }
}
