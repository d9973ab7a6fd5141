import Glibc
package import HostCore
package import HostRuntime

/// Where the nodes of a deployment are while they live on this machine.
///
/// Each has an address of its own below 127.0.0.0/8, so that ports may stay as the manifests have them, and a folder of
/// its own. Addresses in roles' configuration follow.
package struct LivePlaces: Sendable {
  /// More would not find room on one machine.
  package static let mostNodes = 64
  /// For listeners that leave their port to the system.
  private static let firstFreePort: UInt16 = 49_152

  package let folder: String
  /// The middle of all addresses, so that two runs need not meet.
  package let network: UInt16
  private let deployment: Deployment

  package init(_ deployment: Deployment, folder: String, network: UInt16) {
    (self.deployment, self.folder, self.network) = (deployment, folder, network)
  }

  var runtimeFolder: String { "\(folder)/run" }
  package var keyFile: String { "\(folder)/cluster.key" }
  func logFile(_ number: Int) -> String { "\(folder)/\(deployment.names[number]).log" }
  func socket(_ number: Int) -> String { "\(folder)/\(number + 1)/control.sock" }
  package func address(_ number: Int) -> String { "127.\(network >> 8).\(network & 255).\(number + 1)" }

  /// What a node's manifest becomes here. `key` is the cluster's.
  package func plan(_ number: Int, key: Secret?) -> NodePlan {
    var plan = deployment.plans[number]
    plan.address = address(number)
    plan.manifest.node.address = plan.address
    plan.manifest.node.state = "\(folder)/\(number + 1)"
    plan.manifest.control.socket = socket(number)
    plan.manifest.control.remote = nil
    if plan.manifest.cluster.key != nil { plan.manifest.cluster.key = key }
    plan.manifest.cluster.peers = plan.manifest.cluster.peers.map(place)
    for place in plan.manifest.listeners.indices {
      plan.manifest.listeners[place].address = listener(place, of: number)
      plan.manifest.listeners[place].accessLog = nil
    }
    for role in plan.manifest.roles.indices {
      plan.manifest.roles[role].config = plan.manifest.roles[role].config.map { moved($0, number) }
    }
    return plan
  }

  /// Where the listener of a node is; nil if it has none of the name.
  func listener(_ name: String, of number: Int) -> Endpoint? {
    let listeners = deployment.plans[number].manifest.listeners
    return listeners.firstIndex { $0.name == name }.map { listener($0, of: number) }
  }

  private func listener(_ place: Int, of number: Int) -> Endpoint {
    let written = deployment.plans[number].manifest.listeners[place].address
    let port = written.port != 0 ? written.port : Self.firstFreePort + UInt16(place)
    return Endpoint(host: address(number), port: port)
  }

  private func place(_ peer: ClusterSettings.Peer) -> ClusterSettings.Peer {
    guard let number = deployment.plans.firstIndex(where: { $0.manifest.node.id == peer.id }) else { return peer }
    let own = listener(Listener.peersName, of: number)
    return .init(id: peer.id, address: own ?? Endpoint(host: address(number), port: peer.address.port))
  }

  // MARK: Addresses in configuration

  private func moved(_ node: YamlNode, _ number: Int) -> YamlNode {
    var node = node
    switch node.content {
    case .scalar(var scalar):
      scalar.text = moved(scalar.text, number)
      node.content = .scalar(scalar)
    case .list(let items): node.content = .list(items.map { moved($0, number) })
    case .mapping(var mapping):
      for place in mapping.entries.indices {
        mapping.entries[place].value = moved(mapping.entries[place].value, number)
      }
      node.content = .mapping(mapping)
    }
    return node
  }

  /// `http://10.0.0.2:8080/` and `other:8080` as they are here. A name counts only with a port behind it.
  func moved(_ text: String, _ number: Int) -> String {
    var result = "", word = ""
    func place(before next: Character?) -> String {
      guard let found = self.number(of: word, for: number) else { return word }
      let isAddress = SocketAddress(literal: word, port: 1) != nil
      return isAddress || next == ":" ? address(found) : word
    }
    for character in text {
      if character.isLetter || character.isNumber || character == "." || character == "-" || character == "_" {
        word.append(character)
      } else {
        result += place(before: character)
        result.append(character)
        word = ""
      }
    }
    return result + place(before: nil)
  }

  /// Which node a host's name or address means to another.
  private func number(of host: String, for number: Int) -> Int? {
    if host == "localhost" || host == "127.0.0.1" { return number }
    if let found = deployment.plans.firstIndex(where: { $0.address == host || $0.manifest.node.name == host }) {
      return found
    }
    let peers = deployment.plans[number].manifest.cluster.peers.filter { $0.address.host == host }
    guard peers.count == 1 else { return nil }
    return deployment.plans.firstIndex { $0.manifest.node.id == peers[0].id }
  }
}
