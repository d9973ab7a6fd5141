package import NodeKit

/// What a member knows of its own node: where others reach it, and where the manifest says that the others are.
package struct OwnPlace: Equatable {
  package var id: Int32 = 0
  package var address = ""
  package var port: Int32 = 0
  /// "host:port" or "https://host:port", and at least one.
  package var gateways: [String]

  package init(id: Int32, address: String, port: Int32, gateways: [String]) {
    (self.id, self.address, self.port, self.gateways) = (id, address, port, gateways)
  }

  /// Before the node can be asked.
  init(unasked config: MemberConfig) {
    gateways = config.gateways.flatMap { $0.targets(at: ["peer"]) }
  }

  /// - Parameter nodes: as the node's links list them, itself among them.
  package init(_ config: MemberConfig, nodeID: Int, nodes: [Peers.Node]) throws {
    let own = nodes.first(where: \.isSelf)
    address = config.address == "auto" ? Self.host(of: own?.address ?? "") : config.address
    guard !address.isEmpty else {
      throw RoleError(.failedPrecondition, "the node does not know its address; write it down", at: "/address")
    }
    guard let port = config.port ?? own?.ports["data"] else {
      throw RoleError(
        .failedPrecondition, "the node has no listener `data`; add it under `listen`, or write the port", at: "/port")
    }
    self.port = Int32(port)
    switch config.id {
    case .own: id = Int32(clamping: nodeID)
    case .number(let number): id = number
    case .made: id = Self.id(of: address, port)
    }
    let others = nodes.filter { !$0.isSelf }.map { ($0.id, $0.address) } + (own?.named ?? [:]).map { ($0, $1) }
    let hosts = others.sorted { $0.0 < $1.0 }.map { Self.host(of: $0.1) }
    gateways = config.gateways.flatMap { $0.targets(at: hosts.map(Self.bracketed)) }
    guard !gateways.isEmpty else {
      throw RoleError(
        .failedPrecondition,
        "a gateway without a host is at the manifest's peers, and there are none; write the host, or `cluster.peers`",
        at: "/gateways")
    }
  }

  /// Without a port, and without the brackets of IPv6.
  private static func host(of address: String) -> String {
    if address.first == "[", let end = address.firstIndex(of: "]") {
      return String(address[address.index(after: address.startIndex)..<end])
    }
    let colons = address.utf8.count { $0 == UInt8(ascii: ":") }
    return colons == 1 ? String(address[..<address.firstIndex(of: ":")!]) : address
  }

  private static func bracketed(_ host: String) -> String { host.contains(":") ? "[\(host)]" : host }

  /// The same place has the same number, and two of some hundred hardly ever do (FNV-1a, folded to 31 bits).
  private static func id(of address: String, _ port: Int) -> Int32 {
    var hash: UInt32 = 2_166_136_261
    for byte in "\(address):\(port)".utf8 { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
    return max(1, Int32(hash >> 31 ^ hash & 0x7FFF_FFFF))
  }
}
