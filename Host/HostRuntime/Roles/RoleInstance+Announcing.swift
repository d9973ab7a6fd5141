import HostCore
import NodeValues

extension RoleInstance {
  /// The host's own topic; roles cannot publish on it.
  static let startedTopic = "nodehost.started"

  /// Lets the node's other roles know that there is a new life of this one, which may have forgotten what it was told.
  /// They have it in their queues before anybody can call this build.
  func announce() {
    let words: JSON = [
      "name": .string(name), "role": .string(description.id), "provides": .array(description.provides.map(JSON.string)),
    ]
    node.bus.publish(Self.startedTopic, source: "", payload: Array(words.description.utf8), isOwn: true)
  }
}
