/// What a node says of itself first, in both directions.
package struct PeerHello: Sendable, Equatable {
  /// Grows when frames change in a way that older nodes do not understand.
  package static let version: UInt16 = 1

  package var version: UInt16
  package var id: UInt32
  /// Drawn at each start of the process, so that a node that came back is told from one that was never gone.
  package var boot: UInt64
  package var cluster: String
  package var name: String

  package init(version: UInt16 = PeerHello.version, id: UInt32, boot: UInt64, cluster: String, name: String) {
    (self.version, self.id, self.boot, self.cluster, self.name) = (version, id, boot, cluster, name)
  }

  package var body: [UInt8] {
    var body: [UInt8] = []
    body.append(little: version)
    body.append(little: id)
    body.append(little: boot)
    body.append(short: cluster)
    body.append(short: name)
    return body
  }

  /// A newer version may have more behind.
  package init(_ body: UnsafeRawBufferPointer) throws(PeerFault) {
    var fields = PeerFields(body, "hello")
    version = try fields.number()
    id = try fields.number()
    boot = try fields.number()
    cluster = try fields.short()
    name = try fields.short()
    guard ManifestLimits.identifier.contains(Int(id)) else { throw PeerFault("a hello of the node \(id)") }
    guard ManifestSection.isName(name), ManifestSection.isName(cluster) else {
      throw PeerFault("a hello without a proper name")
    }
  }
}

/// Why a connection does not become the link.
package struct PeerRefusal: Sendable, Equatable {
  package enum Reason: UInt8, Sendable {
    /// Somebody has to change something.
    case fault
    /// There is a better connection already, or one under way.
    case spare
    /// The node ends.
    case leaving
  }

  package var reason: Reason
  package var words: String

  package init(_ reason: Reason, _ words: String) { (self.reason, self.words) = (reason, words) }

  private static let wordsLimit = 1_000

  package var body: [UInt8] { [reason.rawValue] + Array(words.utf8.prefix(Self.wordsLimit)) }

  package init(_ body: UnsafeRawBufferPointer) throws(PeerFault) {
    guard let first = body.first else { throw PeerFault("an empty refusal") }
    reason = Reason(rawValue: first) ?? .fault
    words = String(decoding: body.dropFirst().prefix(Self.wordsLimit), as: UTF8.self)
  }
}

/// Who a node is on its links, and whom it lets in.
package struct PeerSelf: Sendable {
  package var hello: PeerHello

  package init(_ hello: PeerHello) { self.hello = hello }

  /// What keeps the node that said `other` from being linked, in the words that both sides log; nil if nothing does.
  /// `expected` is whom this node meant to reach, if it was the one that connected.
  package func objection(to other: PeerHello, expected: UInt32?, isKnown: (UInt32) -> Bool) -> String? {
    if other.version != hello.version {
      return "node \(other.id) (\(other.name)) speaks version \(other.version) of the links' protocol, and node "
        + "\(hello.id) (\(hello.name)) version \(hello.version); run the same release of nodehost on both"
    }
    if other.cluster != hello.cluster {
      return "node \(other.id) (\(other.name)) is of the cluster `\(other.cluster)`, and node \(hello.id) "
        + "(\(hello.name)) of `\(hello.cluster)`; see cluster.name in their manifests"
    }
    if other.id == hello.id, other.boot == hello.boot {
      return "this address leads back to node \(hello.id) itself; see cluster.peers"
    }
    if other.id == hello.id {
      return "two nodes have the id \(hello.id), \(hello.name) and \(other.name); change node.id of one of them"
    }
    if let expected, other.id != expected {
      return "at the address of node \(expected) is node \(other.id) (\(other.name)); see cluster.peers"
    }
    if !isKnown(other.id) {
      return "node \(other.id) (\(other.name)) is not among the cluster.peers of node \(hello.id) (\(hello.name))"
    }
    return nil
  }
}

/// What becomes of a second connection to a node.
///
/// Both nodes may dial, so that one reachable direction is enough, and so both may do so at once. The node with the
/// lower id decides which connection is the link; it says so by a welcome, and the other side follows.
package enum PeerRivalry: Sendable, Equatable {
  /// Go on with the new one.
  case proceed
  /// Keep what there is.
  case spare
  /// Somebody with this id is linked under another boot: who is it, one that came back or a second one? An answer on
  /// the link there is tells.
  case probe

  package struct Situation: Sendable {
    package var decides: Bool
    /// Of the node at the other end of the link, if it is up.
    package var linkedBoot: UInt64?
    /// Another connection has exchanged hellos and waits for the welcome.
    package var isGreeting: Bool

    package init(decides: Bool, linkedBoot: UInt64?, isGreeting: Bool) {
      (self.decides, self.linkedBoot, self.isGreeting) = (decides, linkedBoot, isGreeting)
    }
  }

  package init(_ situation: Situation, boot: UInt64) {
    if let linked = situation.linkedBoot, linked != boot {
      self = .probe
    } else if situation.decides, situation.linkedBoot != nil || situation.isGreeting {
      // If the other side has lost the link that is up here, this side will notice and the next attempt succeeds.
      self = .spare
    } else {
      self = .proceed
    }
  }
}
