import CNodeABI
import Glibc
import HostCore
import HostRuntime

extension ScriptedHost {
  static let watchLimit = 256

  struct Watch {
    unowned var owner: ScriptedRole
    var descriptor: Int32
    var interest: UInt32
    var token: UInt64
  }

  /// Tells the role once of each of its descriptors that is ready. They are the role's own and real: what a script said
  /// of them would let it wait for bytes that are not there.
  func lookAtDescriptors(_ role: ScriptedRole) {
    let held = watches.elements.filter { $0.element.owner === role }
    guard !held.isEmpty else { return }
    var polled = held.map { _, watch in
      let events = (watch.interest & NH_FD_READ == 0 ? 0 : POLLIN) | (watch.interest & NH_FD_WRITE == 0 ? 0 : POLLOUT)
      return pollfd(fd: watch.descriptor, events: Int16(events), revents: 0)
    }
    guard poll(&polled, nfds_t(polled.count), 0) > 0 else { return }
    for (watch, found) in zip(held, polled) where found.revents != 0 { role.tell(watch.handle, Int32(found.revents)) }
  }
}

/// The descriptor service.
extension ScriptedRole {
  func watchDescriptor(_ descriptor: Int32, _ interest: UInt32, _ token: UInt64) -> nh_handle {
    guard host.permits(.fdWatch, self) else { return 0 }
    guard isInterest(interest, .fdWatch) else { return 0 }
    if fcntl(descriptor, F_GETFD) < 0 {
      misuse(.fdWatch, "descriptor \(descriptor) is not open")
      return 0
    }
    if host.watches.elements.contains(where: { $0.element.owner === self && $0.element.descriptor == descriptor }) {
      misuse(.fdWatch, "descriptor \(descriptor) is watched already, or was closed while it was")
      return 0
    }
    let watch = ScriptedHost.Watch(owner: self, descriptor: descriptor, interest: interest, token: token)
    guard host.watches.count < ScriptedHost.watchLimit * host.instances else { return 0 }
    return host.watches.insert(watch) ?? 0
  }

  func changeWatch(_ handle: nh_handle, _ interest: UInt32) -> nh_status {
    guard host.permits(.fdChange, self) else { return NH_UNAVAILABLE }
    guard isInterest(interest, .fdChange) else { return NH_INVALID_ARGUMENT }
    guard var watch = host.watches[handle], watch.owner === self else { return NH_NOT_FOUND }
    watch.interest = interest
    host.watches[handle] = watch
    return NH_OK
  }

  func unwatch(_ handle: nh_handle) -> nh_status {
    guard host.permits(.fdUnwatch, self) else { return NH_UNAVAILABLE }
    guard let watch = host.watches[handle], watch.owner === self else { return NH_NOT_FOUND }
    host.watches.remove(handle)
    if fcntl(watch.descriptor, F_GETFD) < 0 { closedTooEarly(watch) }
    return NH_OK
  }

  fileprivate func tell(_ handle: UInt64, _ events: Int32) {
    // Another's event may have ended it.
    guard let watch = host.watches[handle] else { return }
    if events & POLLNVAL != 0 {
      host.watches.remove(handle)
      return closedTooEarly(watch)
    }
    var event = nh_event()
    event.kind = NH_EVENT_FD
    (event.handle, event.token) = (handle, watch.token)
    event.number = (events & POLLIN == 0 ? 0 : NH_FD_READ) | (events & POLLOUT == 0 ? 0 : NH_FD_WRITE)
    if events & (POLLERR | POLLHUP) != 0 { event.number = watch.interest | NH_FD_ERROR }
    deliver(event)
  }

  private func isInterest(_ interest: UInt32, _ function: HostFunction) -> Bool {
    if interest & ~(NH_FD_READ | NH_FD_WRITE | NH_FD_ERROR) == 0 { return true }
    misuse(function, "there is no interest \(interest)")
    return false
  }

  private func closedTooEarly(_ watch: ScriptedHost.Watch) {
    misuse(.fdWatch, "descriptor \(watch.descriptor) was closed while it was watched")
  }

  private func misuse(_ function: HostFunction, _ detail: String) {
    host.note(.init(function: function, phase: phase, isOnLoop: host.isOnLoop, bracket: "", detail: detail))
  }
}
