import HostCore
import NodeValues

/// The nodes that may lead: where an image is sent, if one of them does.
struct ImageServers {
  struct Server: Equatable {
    var host: String
    var port: UInt16

    var text: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// "host:port", "[v6]:port", or with "http://" before it.
    init?(_ text: some StringProtocol) {
      let bare = text.hasPrefix("http://") ? text.dropFirst(7) : text[...]
      guard let colon = bare.lastIndex(of: ":"),
        let port = UInt16(bare[bare.index(after: colon)...].prefix { $0 != "/" })
      else { return nil }
      var host = bare[..<colon]
      if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
      guard !host.isEmpty, port > 0 else { return nil }
      (self.host, self.port) = (String(host), port)
    }
  }

  private static let usual = "127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003"
  private static let configLimit = 1 << 20

  var all: [Server]

  /// What --servers says, else PEERS, else the peers of CONFIG_FILE, else the three ports of one machine.
  init(_ invocation: Invocation) throws(CommandFailure) {
    if let given = invocation.value("servers") {
      all = try Self.read(list: given, from: "--servers")
    } else if let peers = System.environment("PEERS"), !peers.isEmpty {
      all = try Self.read(list: peers, from: "PEERS")
    } else if let path = System.environment("CONFIG_FILE"), !path.isEmpty {
      all = try Self.read(config: path)
    } else {
      all = try Self.read(list: Self.usual, from: "")
    }
  }

  /// "host:port" or "id=host:port", between commas.
  private static func read(list: String, from source: String) throws(CommandFailure) -> [Server] {
    var all: [Server] = []
    for word in list.split(separator: ",") {
      let address = word.split(separator: "=", maxSplits: 1).last ?? word
      guard let server = Server(address.drop { $0 == " " }) else {
        throw CommandFailure("\(source): \"\(word)\" is no HOST:PORT", remedy: Self.remedy, code: .usage)
      }
      all.append(server)
    }
    guard !all.isEmpty else { throw CommandFailure("\(source) names no server", remedy: Self.remedy, code: .usage) }
    return all
  }

  private static let remedy = "Give the nodes' addresses: --servers 192.168.1.100:7001,192.168.1.101:7002"

  /// `{"peers": [{"id": 1, "address": "host:port"}, …]}`.
  private static func read(config path: String) throws(CommandFailure) -> [Server] {
    let bytes = try System.read(path, limit: Self.configLimit)
    guard let json = try? JSON(parsing: bytes), let peers = json["peers"]?.array else {
      throw CommandFailure("\(path) is no JSON with a list of \"peers\"", code: .usage)
    }
    var all: [Server] = []
    for peer in peers {
      guard let text = peer["address"]?.string, let server = Server(text) else {
        throw CommandFailure("\(path): a peer has no \"address\" of the form HOST:PORT", code: .usage)
      }
      all.append(server)
    }
    guard !all.isEmpty else { throw CommandFailure("\(path) lists no peers", code: .usage) }
    return all
  }

  /// What a node says of the leader.
  struct Answer {
    var leader: Int64?
    var address: Server?
    var term: String
    var node: Int64?
    var isLeader: Bool

    init(_ json: JSON) {
      leader = json["leader"]?.int
      address = json["address"]?.string.flatMap { Server($0) }
      term = json.text("term")
      node = json["node"]?.int
      isLeader = json["self"]?.bool ?? false
    }
  }

  private static let askSeconds = 3

  static func ask(_ server: Server) throws(CommandFailure) -> Answer {
    let (head, body) = try WebConnection(server, patience: askSeconds).ask("GET", "/leader")
    guard head.status == 200, let json = try? JSON(parsing: body) else {
      throw CommandFailure("\(server.text) is no image node: it answers /leader with HTTP status \(head.status)")
    }
    return Answer(json)
  }

  /// Where the leader is; those that do not answer are passed over.
  func leader() throws(CommandFailure) -> (server: Server, answer: Answer) {
    var reasons: [String] = [], followed: Server?
    for server in all {
      do throws(CommandFailure) {
        let answer = try Self.ask(server)
        if answer.isLeader { return (server, answer) }
        if answer.leader == nil { reasons.append("\(server.text) knows no leader") }
        followed = followed ?? answer.address
      } catch { reasons.append(error.chain.joined(separator: ": ")) }
    }
    // One that is not in the list, or is reached at another address.
    if let followed {
      do throws(CommandFailure) {
        let answer = try Self.ask(followed)
        if answer.isLeader { return (followed, answer) }
      } catch { reasons.append(error.chain.joined(separator: ": ")) }
    }
    throw CommandFailure("no leader is found", reasons.joined(separator: "; "))
  }
}
