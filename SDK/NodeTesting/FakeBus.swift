internal import CNodeABI

struct FakeSubscription {
  var topic: String
  var token: UInt64

  func covers(_ published: String) -> Bool {
    guard topic.hasSuffix(".*") else { return topic == published }
    return published.hasPrefix(topic.dropLast()) && published.utf8.count > topic.utf8.count - 1
  }
}

extension FakeHost {
  private static let subscriptionLimit = 256
  private static let payloadLimit = 1 << 20

  /// Publishes as another role of the node would. Every subscription of the role that covers the topic gets it.
  public func publish(_ topic: String, _ payload: some Payload, from source: String = "test") {
    deliver(topic, payload.payload, source)
    clock.settle()
  }

  func rolePublishes(_ topic: String, _ payload: [UInt8]) -> nh_status {
    guard permits("nh_bus_service.publish") else { return NH_UNAVAILABLE }
    guard library.topics.contains(topic) else { return NH_PERMISSION_DENIED }
    guard payload.count <= Self.payloadLimit else { return NH_RESOURCE_EXHAUSTED }
    published.append(deliver(topic, payload, roleName))
    return NH_OK
  }

  func subscribe(_ topic: String, _ token: UInt64) -> nh_handle {
    guard permits("nh_bus_service.subscribe"), subscriptions.count < Self.subscriptionLimit, Self.isTopic(topic)
    else { return 0 }
    return subscriptions.insert { _ in FakeSubscription(topic: topic, token: token) }
  }

  func unsubscribe(_ handle: nh_handle) -> nh_status {
    guard allows("nh_bus_service.unsubscribe") else { return NH_FAILED_PRECONDITION }
    guard subscriptions.remove(handle) != nil else {
      expectGiven(handle, subscriptions, "nh_bus_service.unsubscribe")
      return NH_NOT_FOUND
    }
    return NH_OK
  }

  private static func isTopic(_ topic: String) -> Bool {
    let words = topic.split(separator: ".", omittingEmptySubsequences: false)
    return !words.contains("") && !words.dropLast().contains { $0.contains("*") }
      && (words.last == "*" ? words.count > 1 : words.last?.contains("*") == false)
  }

  /// Delivery is asynchronous: the event comes when the role's present callback has returned.
  @discardableResult
  private func deliver(_ topic: String, _ payload: [UInt8], _ source: String) -> Event {
    let event = Event(topic: topic, source: source, sequence: sequences[topic, default: 0] + 1, bytes: payload)
    sequences[topic] = event.sequence
    _ = clock.schedule(after: .zero) { [unowned self] in
      for handle in subscriptions.handles { hand(event, to: handle) }
    }
    return event
  }

  private func hand(_ event: Event, to handle: nh_handle) {
    guard let subscription = subscriptions[handle], subscription.covers(event.topic) else { return }
    guard let function = library.table.on_event else { return breach("the role subscribed, and has no on_event") }
    event.topic.lend { topic in
      event.source.lend { source in
        event.bytes.lend { payload in
          var borrowed = nh_event(
            struct_size: UInt32(MemoryLayout<nh_event>.size), revision: 1, kind: NH_EVENT_TOPIC, number: 0,
            handle: handle, token: subscription.token, topic: topic, source: source, sequence: event.sequence,
            payload: payload)
          function(role, &borrowed)
        }
      }
    }
  }
}
