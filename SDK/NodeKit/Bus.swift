internal import CNodeABI

/// Topics inside the node. Delivery is asynchronous, and nothing is kept for who comes later.
public struct Bus {
  let link: HostLink

  /// Hands text, bytes, JSON or a struct of settings to every subscriber; up to 1 MiB. The topic must be one of
  /// the role's `topics`.
  public func publish(_ topic: String, _ payload: some Payload) throws {
    let service = try link.busService
    let status = topic.lend { name in
      payload.payload.lend { service.pointee.publish(service.pointee.ctx, name, $0) }
    }
    guard status == NH_OK else { throw refusal(Status(rawValue: status), topic) }
  }

  /// Runs `body` for each event of a topic; "gateway.*" stands for all topics that begin so. A closure that
  /// throws is logged.
  @discardableResult
  public func subscribe(_ topic: String, _ body: @escaping (Event) throws -> Void) throws -> Subscription {
    let service = try link.busService
    let token = link.subscriptions.insert(SubscriptionEntry(body: body))
    let handle = topic.lend { service.pointee.subscribe(service.pointee.ctx, $0, token) }
    guard handle != 0 else {
      link.subscriptions.remove(token)
      throw RoleError(
        .resourceExhausted, "no subscription to \(topic): it is no topic, or the role has its 256 already", at: topic)
    }
    link.subscriptions[token]?.handle = handle
    return Subscription(link: link, handle: handle, token: token)
  }

  private func refusal(_ status: Status, _ topic: String) -> RoleError {
    let message =
      status == .permissionDenied
      ? "the role did not declare the topic \(topic); add it to `topics`"
      : "the host did not publish on \(topic): \(status)"
    return RoleError(status, message, at: topic)
  }
}

/// Something that was published.
public struct Event: Sendable, Equatable {
  public var topic: String
  /// The role that published it; empty is the host.
  public var source: String
  /// Counts up per topic; a gap shows that this role's queue was full.
  public var sequence: UInt64
  public var bytes: [UInt8]

  public init(topic: String, source: String, sequence: UInt64, bytes: [UInt8]) {
    self.topic = topic
    self.source = source
    self.sequence = sequence
    self.bytes = bytes
  }

  public var text: String { String(decoding: bytes, as: UTF8.self) }

  /// The payload as JSON, or as a struct of settings.
  public func decode<P: Payload>(_ type: P.Type) throws -> P { try P(payload: bytes) }
}

/// A subscription to a topic; it ends with the role, or when told so.
public struct Subscription {
  let link: HostLink
  let handle: nh_handle
  let token: UInt64

  public func cancel() {
    guard link.subscriptions.remove(token) != nil else { return }
    link.unsubscribe(handle)
  }
}

struct SubscriptionEntry {
  var handle: nh_handle = 0
  var body: (Event) throws -> Void
}

extension HostLink {
  func unsubscribe(_ handle: nh_handle) {
    guard let service = try? busService else { return }
    _ = service.pointee.unsubscribe(service.pointee.ctx, handle)
  }

  func eventCame(_ event: nh_event) {
    switch event.kind {
    case NH_EVENT_TOPIC: published(event)
    case NH_EVENT_FORWARD_STATS: counted(event)
    case NH_EVENT_FD: descriptorIsReady(event)
    case NH_EVENT_CANCELLED: openReplies[event.handle]?.reply.cancelled()
    case NH_EVENT_LINK_UP: linkChanged(event.number, isUp: true)
    case NH_EVENT_LINK_DOWN: linkChanged(event.number, isUp: false)
    default: break
    }
  }

  private func published(_ event: nh_event) {
    guard let entry = subscriptions[event.token], entry.handle == event.handle else {
      // Made by the role's predecessor before a swap, whose closures went with it.
      return unsubscribe(event.handle)
    }
    let copy = Event(
      topic: String(event.topic), source: String(event.source), sequence: event.sequence,
      bytes: [UInt8](event.payload))
    do { try entry.body(copy) } catch { report(error, from: "the closure for \(copy.topic)") }
  }
}
