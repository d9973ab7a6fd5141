import HostCore

/// What has gone over a link, in all its connections.
struct PeerCounts {
  var bytesSent: UInt64 = 0
  var bytesReceived: UInt64 = 0
  var messagesSent: UInt64 = 0
  var messagesReceived: UInt64 = 0
  var messagesDropped: UInt64 = 0
  /// How often it came up.
  var links: UInt64 = 0
}

/// The same for `hostctl metrics`. As fresh as the last ping.
struct PeerMetrics {
  private let up: MetricSeries
  private let roundTrip: MetricSeries
  private let links: MetricSeries
  private let dropped: MetricSeries
  private let bytes: (sent: MetricSeries, received: MetricSeries)
  private let messages: (sent: MetricSeries, received: MetricSeries)

  init(_ services: NodeServices, peer: UInt32) {
    let labels = [(name: "node", value: services.nodeName), (name: "peer", value: String(peer))]
    // No role can have taken the names: what begins with `nodehost_` is the host's.
    func series(_ kind: MetricRegistry.Kind, _ name: String, _ help: String, _ direction: String? = nil) -> MetricSeries
    {
      let more = direction.map { [(name: "direction", value: $0)] } ?? []
      return services.metrics.series(kind, "nodehost_peer_\(name)", help: help, labels: labels + more, bounds: [])!
    }
    up = series(.gauge, "up", "Whether the link to the peer is up.")
    roundTrip = series(.gauge, "round_trip_seconds", "The last ping's way there and back.")
    links = series(.counter, "links_total", "How often the link came up.")
    dropped = series(.counter, "messages_dropped_total", "Messages from the peer that found no role, or a full one.")
    let sizes = "Bytes of messages and calls, before TLS.", count = "Messages, calls and answers."
    bytes = (series(.counter, "bytes_total", sizes, "sent"), series(.counter, "bytes_total", sizes, "received"))
    messages = (
      series(.counter, "messages_total", count, "sent"), series(.counter, "messages_total", count, "received")
    )
  }

  func isUp(_ truth: Bool) { up.set(truth ? 1 : 0) }

  func update(_ counts: PeerCounts, _ roundTrip: Int64?) {
    if let roundTrip { self.roundTrip.set(Double(roundTrip) / 1e9) }
    links.set(Double(counts.links))
    dropped.set(Double(counts.messagesDropped))
    bytes.sent.set(Double(counts.bytesSent))
    bytes.received.set(Double(counts.bytesReceived))
    messages.sent.set(Double(counts.messagesSent))
    messages.received.set(Double(counts.messagesReceived))
  }
}
