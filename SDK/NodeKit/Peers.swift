internal import CNodeABI

/// Messages between the nodes of a cluster. A message goes to a role on a node by the node's id; it arrives at most
/// once, and those of one priority in order, as long as the link is up. What was on its way when a link broke is lost.
///
///     static let needs: [Need] = [.peers]
///
///     func start() throws {
///       try context.peers.onMessage { [self] message in votes[message.node] = try message.decode(Vote.self) }
///       try context.peers.onLink { [self] change in … }
///       try context.peers.send(Vote(term: 3), to: 2, priority: .urgent)
///     }
///
/// A role that starts asks ``isUp(_:)`` or ``nodes()`` what is up; changes from then on come to ``onLink(_:)``.
public struct Peers {
  let link: HostLink

  /// Which messages go first. Large ones give way to more urgent ones also when they are under way.
  public enum Priority: Sendable, CaseIterable {
    /// Elections, heartbeats, votes.
    case urgent
    case normal
    /// State transfer, model weights.
    case bulk

    var number: UInt32 {
      switch self {
      case .urgent: NH_PEER_URGENT
      case .normal: NH_PEER_NORMAL
      case .bulk: NH_PEER_BULK
      }
    }
  }

  /// A node of the cluster, as the manifest and the links know it.
  public struct Node: Sendable, Equatable {
    public var id: Int
    /// Empty until it has been linked once.
    public var name: String
    public var address: String
    /// Whether it is the role's own.
    public var isSelf: Bool
    public var isUp: Bool
    /// Since when it is up or down, on the wall clock.
    public var timeSince1970: Duration
    /// Of the role's own node: its listeners, and the port of each.
    public var ports: [String: Int] = [:]
    /// Of the role's own node: others of which the manifest says where they are, and to which there are no links, since
    /// it has no key for them.
    public var named: [Int: String] = [:]

    public init(id: Int, name: String, address: String, isSelf: Bool, isUp: Bool, timeSince1970: Duration) {
      (self.id, self.name, self.address) = (id, name, address)
      (self.isSelf, self.isUp, self.timeSince1970) = (isSelf, isUp, timeSince1970)
    }
  }

  /// Sends text, bytes, JSON or a struct of settings, up to 16 MiB, to the role of a name on a node. That it does not
  /// throw promises only that the message is on its way.
  /// - Parameters:
  ///   - role: empty is the role of the sender's own name.
  ///   - channel: any number, for roles that send different things.
  public func send(
    _ payload: some Payload, to node: Int, role: String = "", channel: Int = 0, priority: Priority = .normal
  ) throws {
    let service = try link.peersService
    guard let id = UInt32(exactly: node), let number = UInt32(exactly: channel) else {
      throw RoleError(.invalidArgument, "node \(node), channel \(channel): both are numbers from 0 to \(UInt32.max)")
    }
    let status = role.lend { role in
      payload.payload.lend {
        service.pointee.send(service.pointee.ctx, id, role, number, priority.number, $0)
      }
    }
    guard status == NH_OK else { throw refusal(Status(rawValue: status), node) }
  }

  /// All nodes of the cluster, this one among them, by id.
  public func nodes() throws -> [Node] {
    let service = try link.peersService
    let output = SinkBuffer()
    let status = output.lend { service.pointee.nodes(service.pointee.ctx, $0) }
    guard status == NH_OK else { throw RoleError(Status(rawValue: status), "the host does not list the nodes now") }
    return try (JSON(payload: output.bytes).array ?? []).map(Node.init(told:))
  }

  /// Whether messages to a node may arrive; always so for the role's own.
  public func isUp(_ node: Int) throws -> Bool {
    let service = try link.peersService
    guard let id = UInt32(exactly: node) else { return false }
    return service.pointee.is_up(service.pointee.ctx, id) != 0
  }

  /// Runs `body` for each message that comes; a later closure takes an earlier one's place. A closure that throws is
  /// logged.
  public func onMessage(_ body: @escaping (Message) throws -> Void) throws {
    _ = try link.peersService
    link.whenMessage = body
  }

  /// Runs `body` when the link to a node comes up or goes down.
  public func onLink(_ body: @escaping (LinkChange) throws -> Void) throws {
    _ = try link.peersService
    link.whenLink = body
  }

  private func refusal(_ status: Status, _ node: Int) -> RoleError {
    switch status {
    case .unavailable: RoleError(status, "the link to node \(node) is down")
    case .notFound: RoleError(status, "the cluster has no node \(node)")
    case .resourceExhausted: RoleError(status, "the queue to node \(node) is full; send more slowly, or try later")
    case .invalidArgument: RoleError(status, "a message is at most 16 MiB, and a role's name 255 bytes")
    default: RoleError(status, "the host did not take the message to node \(node)")
    }
  }
}

/// Something that a role on another node has sent.
public struct Message: Sendable, Equatable {
  public var node: Int
  public var role: String
  public var channel: Int
  public var bytes: [UInt8]

  public init(node: Int, role: String, channel: Int = 0, bytes: [UInt8]) {
    (self.node, self.role, self.channel, self.bytes) = (node, role, channel, bytes)
  }

  public var text: String { String(decoding: bytes, as: UTF8.self) }

  /// The payload as JSON, or as a struct of settings.
  public func decode<P: Payload>(_ type: P.Type) throws -> P { try P(payload: bytes) }
}

/// A link that came up or went down.
public struct LinkChange: Sendable, Equatable {
  public var node: Int
  public var isUp: Bool

  public init(node: Int, isUp: Bool) { (self.node, self.isUp) = (node, isUp) }
}

extension HostLink {
  func messageCame(_ message: nh_message) {
    guard let whenMessage else { return }
    let copy = Message(
      node: Int(message.from_node), role: String(message.from_role), channel: Int(message.channel),
      bytes: [UInt8](message.payload))
    do { try whenMessage(copy) } catch { report(error, from: "the closure for messages") }
  }

  func linkChanged(_ node: UInt32, isUp: Bool) {
    guard let whenLink else { return }
    do { try whenLink(LinkChange(node: Int(node), isUp: isUp)) } catch { report(error, from: "the closure for links") }
  }
}

extension Peers.Node {
  /// As the host tells of it.
  fileprivate init(told node: JSON) {
    self.init(
      id: Int(node["id"]?.int ?? 0), name: node["name"]?.string ?? "", address: node["address"]?.string ?? "",
      isSelf: node["self"]?.bool ?? false, isUp: node["up"]?.bool ?? false,
      timeSince1970: .milliseconds(node["since_ms"]?.int ?? 0))
    for port in node["ports"]?.object?.members ?? [] { ports[port.key] = port.value.int.map { Int($0) } }
    for other in node["named"]?.object?.members ?? [] {
      if let id = Int(other.key), let address = other.value.string { named[id] = address }
    }
  }
}
