import CSystem
import Glibc

/// Whose descriptors a group watches.
protocol WatchGroupOwner: AnyObject {
  /// If not, the group rests until `resume`.
  var mayHearOfDescriptors: Bool { get }
  /// False if there is no watch with this tag.
  func descriptorReady(tag: UInt64, events: UInt32) -> Bool
  /// Something is reported that nobody watches any more: the group is to be made anew.
  func watchIsStale()
}

/// Descriptors that the host does not own, with a poller of their own inside the loop's. Whatever is done to them
/// behind the host's back (closed while they are watched, duplicated, their numbers used again) so touches nothing that
/// the loop itself watches, and ends with the group.
///
/// What is ready is reported in every turn as long as it is. Each turn asks the loop's other descriptors, timers and
/// mail too, so that an owner who does not read costs time, but holds up nobody.
final class WatchGroup: DescriptorWatcher {
  /// Reported in one turn; the poller begins with the others in the next.
  private static let readyLimit = 64

  private let loop: EventLoop
  private unowned let owner: any WatchGroupOwner
  private var poller: Int32
  private var isResting = true
  private var removals = 0

  /// Nil if the process has no descriptor left.
  init?(on loop: EventLoop, _ owner: any WatchGroupOwner) {
    self.loop = loop
    self.owner = owner
    poller = csystem_poller()
    if poller < 0 { return nil }
  }

  deinit { close() }

  // Each returns 0 or the system's error.

  func add(_ descriptor: Int32, _ events: UInt32, tag: UInt64) -> Int32 {
    csystem_watch(poller, descriptor, tag, events, 0) == 0 ? 0 : errno
  }

  func change(_ descriptor: Int32, _ events: UInt32, tag: UInt64) -> Int32 {
    csystem_watch(poller, descriptor, tag, events, 1) == 0 ? 0 : errno
  }

  func remove(_ descriptor: Int32) -> Int32 {
    removals += 1
    return csystem_watch(poller, descriptor, 0, 0, 1) == 0 ? 0 : errno
  }

  func resume() {
    guard isResting, poller >= 0, owner.mayHearOfDescriptors else { return }
    isResting = false
    loop.watch(poller, csystem_readable, self)
  }

  private func rest() {
    guard !isResting else { return }
    isResting = true
    loop.unwatch(poller)
  }

  func close() {
    guard poller >= 0 else { return }
    rest()
    _ = Glibc.close(poller)
    poller = -1
  }

  func descriptorReady(_ events: UInt32) {
    let before = removals
    let isStale = withUnsafeTemporaryAllocation(of: csystem_ready.self, capacity: Self.readyLimit) { ready in
      let count = Int(csystem_wait(poller, ready.baseAddress!, Int32(ready.count), 0))
      var isStale = false
      for index in 0..<max(0, count) {
        guard owner.mayHearOfDescriptors else { break }
        if !owner.descriptorReady(tag: ready[index].tag, events: ready[index].events) { isStale = true }
      }
      return isStale
    }
    guard owner.mayHearOfDescriptors else { return rest() }
    // A callback may have ended the watch of the next one reported. If not that, the next turn reports it again.
    if isStale, removals == before { owner.watchIsStale() }
  }
}
