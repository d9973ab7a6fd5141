import Glibc
import HostRuntime
import Testing

/// What a run needed is given back when it ends, however it ended: processes that do hundreds of thousands live on.
@Suite struct MemoryTests {
  /// Runs that kept what is open when a node goes, or more of it, would keep several times as much.
  private static let slackKilobytes = 1_000

  @Test func runsLeaveNothingBehind() throws {
    let folder = SimulatedPlugins.temporaryFolder()
    defer { removeTree(folder) }
    for id in 1...2 {
      try writeText(
        "\(folder)/\(id).yaml",
        """
        nodehost: 1
        node: { id: \(id), name: n\(id), address: 10.0.0.\(id), state: \(folder)/state\(id) }
        plugins: { folders: [\(SimulatedPlugins.folder), \(SimulatedPlugins.products)] }
        listen: { data: { address: "0.0.0.0:8080" } }
        roles: [{ role: asker }, { role: talker }, { role: routes }]
        """)
    }
    try writeText(
      "\(folder)/ask.sim",
      """
      deployment .
      minutes 0.3
      faults crashes,swaps,partitions
      clients 4 pause 100ms..500ms timeout 2s
        call asker.ask GET http://n2:8080/never - 1500 0
        call talker.call http://n2:8080 /interop.Echo/Wait hello 0 1500 0 0 0
        call talker.call http://n2:81 /interop.Echo/Unary hello 0 1500 0 0 0
        call asker.ask GET http://nobody:8080/x - 500 2
      """)
    let worker = try Worker("\(folder)/ask.sim")
    for seed in 1...4 { worker.run(seed) }
    let before = worker.kilobytes
    for seed in 11...40 where seed % 10 != 0 { worker.run(seed) }
    let after = worker.kilobytes
    #expect(after - before < Self.slackKilobytes, "\(before) KB after 4 runs, \(after) KB after 31")
  }

  /// The process that `nodehost simulate` lets do the runs.
  private final class Worker {
    private let process: pid_t
    private let input: UnsafeMutablePointer<FILE>
    private let output: UnsafeMutablePointer<FILE>

    init(_ scenario: String) throws {
      let words = ["nodehost", "simulate-worker", scenario]
      var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
      defer { for word in arguments { free(word) } }
      var down: [Int32] = [0, 0], up: [Int32] = [0, 0]
      try #require(pipe(&down) == 0 && pipe(&up) == 0)
      for end in down + up { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
      var actions = posix_spawn_file_actions_t()
      posix_spawn_file_actions_init(&actions)
      defer { posix_spawn_file_actions_destroy(&actions) }
      posix_spawn_file_actions_adddup2(&actions, down[0], 0)
      posix_spawn_file_actions_adddup2(&actions, up[1], 1)
      var started = pid_t()
      let path = "\(SimulatedPlugins.products)/nodehost"
      let status = posix_spawn(&started, path, &actions, nil, &arguments, environ)
      close(down[0])
      close(up[1])
      try #require(status == 0)
      (process, input, output) = (started, fdopen(down[1], "w"), fdopen(up[0], "r"))
      // It says first what it is about to run.
      _ = line()
    }

    deinit {
      fclose(input)
      fclose(output)
      waitpid(process, nil, 0)
    }

    private func line() -> String {
      var room = [CChar](repeating: 0, count: 1 << 16)
      return fgets(&room, Int32(room.count), output) == nil
        ? "" : room.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    func run(_ seed: Int) {
      fputs("\(seed)\n", input)
      fflush(input)
      let said = line()
      #expect(contains(said, "\"seed\":\"\(seed)\"") && !contains(said, "rule"), "\(said)")
    }

    var kilobytes: Int {
      let text = String(decoding: readFile("/proc/\(process)/statm", limit: 1 << 10) ?? [], as: UTF8.self)
      return (Int(text.split(separator: " ")[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE)) / 1_024
    }
  }
}
