import HostCore
import Synchronization

/// Something published, shared by all who get it.
final class BusEvent: Sendable {
  let topic: String
  let source: String
  let sequence: UInt64
  let payload: [UInt8]

  init(topic: String, source: String, sequence: UInt64, payload: [UInt8]) {
    self.topic = topic
    self.source = source
    self.sequence = sequence
    self.payload = payload
  }
}

/// The node's topics: who listens to what. Publishing walks the subscriptions under a lock and hands
/// the event to each subscriber's loop.
final class Bus: Sendable {
  static let payloadLimit = 1 << 20

  private struct Subscription {
    var pattern: String
    var role: RoleSeat
    var handle: UInt64
  }
  private struct State {
    var subscriptions: [Subscription] = []
    /// By topic; counts what was published, whether anybody listened or not.
    var sequences: [String: UInt64] = [:]
  }
  private let state = Mutex(State())
  /// Sees everything, before those who listen.
  let observer = Mutex<(@Sendable (BusEvent) -> Void)?>(nil)

  func subscribe(_ role: RoleSeat, _ pattern: String, handle: UInt64) {
    state.withLock { $0.subscriptions.append(Subscription(pattern: pattern, role: role, handle: handle)) }
  }

  func unsubscribe(_ role: RoleSeat, handle: UInt64) {
    state.withLock { $0.subscriptions.removeAll { $0.role === role && $0.handle == handle } }
  }

  /// - Parameter isOwn: the host says it, not a role.
  func publish(_ topic: String, source: String, payload: [UInt8], isOwn: Bool = false) {
    let (event, listeners) = state.withLock { state in
      let sequence = (state.sequences[topic] ?? 0) + 1
      state.sequences[topic] = sequence
      let event = BusEvent(topic: topic, source: source, sequence: sequence, payload: payload)
      return (event, state.subscriptions.filter { TopicPattern.matches($0.pattern, topic) })
    }
    if !isOwn { observer.withLock { $0 }?(event) }
    for listener in listeners { listener.role.receive(event, handle: listener.handle) }
  }
}
