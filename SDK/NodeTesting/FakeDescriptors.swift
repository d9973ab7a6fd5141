internal import CNodeABI
internal import Glibc

struct FakeWatch {
  var descriptor: Int32
  var interest: Readiness
  var token: UInt64
}

/// Descriptors that the role watches are real, and so is what they are ready for: a library of the role's can talk to
/// its other side in the test. The host looks once each time the clock moves or the role has been called.
extension FakeHost {
  private static let watchLimit = 256

  /// What the role watches, and what for.
  public var watchedDescriptors: [Int32: Readiness] {
    Dictionary(watches.all.map { ($0.descriptor, $0.interest) }) { $1 }
  }

  /// Waits, in real time, until something that the role watches is ready, and tells the role. False if nothing was.
  public func waitForDescriptors(_ limit: Duration = .seconds(5)) -> Bool {
    let isReady = lookAtDescriptors(limit)
    clock.settle()
    return isReady
  }

  func watch(_ descriptor: Int32, _ interest: UInt32, _ token: UInt64) -> nh_handle {
    guard permits("nh_fd_service.watch"), mayBeWatched(descriptor), isInterest(interest, "watch"),
      watches.count < Self.watchLimit
    else { return 0 }
    return watches.insert { _ in
      FakeWatch(descriptor: descriptor, interest: Readiness(rawValue: interest), token: token)
    }
  }

  func changeWatch(_ handle: nh_handle, _ interest: UInt32) -> nh_status {
    guard permits("nh_fd_service.change") else { return NH_FAILED_PRECONDITION }
    guard isInterest(interest, "change") else { return NH_INVALID_ARGUMENT }
    guard watches[handle] != nil else {
      expectGiven(handle, watches, "nh_fd_service.change")
      return NH_NOT_FOUND
    }
    watches.update(handle) { $0.interest = Readiness(rawValue: interest) }
    return NH_OK
  }

  func unwatch(_ handle: nh_handle) -> nh_status {
    guard allows("nh_fd_service.unwatch") else { return NH_FAILED_PRECONDITION }
    guard let watch = watches.remove(handle) else {
      expectGiven(handle, watches, "nh_fd_service.unwatch")
      return NH_NOT_FOUND
    }
    if fcntl(watch.descriptor, F_GETFD) < 0 { closedTooEarly(watch) }
    return NH_OK
  }

  /// Tells the role once of each descriptor that is ready. False if none was.
  @discardableResult
  func lookAtDescriptors(_ limit: Duration = .zero) -> Bool {
    guard watches.count > 0, phase == .running || phase == .draining else { return false }
    let handles = watches.handles
    var polled = handles.map { handle in
      let interest = watches[handle]!.interest
      let events = (interest.contains(.read) ? POLLIN : 0) | (interest.contains(.write) ? POLLOUT : 0)
      return pollfd(fd: watches[handle]!.descriptor, events: Int16(events), revents: 0)
    }
    let milliseconds = Int32(clamping: limit.nanoseconds / 1_000_000)
    guard poll(&polled, nfds_t(polled.count), milliseconds) > 0 else { return false }
    for (handle, found) in zip(handles, polled) where found.revents != 0 { tell(handle, Int32(found.revents)) }
    return true
  }

  private func tell(_ handle: nh_handle, _ events: Int32) {
    // Another's closure may have ended it.
    guard let watch = watches[handle] else { return }
    if events & POLLNVAL != 0 {
      watches.remove(handle)
      return closedTooEarly(watch)
    }
    guard let function = library.table.on_event else { return breach("the role watches, and has no on_event") }
    var ready: Readiness = []
    if events & POLLIN != 0 { ready.insert(.read) }
    if events & POLLOUT != 0 { ready.insert(.write) }
    if events & (POLLERR | POLLHUP) != 0 { ready = watch.interest.union(.error) }
    var event = nh_event()
    event.struct_size = UInt32(MemoryLayout<nh_event>.size)
    event.revision = NH_ABI_REVISION
    event.kind = NH_EVENT_FD
    event.number = ready.rawValue
    event.handle = handle
    event.token = watch.token
    function(role, &event)
  }

  // MARK: Misuse

  private func mayBeWatched(_ descriptor: Int32) -> Bool {
    var facts = stat()
    guard fstat(descriptor, &facts) == 0 else {
      breach("nh_fd_service.watch: descriptor \(descriptor) is not open")
      return false
    }
    if facts.st_mode & S_IFMT == S_IFREG || facts.st_mode & S_IFMT == S_IFDIR {
      breach("nh_fd_service.watch: descriptor \(descriptor) is a file or a folder, which cannot be watched")
      return false
    }
    if watches.all.contains(where: { $0.descriptor == descriptor }) {
      breach("nh_fd_service.watch: descriptor \(descriptor) is watched already, or was closed while it was")
      return false
    }
    return true
  }

  private func isInterest(_ interest: UInt32, _ function: String) -> Bool {
    if interest & ~(NH_FD_READ | NH_FD_WRITE | NH_FD_ERROR) == 0 { return true }
    breach("nh_fd_service.\(function): there is no interest \(interest)")
    return false
  }

  private func closedTooEarly(_ watch: FakeWatch) {
    breach("descriptor \(watch.descriptor) was closed while it was watched; unwatch it before closing it")
  }
}
