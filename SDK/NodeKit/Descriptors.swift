internal import CNodeABI

/// Descriptors of a library that brings its own sockets: the host says when they are ready, so that no callback waits.
///
///     watch = try context.descriptors.watch(socket, for: .read) { ready in self.library.process() }
///
/// A role that needs this touches the world past the host, so it cannot be simulated. What speaks HTTP or gRPC, or to
/// other nodes, has services of its own.
public struct Descriptors {
  let link: HostLink

  /// Runs `body` as long as the descriptor is ready, once in each turn of the loop, so it should read or write what it
  /// can without waiting. A closure that throws is logged, and its watch ends.
  ///
  /// The descriptor stays the role's: cancel the watch before closing it. At most 256 are watched at a time, each once;
  /// files and folders cannot be.
  @discardableResult
  public func watch(
    _ descriptor: Int32, for interest: Readiness, _ body: @escaping (Readiness) throws -> Void
  ) throws -> DescriptorWatch {
    let service = try link.descriptorService
    let token = link.descriptors.insert(DescriptorEntry(descriptor: descriptor, body: body))
    let handle = service.pointee.watch(service.pointee.ctx, descriptor, interest.rawValue, token)
    guard handle != 0 else {
      link.descriptors.remove(token)
      throw RoleError(
        .resourceExhausted,
        "descriptor \(descriptor) is not watched: it is no open socket or pipe, or is watched already, or the role "
          + "watches 256")
    }
    link.descriptors[token]?.handle = handle
    return DescriptorWatch(link: link, handle: handle, token: token)
  }
}

/// What a descriptor is ready for.
public struct Readiness: OptionSet, Sendable, Hashable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Reading does not wait; perhaps the other side has closed.
  public static let read = Readiness(rawValue: NH_FD_READ)
  public static let write = Readiness(rawValue: NH_FD_WRITE)
  /// It has failed, or both sides have closed. Reported whether asked for or not, beside what was asked for.
  public static let error = Readiness(rawValue: NH_FD_ERROR)
}

/// A descriptor that is watched, until the role ends or says so.
public struct DescriptorWatch {
  let link: HostLink
  let handle: nh_handle
  let token: UInt64

  /// Waits for something else from now on; for nothing but errors if that is empty.
  public func change(to interest: Readiness) throws {
    guard link.descriptors[token] != nil else { throw RoleError(.failedPrecondition, "the watch has ended") }
    let service = try link.descriptorService
    let status = service.pointee.change(service.pointee.ctx, handle, interest.rawValue)
    guard status == NH_OK else { throw RoleError(Status(rawValue: status), "the host did not change the watch") }
  }

  /// Ends it; no harm if it has ended already.
  public func cancel() {
    guard link.descriptors.remove(token) != nil else { return }
    link.unwatch(handle)
  }
}

struct DescriptorEntry {
  var handle: nh_handle = 0
  var descriptor: Int32
  var body: (Readiness) throws -> Void
}

extension HostLink {
  func unwatch(_ handle: nh_handle) {
    guard let service = try? descriptorService else { return }
    _ = service.pointee.unwatch(service.pointee.ctx, handle)
  }

  func descriptorIsReady(_ event: nh_event) {
    guard let entry = descriptors[event.token], entry.handle == event.handle else { return }
    do { try entry.body(Readiness(rawValue: event.number)) } catch {
      if descriptors.remove(event.token) != nil { unwatch(event.handle) }
      report(error, from: "the closure for descriptor \(entry.descriptor)")
    }
  }
}
