import Glibc
import HostCore
import HostRuntime
package import NodeValues

/// How a check is run.
package struct CheckOptions: Sendable {
  /// More at once would make each slower than its limit allows for.
  package static let mostProcesses = 4

  package var selection: CaseSelection
  package var seed: UInt64
  /// All cases in this process, for a debugger: no limits, and a crash ends all.
  package var isInProcess = false
  /// For plugins whose schema asks for more than its defaults.
  package var config: JSON?
  /// Instead of each case's own.
  package var limitMilliseconds: Int64?
  /// nodehost's own file, which the processes of the cases run.
  package var executable: String
  /// Cases that run at once.
  package var processes = max(1, min(Self.mostProcesses, sysconf(Int32(_SC_NPROCESSORS_ONLN))))

  package init(selection: CaseSelection, seed: UInt64, executable: String) {
    self.selection = selection
    self.seed = seed
    self.executable = executable
  }
}

/// What all cases together found of one plugin.
package struct PluginReport: Sendable {
  package var file: String
  package var seed: UInt64
  package var results: [CaseResult]
  package var milliseconds: Int64

  package func count(_ verdict: Verdict) -> Int { results.count { $0.verdict == verdict } }
  package var isGood: Bool { !results.contains { $0.verdict.isBad } }
}

/// Runs the chosen cases against one plugin, each in its own process, a few at once.
package final class CheckRun {
  private let path: String
  private let options: CheckOptions
  private let scratch: String
  /// Told after each case: how many of how many have ended, and which runs.
  private let progress: (Int, Int, String) -> Void
  private var results: [Int: CaseResult] = [:]
  private var copy: String
  private var mayUnload = false

  /// `scratch` is a folder for private copies and output, which the caller removes.
  package init(
    _ path: String, _ options: CheckOptions, scratch: String, progress: @escaping (Int, Int, String) -> Void
  ) {
    self.path = path
    self.options = options
    self.scratch = scratch
    self.progress = progress
    copy = path
  }

  package func run() -> PluginReport {
    // A crash is told by the parent; Swift's own report would only delay it.
    setenv("SWIFT_BACKTRACE", "enable=no", 1)
    let started = EventLoop.now()
    let isPlugin = copyFile()
    let wanted = options.selection.wanted
    var obstacle = isPlugin || options.selection.isExplicit ? nil : "it is no plugin that may be opened"
    for stage in [CheckCase.Stage.file, .opening, .life, .rest] {
      let numbers = wanted.indices.filter { wanted[$0].check.stage == stage }
      if let obstacle, stage > .file {
        for number in numbers { record(number, .skipped(obstacle), since: EventLoop.now()) }
      } else if options.isInProcess {
        for number in numbers { runHere(number) }
      } else {
        runApart(numbers)
      }
      if !options.selection.isExplicit, obstacle == nil { obstacle = self.obstacle(after: stage) }
    }
    return PluginReport(
      file: path, seed: options.seed, results: wanted.indices.compactMap { results[$0] },
      milliseconds: (EventLoop.now() - started) / 1_000_000)
  }

  /// Why the later stages make no sense, if they do not.
  private func obstacle(after stage: CheckCase.Stage) -> String? {
    let wanted = options.selection.wanted
    let blocking = wanted.indices.first {
      wanted[$0].check.stage == stage && wanted[$0].check.isGate && results[$0]?.verdict.isBad == true
    }
    guard let blocking else { return nil }
    return "not tried: see \(wanted[blocking].check.id)"
  }

  /// The private copy, named by its content; false if the file is none that may be opened.
  private func copyFile() -> Bool {
    do throws(PluginProblem) {
      let file = try PluginFile(path: path, allowed: nil, cache: PluginCache(folder: scratch))
      copy = file.copy
      mayUnload = file.note.mayUnload
      return true
    } catch {
      return false
    }
  }

  private func subject(_ number: Int) -> CaseSubject {
    CaseSubject(
      path: path, copy: copy, mayUnload: mayUnload, seed: options.seed, part: options.selection.wanted[number].part,
      givenConfig: options.config)
  }

  private func runHere(_ number: Int) {
    let check = options.selection.wanted[number].check
    progress(results.count, options.selection.wanted.count, check.id)
    let started = EventLoop.now()
    record(number, CaseEnding.of(check, subject(number)), since: started)
  }

  private func runApart(_ numbers: [Int]) {
    var waiting = numbers[...]
    var running: [(number: Int, process: CaseProcess)] = []
    while !waiting.isEmpty || !running.isEmpty {
      while running.count < options.processes, let number = waiting.popFirst() {
        if let process = start(number) { running.append((number, process)) }
      }
      guard !running.isEmpty else { continue }
      var polls = running.map { pollfd(fd: $0.process.channel, events: Int16(POLLIN), revents: 0) }
      let nearest = running.map(\.process.deadline).min()!
      let patience = max(0, (nearest - EventLoop.now()) / 1_000_000 + 1)
      _ = poll(&polls, UInt(polls.count), Int32(clamping: patience))
      var left: [(number: Int, process: CaseProcess)] = []
      for (place, (number, process)) in running.enumerated() {
        if let ending = ending(of: process, isReadable: polls[place].revents != 0) {
          record(number, ending, since: process.started)
        } else {
          left.append((number, process))
        }
      }
      running = left
    }
  }

  private func ending(of process: CaseProcess, isReadable: Bool) -> CaseEnding? {
    if isReadable { return process.receive() }
    return EventLoop.now() >= process.deadline ? process.hang() : nil
  }

  private func start(_ number: Int) -> CaseProcess? {
    let check = options.selection.wanted[number].check
    progress(results.count, options.selection.wanted.count, check.id)
    let process = CaseProcess(
      check, subject(number), executable: options.executable, output: "\(scratch)/output-\(number)",
      limitMilliseconds: options.limitMilliseconds ?? check.limitMilliseconds)
    if process == nil {
      let failure = CaseFailure("cannot be started (\(systemError()))", remedy: "try again with fewer processes about")
      record(number, .crashed(failure), since: EventLoop.now())
    }
    return process
  }

  private func record(_ number: Int, _ ending: CaseEnding, since started: Int64) {
    let check = options.selection.wanted[number].check
    var part: Int?
    switch ending {
    case .failed(let failure), .crashed(let failure), .hung(let failure): part = failure.part
    case .passed, .skipped: part = options.selection.wanted[number].part
    }
    results[number] = CaseResult(
      check, ending, milliseconds: (EventLoop.now() - started) / 1_000_000, command: command(check, part))
    progress(results.count, options.selection.wanted.count, check.id)
  }

  private func command(_ check: CheckCase, _ part: Int?) -> String {
    let name = part.map { "\(check.id):\($0)" } ?? check.id
    let config = options.config.map { " --config \(Self.quoted($0.description))" } ?? ""
    return "nodehost check --only \(name) --seed \(options.seed)\(config) \(Self.quoted(path))"
  }

  /// As a shell takes it for one word.
  private static func quoted(_ word: String) -> String {
    let isPlain = word.utf8.allSatisfy {
      switch $0 {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: Array("/._-+=:,@".utf8).contains($0)
      }
    }
    if isPlain, !word.isEmpty { return word }
    return "'" + word.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
  }
}
