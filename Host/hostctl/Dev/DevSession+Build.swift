import CSystem
import Glibc
import HostCore

/// How a build ended, and how long it took.
struct BuildResult {
  var succeeded: Bool
  var nanoseconds: Int64
}

extension DevSession {
  /// Builds what has changed; everything, if nothing is named. Shows what the compiler says if it fails, and what it
  /// warns of.
  func build(_ changes: Set<String>) -> BuildResult {
    let began = System.monotonic
    var outcome: Outcome
    if let quick = project.quickCommand(changes) {
      outcome = runProgram(quick.words)
      if outcome.succeeded { outcome.succeeded = rename(quick.output, quick.library) == 0 }
      // If the compiler does not complain about a line, the fault is in the short cut.
      if !outcome.succeeded, !isEnding, !outcome.output.contains(": error: ") { outcome = buildAll() }
    } else {
      outcome = buildAll()
    }
    if !isEnding, !outcome.output.isEmpty { try? Output.write(outcome.output) }
    return BuildResult(succeeded: outcome.succeeded, nanoseconds: System.monotonic - began)
  }

  private struct Outcome {
    var succeeded: Bool
    var output: String
  }

  private func buildAll() -> Outcome {
    // What a build that fails leaves behind may lack a file that has come since.
    project.forgetPlan()
    let outcome = runProgram(project.tool.command)
    if outcome.succeeded { project.readPlan() }
    return outcome
  }

  private func runProgram(_ words: [String]) -> Outcome {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return Outcome(succeeded: false, output: System.message(errno) + "\n") }
    // The node, should it start later, must not inherit them.
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    var arguments = words.map { strdup($0) } + [nil]
    let process = csystem_start_program(&arguments, project.folder, ends[1], SIGTERM)
    let reason = errno
    for word in arguments { free(word) }
    close(ends[1])
    defer { close(ends[0]) }
    guard process > 0 else {
      return Outcome(succeeded: false, output: "cannot run \(words[0]): \(System.message(reason))\n")
    }
    let output = collect(from: ends[0], of: process)
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    return Outcome(succeeded: status == 0, output: output)
  }

  /// All that a program prints until it closes its outputs. It is ended with the session.
  private func collect(from descriptor: Int32, of process: pid_t) -> String {
    var output: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let ready = wait(-1, output: descriptor)
      // A package manager ends the compilers that it has started, if it is asked.
      if isEnding { kill(-process, interrupts > 1 ? SIGKILL : SIGTERM) }
      guard ready else { continue }
      let count = read(descriptor, &piece, piece.count)
      if count < 0, errno == EAGAIN || errno == EINTR { continue }
      guard count > 0 else { break }
      output += piece[..<min(count, max(0, Self.outputLimit - output.count))]
    }
    let text = String(decoding: output, as: UTF8.self)
    return text.isEmpty || text.hasSuffix("\n") ? text : text + "\n"
  }
}
