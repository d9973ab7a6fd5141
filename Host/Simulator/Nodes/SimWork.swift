import CNodeABI
import HostRuntime
import Synchronization

/// Roles' jobs: each runs in one go when its time has come, and has taken some time then.
final class SimWorkers: JobRunner, @unchecked Sendable {
  /// What a job costs, at least and at most.
  private static let cost: ClosedRange<Int64> = 500_000...20_000_000

  private unowned(unsafe) let node: SimNode
  private var waiting: [WorkJob] = []
  private var isGone = false

  init(_ node: SimNode) { self.node = node }

  func submit(_ job: WorkJob, for owner: AnyObject) {
    waiting.append(job)
    node.world.after(Int64.random(in: Self.cost, using: &node.world.chance)) { [self] in
      guard !isGone, let place = waiting.firstIndex(where: { $0 === job }) else { return }
      waiting.remove(at: place)
      node.showClocks()
      let (status, result) = job.run()
      job.completion(job, status, result)
    }
  }

  func cancel(_ job: WorkJob, of owner: AnyObject) {
    job.isCancelled.store(true, ordering: .relaxed)
    guard let place = waiting.firstIndex(where: { $0 === job }) else { return }
    waiting.remove(at: place)
    job.completion(job, NH_CANCELLED, [])
  }

  func waitForRunning(of owner: AnyObject) {}
  func end() {}

  func vanish() {
    isGone = true
    waiting = []
  }
}

/// What roles' objects need of the disk.
final class SimDisks: DiskRunner, @unchecked Sendable {
  private unowned(unsafe) let node: SimNode
  private var isGone = false

  init(_ node: SimNode) { self.node = node }

  func submit(for owner: AnyObject, _ work: @escaping @Sendable () -> Void) {
    node.world.after(Int64.random(in: node.disk.sync, using: &node.world.chance)) { [self] in
      guard !isGone else { return }
      node.showClocks()
      work()
    }
  }

  func end() {}
  func vanish() { isGone = true }
}
