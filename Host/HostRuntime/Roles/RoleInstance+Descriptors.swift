import CNodeABI
import CSystem
import Glibc
import HostCore

/// What a role watches. It belongs to the build and ends with it: the next one opens its own.
struct DescriptorWatches {
  struct Watch {
    var descriptor: Int32
    var interest: UInt32
    var token: UInt64

    /// The error bit is reported anyhow; it is there because a watch for nothing else must ask for something.
    var events: UInt32 {
      (interest & NH_FD_READ == 0 ? 0 : csystem_readable) | (interest & NH_FD_WRITE == 0 ? 0 : csystem_writable)
        | csystem_failed
    }

    /// Who waits to read or write no longer waits in vain on what is broken or closed at the other end: both return at
    /// once.
    func readiness(_ events: UInt32) -> UInt32 {
      if events & (csystem_failed | csystem_closed) != 0 { return interest | NH_FD_ERROR }
      return (events & csystem_readable == 0 ? 0 : NH_FD_READ) | (events & csystem_writable == 0 ? 0 : NH_FD_WRITE)
    }
  }

  static let limit = 256

  private(set) var table = SlotTable<Watch>(limit: DescriptorWatches.limit)
  private var handles: [Int32: UInt64] = [:]
  /// There from the first watch on.
  var group: WatchGroup?

  func handle(of descriptor: Int32) -> UInt64? { handles[descriptor] }

  mutating func insert(_ watch: Watch) -> UInt64? {
    guard let handle = table.insert(watch) else { return nil }
    handles[watch.descriptor] = handle
    return handle
  }

  mutating func update(_ handle: UInt64, _ watch: Watch) { table[handle] = watch }

  mutating func remove(_ handle: UInt64) {
    if let watch = table.remove(handle) { handles[watch.descriptor] = nil }
  }
}

/// The descriptor service, as one role sees it.
extension RoleInstance {
  func watchDescriptor(_ descriptor: Int32, _ interest: UInt32, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "fd.watch"), isKnown(interest, "fd.watch"), hasEventFunction,
      !isWatched(descriptor), let group = watchGroup()
    else { return 0 }
    let watch = DescriptorWatches.Watch(descriptor: descriptor, interest: interest, token: token)
    guard let handle = descriptorWatches.insert(watch) else { return 0 }
    let error = group.add(descriptor, watch.events, tag: handle)
    if error != 0 {
      descriptorWatches.remove(handle)
      refuse(descriptor, error)
      return 0
    }
    group.resume()
    return handle
  }

  func changeWatch(_ handle: nh_handle, _ interest: UInt32) -> nh_status {
    guard permits([.starting, .running], "fd.change") else { return NH_FAILED_PRECONDITION }
    guard isKnown(interest, "fd.change") else { return NH_INVALID_ARGUMENT }
    guard var watch = descriptorWatches.table[handle], let group = descriptorWatches.group else { return NH_NOT_FOUND }
    watch.interest = interest
    guard group.change(watch.descriptor, watch.events, tag: handle) == 0 else {
      lose(handle, watch)
      return NH_NOT_FOUND
    }
    descriptorWatches.update(handle, watch)
    return NH_OK
  }

  func unwatchDescriptor(_ handle: nh_handle) -> nh_status {
    guard permits([.starting, .running, .stopping], "fd.unwatch") else { return NH_FAILED_PRECONDITION }
    guard let watch = descriptorWatches.table[handle], let group = descriptorWatches.group else { return NH_NOT_FOUND }
    if group.remove(watch.descriptor) == 0 { descriptorWatches.remove(handle) } else { lose(handle, watch) }
    return NH_OK
  }

  /// The build is the one that serves, from now on or again.
  func resumeDescriptors() { descriptorWatches.group?.resume() }

  func endDescriptors() {
    descriptorWatches.group?.close()
    descriptorWatches = DescriptorWatches()
  }

  private func watchGroup() -> WatchGroup? {
    if let group = descriptorWatches.group { return group }
    guard let group = WatchGroup(on: loop, self) else {
      node.log.write(NH_LOG_ERROR, role: name, "the process has no descriptor left to watch others with")
      return nil
    }
    descriptorWatches.group = group
    return group
  }

  // MARK: Misuse

  private func isKnown(_ interest: UInt32, _ function: StaticString) -> Bool {
    let known = NH_FD_READ | NH_FD_WRITE | NH_FD_ERROR
    if interest & ~known == 0 { return true }
    misuse("\(function) was asked for the interest \(interest)", "combine NH_FD_READ, NH_FD_WRITE and NH_FD_ERROR")
    return false
  }

  private var hasEventFunction: Bool {
    if table.pointee.on_event != nil { return true }
    misuse("it watches descriptors and has no on_event", "fill in on_event")
    return false
  }

  private func isWatched(_ descriptor: Int32) -> Bool {
    guard let handle = descriptorWatches.handle(of: descriptor), let watch = descriptorWatches.table[handle],
      let group = descriptorWatches.group
    else { return false }
    // The same number may be another file by now.
    guard group.change(descriptor, watch.events, tag: handle) == 0 else {
      lose(handle, watch)
      return false
    }
    misuse("fd.watch of descriptor \(descriptor), which it watches already", "change the watch that there is")
    return true
  }

  /// The descriptor has gone behind the watch's back.
  private func lose(_ handle: UInt64, _ watch: DescriptorWatches.Watch) {
    descriptorWatches.remove(handle)
    misuse("descriptor \(watch.descriptor) was closed while it was watched", "unwatch it before closing it")
  }

  private func refuse(_ descriptor: Int32, _ error: Int32) {
    switch error {
    case EBADF: misuse("fd.watch of descriptor \(descriptor), which is not open", "watch it while it is")
    case EPERM:
      misuse(
        "fd.watch of descriptor \(descriptor), which is a file or a folder: there is nothing to wait for",
        "read and write it in a job of \(NH_WORK_ID)")
    case EINVAL, ELOOP:
      misuse("fd.watch of descriptor \(descriptor), which watches others itself", "watch those that it watches")
    default:
      node.log.write(
        NH_LOG_ERROR, role: name, "descriptor \(descriptor) cannot be watched: \(String(cString: strerror(error)))")
    }
  }
}

extension RoleInstance: WatchGroupOwner {
  /// The old build of a swap hears nothing once its state is on its way, and the new one not before it has taken over.
  var mayHearOfDescriptors: Bool { isLive && seat.current === self && seat.gate != .moving }

  func descriptorReady(tag handle: UInt64, events: UInt32) -> Bool {
    guard let watch = descriptorWatches.table[handle] else { return false }
    deliverReady(handle, watch.readiness(events), token: watch.token)
    return true
  }

  /// A descriptor that was closed while it was watched has a duplicate, and is reported for ever: no call names it any
  /// more. So all others move to a group of their own.
  func watchIsStale() {
    guard let old = descriptorWatches.group, let new = WatchGroup(on: loop, self) else { return }
    for (handle, watch) in descriptorWatches.table.elements {
      let isThere = old.change(watch.descriptor, watch.events, tag: handle) == 0
      if !isThere || new.add(watch.descriptor, watch.events, tag: handle) != 0 { lose(handle, watch) }
    }
    old.close()
    descriptorWatches.group = new
    new.resume()
  }
}
