package import NodeKit

/// `{"id": ID, "timestamp": SECONDS}`: the client is there. Its clock is its own, so the time is not used.
package struct Heartbeat: Sendable, Equatable {
  package var id: String

  package init(id: String) { self.id = id }

  package init(_ bytes: [UInt8]) throws(RoleError) {
    let message = JSON.object(try Nonsense.object(bytes))
    id = try Nonsense.word(message["id"] ?? .null, "the client's id", 200, "/id")
  }

  package func message(timestamp: Double) -> JSON { ["id": .string(id), "timestamp": .double(timestamp)] }
}
