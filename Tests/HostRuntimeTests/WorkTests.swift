import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// Jobs on the CPU pool, given by a small C role.
@Suite struct WorkTests {
  let live: LiveNode
  private let folder = Place.temporaryFolder()

  init() {
    let (code, output) = run([
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
      "\(Place.repository)/SDK/CNodeABI/include", "-o", "\(folder)/libworker.so",
      "\(Place.repository)/Tests/Fixtures/worker.c",
    ])
    precondition(code == 0, output)
    let names = ["b", "c"]
    live = LiveNode(
      folders: [folder],
      names.map { "{ role: worker, name: \($0), cold_start: on, limits: { drain_ms: 100, swap_ms: 100 } }" },
      allowsChanges: false)
  }

  @Test func theOutcomeComesBackToTheLoop() {
    #expect(live.send("work", [.int(5)]).outcome() == .value(.int(4)))
  }

  @Test func theLoopIsFreeMeanwhile() {
    let slow = live.send("work", [.int(300)])
    let before = EventLoop.now()
    #expect(live.send("cancel").outcome() == .value(.int(0)))
    #expect(EventLoop.now() - before < 200_000_000)
    #expect(slow.outcome() == .failure(NH_CANCELLED, "the job ended early"))
  }

  @Test func rolesTakeTurns() {
    let many = (0..<40).map { _ in live.send("work", [.int(20)], on: "b") }
    let before = EventLoop.now()
    #expect(live.send("work", [.int(20)], on: "c").outcome() == .value(.int(4)))
    // Forty jobs of 20 ms take 400 ms on two cores; whoever comes last with one waits for one or two of them.
    #expect(EventLoop.now() - before < 250_000_000)
    for job in many { #expect(job.outcome() == .value(.int(4))) }
  }

  @Test func aJobThatHasNotBegunNeverWill() {
    let busy = (0..<8).map { _ in live.send("work", [.int(150)]) }
    let last = live.send("work", [.int(10_000)])
    usleep(20_000)
    #expect(live.send("cancel").outcome() == .value(.int(0)))
    #expect(last.outcome() == .failure(NH_CANCELLED, "the job ended early"))
    for job in busy { #expect(job.outcome() == .value(.int(4))) }
  }

  @Test func jobsAreBoundedInNumber() {
    let jobs = (0..<1100).map { _ in live.send("work", [.int(1)]) }
    let outcomes = jobs.map { $0.outcome() }
    let refused = outcomes.count { $0 == .failure(NH_RESOURCE_EXHAUSTED, "too many jobs") }
    #expect(
      outcomes.count { $0 == .value(.int(4)) } + outcomes.count { if case .error = $0 { true } else { false } } == 1100)
    // How many are refused depends on how fast the pool is; never more than came too many.
    #expect(refused <= 100)
  }

  @Test func aRoleEndsOnlyWhenItsJobsDo() throws {
    let deaf = live.send("deaf", [.int(400)])
    usleep(50_000)
    let before = EventLoop.now()
    live.onControl { $0.restart($0.role("b")!) }
    live.waits { $0.role("b")?.state == .running && $0.role("b")?.generation == 2 }
    #expect(EventLoop.now() - before > 250_000_000, "its code still ran")
    guard case .error = deaf.outcome() else { return #expect(Bool(false)) }
    #expect(live.send("work", [.int(1)]).outcome() == .value(.int(4)))
  }

  @Test func aSwapWaitsForJobsAndThenCutsThemShort() throws {
    let short = live.send("work", [.int(50)]), long = live.send("work", [.int(10_000)])
    usleep(10_000)
    #expect(try live.swap(["b"], isForced: true).get().map(\.generation) == [2])
    #expect(short.outcome() == .value(.int(4)))
    #expect(long.outcome() == .failure(NH_CANCELLED, "the job ended early"))
    #expect(live.send("work", [.int(1)]).outcome() == .value(.int(4)))
  }
}
