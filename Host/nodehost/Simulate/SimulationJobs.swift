import Glibc
import HostCore
import HostRuntime
import NodeValues

/// Lets several processes run worlds side by side, each with the next seed when it has done one.
final class SimulationJobs {
  enum Answer {
    case json(JSON)
    /// The process that ran the seed has died of it.
    case died(seed: UInt64, status: Int32)
  }

  private final class Worker {
    let process: pid_t
    let input: Int32
    let output: Int32
    var seed: UInt64?
    var unread: [UInt8] = []

    init(process: pid_t, input: Int32, output: Int32) {
      (self.process, self.input, self.output) = (process, input, output)
    }
  }

  private let words: [String]
  private var workers: [Worker] = []
  private var next: () -> UInt64?
  private let heard: (Answer) -> Bool
  private let count: Int

  /// `next` gives the seeds; `heard` returns false when enough has been heard.
  init(_ count: Int, _ words: [String], next: @escaping () -> UInt64?, heard: @escaping (Answer) -> Bool) {
    (self.count, self.words, self.next, self.heard) = (count, words, next, heard)
  }

  func run() {
    var first = next()
    while workers.count < count, let seed = first {
      guard begin(seed) else { break }
      first = workers.count < count ? next() : nil
    }
    while !workers.isEmpty { guard wait() else { break } }
    for worker in workers { end(worker, kills: true) }
  }

  // MARK: Processes

  private func begin(_ seed: UInt64) -> Bool {
    var input: [Int32] = [0, 0], output: [Int32] = [0, 0]
    guard pipe(&input) == 0, pipe(&output) == 0 else { return false }
    for end in input + output { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO)
    var arguments: [UnsafeMutablePointer<CChar>?] =
      (["nodehost", SimulationWorker.word] + words).map { strdup($0) } + [nil]
    defer { for word in arguments { free(word) } }
    var process = pid_t()
    let status = posix_spawn(&process, ownExecutable, &actions, nil, &arguments, environ)
    close(input[0])
    close(output[1])
    guard status == 0 else { return false }
    let worker = Worker(process: process, input: input[1], output: output[0])
    workers.append(worker)
    give(worker, seed)
    return true
  }

  private func give(_ worker: Worker, _ seed: UInt64?) {
    worker.seed = seed
    guard let seed else { return end(worker, kills: false) }
    _ = writeAll(worker.input, Array("\(seed)\n".utf8))
  }

  private func end(_ worker: Worker, kills: Bool) {
    workers.removeAll { $0 === worker }
    if kills { kill(worker.process, SIGKILL) }
    close(worker.input)
    close(worker.output)
    waitpid(worker.process, nil, 0)
  }

  // MARK: Answers

  /// False when enough has been heard.
  private func wait() -> Bool {
    var polled = workers.map { pollfd(fd: $0.output, events: Int16(POLLIN), revents: 0) }
    guard poll(&polled, nfds_t(polled.count), -1) > 0 else { return true }
    for (worker, state) in zip(workers, polled) where state.revents != 0 {
      guard read(worker) else { return false }
    }
    return true
  }

  private func read(_ worker: Worker) -> Bool {
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    let count = Glibc.read(worker.output, &chunk, chunk.count)
    guard count > 0 else { return died(worker) }
    worker.unread += chunk[..<count]
    while let end = worker.unread.firstIndex(of: 10) {
      let line = Array(worker.unread[..<end])
      worker.unread.removeSubrange(...end)
      guard let json = try? JSON(parsing: line) else { continue }
      guard heard(.json(json)) else { return false }
      if json["hash"] != nil { give(worker, next()) }
    }
    return true
  }

  private func died(_ worker: Worker) -> Bool {
    let seed = worker.seed
    var status: Int32 = 0
    workers.removeAll { $0 === worker }
    close(worker.input)
    close(worker.output)
    waitpid(worker.process, &status, 0)
    guard let seed, status & 0x7F != 0 else { return seed == nil }
    guard heard(.died(seed: seed, status: status & 0x7F)) else { return false }
    if let another = next() { return begin(another) }
    return true
  }
}
