internal import NodeKit

/// What another node has said of its state.
struct Heard {
  var version: Int64
  var digest: String
}

extension CanaryNode {
  /// The newest state that any node has spoken of.
  var newest: Int64 { heard.values.map(\.version).max() ?? 0 }

  /// Whether the cluster may have agreed on something newer. A change is made by a majority, so a node that has heard
  /// from one knows.
  var isStale: Bool { heard.count + 1 < majority || newest > state.version }

  private func send(_ message: CanaryMessage, to node: Int) {
    // What is lost is told again at the next heartbeat.
    try? context.peers.send(message.bytes, to: node)
  }

  func sayState(to node: Int? = nil) {
    guard isLoaded else { return }
    let message = CanaryMessage.state(version: state.version, digest: digest)
    for other in others.values.sorted(by: { $0.id < $1.id }) where other.isUp && (node == nil || node == other.id) {
      send(message, to: other.id)
    }
    measures?.stale.set(isStale ? 1 : 0)
  }

  func messageCame(_ message: Message) {
    guard isLoaded, others[message.node] != nil else { return }
    let said: CanaryMessage
    do { said = try CanaryMessage(message.bytes) } catch {
      return context.log.warning("node \(message.node) speaks another canary's language: \(error)")
    }
    switch said {
    case .state(let version, let digest): heardOf(version, digest, from: message.node)
    case .want(let after): sendState(to: message.node, after: after)
    case .have(let state, let history):
      guard state.version > self.state.version else { return }
      install(state, history: history) { [self] result in
        if case .failure(let error) = result { context.log.error("the state \(state.version) is not stored: \(error)") }
      }
    case .report(let report): reports[message.node] = report
    }
  }

  private func heardOf(_ version: Int64, _ digest: String, from node: Int) {
    heard[node] = Heard(version: version, digest: digest)
    if version > state.version { return send(.want(after: state.version), to: node) }
    guard version == state.version, digest != self.digest else {
      if version == state.version { disagreement = nil }
      return
    }
    let words =
      "node \(node) has another state under the version \(version): \(digest.prefix(12)), "
      + "here \(self.digest.prefix(12))"
    if disagreement != words { context.log.error(words) }
    disagreement = words
  }

  private func sendState(to node: Int, after: Int64) {
    guard state.version > after else { return }
    attempt("reading the history") {
      var entries: [JSON] = []
      let from = max(after, state.version - Int64(CanaryMessage.historyLimit)) + 1
      try context.store.scan(from: Self.historyKey(from), to: StoreKey.end(ofPrefix: Self.historyPrefix.payload)) {
        (stored: Stored<JSON>) in
        entries.append(stored.value)
      } then: { [self] _ in
        // Those that this node may have stored since, but not begun to serve, are not told of.
        let known = entries.filter { ($0["version"]?.int ?? .max) < state.version }.suffix(CanaryMessage.historyLimit)
        send(.have(state, history: Array(known)), to: node)
      }
    }
  }
}
