package import NodeValues

/// The body of GET /v1/peers: the links of a node.
package struct PeersReport: Sendable, Equatable {
  package struct Peer: Sendable, Equatable {
    package var id: UInt32 = 0
    /// Known once it has been linked.
    package var name = ""
    package var address = ""
    /// "up", "connecting", "waiting" or "cut".
    package var state = ""
    package var isUp = false
    /// Since when it is up or down, in milliseconds since 1970.
    package var sinceMilliseconds: Int64 = 0
    /// Nil until it has been measured.
    package var roundTripMicroseconds: Int64?
    package var bytesSent: UInt64 = 0
    package var bytesReceived: UInt64 = 0
    package var messagesSent: UInt64 = 0
    package var messagesReceived: UInt64 = 0
    package var bytesQueued: Int = 0
    package var messagesQueued: Int = 0
    /// Messages that found no role, or a full one.
    package var messagesDropped: UInt64 = 0
    /// How often the link has come up.
    package var links: UInt64 = 0
    /// Directions that `hostctl peers cut` has cut.
    package var cut: [String] = []
    /// Why it is down, or what went wrong since it came up.
    package var lastError = ""

    package init() {}

    package var json: JSON {
      [
        "id": JSON(id), "name": .string(name), "address": .string(address), "state": .string(state),
        "up": .bool(isUp), "since_ms": .int(sinceMilliseconds),
        "rtt_us": roundTripMicroseconds.map(JSON.int) ?? JSON.null,
        "bytes_sent": JSON(bytesSent), "bytes_received": JSON(bytesReceived), "messages_sent": JSON(messagesSent),
        "messages_received": JSON(messagesReceived), "bytes_queued": JSON(bytesQueued),
        "messages_queued": JSON(messagesQueued), "messages_dropped": JSON(messagesDropped), "links": JSON(links),
        "cut": .array(cut.map(JSON.string)), "last_error": .string(lastError),
      ]
    }
  }

  /// Somebody who connected and was not let in.
  package struct Stranger: Sendable, Equatable {
    package var address: String
    package var error: String
    package var lastMilliseconds: Int64
    package var count: Int

    package init(address: String, error: String, lastMilliseconds: Int64, count: Int) {
      (self.address, self.error, self.lastMilliseconds, self.count) = (address, error, lastMilliseconds, count)
    }

    var json: JSON {
      [
        "address": .string(address), "error": .string(error), "last_ms": .int(lastMilliseconds), "count": JSON(count),
      ]
    }
  }

  package var node = ""
  package var cluster = ""
  /// How nodes prove who they are: "key", "certificates", or "none" if there can be no links.
  package var proof = "none"
  /// Where this node listens; empty if nowhere.
  package var listener = ""
  package var peers: [Peer] = []
  package var strangers: [Stranger] = []

  package init() {}

  package var json: JSON {
    [
      "node": .string(node), "cluster": .string(cluster), "proof": .string(proof), "listener": .string(listener),
      "peers": .array(peers.map(\.json)), "strangers": .array(strangers.map(\.json)),
    ]
  }
}

/// The body of POST /v1/peers/ID/cut and /heal: a test's switch.
package struct PeerCut: Sendable, Equatable {
  package enum Direction: String, Sendable, CaseIterable {
    case both, incoming, outgoing
  }

  package var id: UInt32
  package var direction: Direction
  /// Whether it is cut from now on, or healed.
  package var isCut: Bool

  package init(id: UInt32, direction: Direction = .both, isCut: Bool) {
    (self.id, self.direction, self.isCut) = (id, direction, isCut)
  }
}
