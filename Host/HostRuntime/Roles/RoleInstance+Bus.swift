import CNodeABI
import HostCore

/// The bus service, as one role sees it.
extension RoleInstance {
  func publish(_ topic: nh_str, _ payload: nh_bytes) -> nh_status {
    guard permits([.starting, .running], "bus.publish") else { return NH_FAILED_PRECONDITION }
    let topic = String(topic)
    guard description.topics.contains(where: { $0.name == topic }) else {
      misuse("it publishes `\(topic)`, which it does not declare", "add the topic to nh_plugin.topics")
      return NH_PERMISSION_DENIED
    }
    guard payload.len <= UInt64(Bus.payloadLimit) else { return NH_RESOURCE_EXHAUSTED }
    node.bus.publish(topic, source: name, payload: Array(payload))
    return NH_OK
  }

  func subscribe(_ pattern: nh_str, _ token: UInt64) -> nh_handle {
    guard permits([.starting, .running], "bus.subscribe") else { return 0 }
    let pattern = String(pattern)
    guard TopicPattern.isPattern(pattern) else { return 0 }
    return seat.subscribe(self, pattern, token: token) ?? 0
  }

  func unsubscribe(_ subscription: nh_handle) -> nh_status {
    guard permits([.starting, .running], "bus.unsubscribe") else { return NH_FAILED_PRECONDITION }
    return seat.unsubscribe(self, subscription) ? NH_OK : NH_NOT_FOUND
  }
}
