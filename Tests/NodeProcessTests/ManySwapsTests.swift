import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// What many builds leave behind: no more than a history names, in files, memory and descriptors.
@Suite struct ManySwapsTests {
  let machine = Machine()

  @Test func copiesAndTrialProcessesAreRenewed() throws {
    let bytes = try #require(readFile(machine.swapper(2), limit: 1 << 24))
    machine.install(1)
    machine.manifest(["role: swapper"], plugins: "folders: [./plugins]")
    let node = try machine.ready("node.yaml", "--dev")
    let firstTrial = try #require(children(of: node).first)
    let descriptors = filesIn("/proc/\(node.process)/fd").count
    let swaps = wantsLongTests ? 400 : 70
    for number in 1...swaps {
      // The same code with other bytes behind it is another build.
      let next = machine.path("next.so")
      unlink(next)
      #expect(writeFile(next, bytes + Array("\(number)".utf8), mode: 0o755))
      let swapped = machine.hostctl("swap", "swapper", next)
      try #require(swapped.code == 0, "\(swapped.all)")
    }
    #expect(children(of: node).count == 1 && children(of: node) != [firstTrial])
    // Those of the history, those that came since the last look, and the next.
    let copies = filesIn(machine.path("state/plugins")).count
    #expect(copies <= min(swaps + 1, RoleHistory.limit + 34), "\(copies) copies after \(swaps) swaps")
    #expect(filesIn("/proc/\(node.process)/fd").count <= descriptors + 3)
    let history = try machine.history()
    #expect(history.generations.count == min(swaps + 1, RoleHistory.limit))
    // The oldest that there is can still be gone back to.
    let oldest = try #require(history.generations.first { $0.outcome == .replaced })
    #expect(machine.hostctl("rollback", "swapper", "\(oldest.number)").code == 0)
  }

  @Test func copiesThatNoHistoryNamesGoAtAStart() throws {
    machine.install(1)
    machine.manifest(["role: swapper"])
    let first = try machine.ready()
    first.send(SIGTERM)
    #expect(first.end() == 0)
    let stray = machine.path("state/plugins/\(String(repeating: "0", count: 64)).so")
    #expect(writeFile(stray, [1, 2, 3], mode: 0o500))
    machine.install(2)
    _ = try machine.ready()
    #expect(!machine.exists(stray))
    #expect(filesIn(machine.path("state/plugins")).count == 2, "the running build, and the one before")
  }

  private func children(of node: Child) -> [pid_t] {
    let text = readFile("/proc/\(node.process)/task/\(node.process)/children", limit: 4096) ?? []
    var found = String(decoding: text, as: UTF8.self).split(separator: " ").compactMap { pid_t($0) }
    // A child belongs to the thread that started it.
    for thread in filesIn("/proc/\(node.process)/task") where thread != "\(node.process)" {
      let text = readFile("/proc/\(node.process)/task/\(thread)/children", limit: 4096) ?? []
      found += String(decoding: text, as: UTF8.self).split(separator: " ").compactMap { pid_t($0) }
    }
    return found
  }
}
