/// `--peer ID=HOST[:PORT]`: where a peer really is. Without a port the manifest's stays.
package struct PeerOverride: Sendable, Equatable {
  package var id: String
  package var host: String
  package var port: UInt16?
  /// Where the host begins in the argument.
  package var hostOffset: Int

  package static let expectation = "ID=HOST or ID=HOST:PORT, such as 2=10.0.0.2"

  /// A node id, in the one way to write it: `02` beside `2` would be two peers with one id.
  static func identifier(_ text: String) -> UInt32? {
    guard let number = UInt32(text), number > 0, String(number) == text else { return nil }
    return number
  }

  package init?(argument: String) {
    guard let equals = argument.firstIndex(of: "=") else { return nil }
    id = String(argument[..<equals])
    let address = String(argument[equals...].dropFirst())
    hostOffset = id.utf8.count + 1
    guard Self.identifier(id) != nil else { return nil }
    if let endpoint = Endpoint(address), endpoint.port > 0 {
      (host, port) = (endpoint.host, endpoint.port)
      return
    }
    let isBracketed = address.hasPrefix("[") && address.hasSuffix("]")
    host = isBracketed ? String(address.dropFirst().dropLast()) : address
    // `10.0.0.2:x` is a wrong port, not an IPv6 address.
    let colons = host.utf8.count { $0 == UInt8(ascii: ":") }
    guard Endpoint.isHost(host), colons != 1 else { return nil }
  }
}

extension YamlNode {
  /// The manifest with one peer's address replaced. Works before expansion, so a variable in the old host need not be
  /// set.
  package func applying(_ peer: PeerOverride, source: Int32) throws(Fault) -> YamlNode {
    let path = ["cluster", "peers", peer.id].map { SettingPath.Step(text: $0, offset: 0) }
    let place = SourcePlace(source: source, offset: peer.hostOffset)
    let existing = self["cluster"]?["peers"]?[peer.id]
    guard let port = peer.port.map(String.init) ?? existing.flatMap(Self.portText) else {
      let ids = self["cluster"]?["peers"]?.mapping?.entries.map(\.key.text) ?? []
      if existing != nil {
        throw Fault(
          "the manifest gives no port for the peer `\(peer.id)`", at: place, expected: .described("HOST:PORT"))
      }
      throw Fault(
        "no peer `\(peer.id)` in the manifest; a new one needs a port",
        at: SourcePlace(source: source, offset: 0),
        expected: ids.isEmpty ? .described("ID=HOST:PORT") : .oneOf(ids), word: peer.id)
    }
    let host = peer.host.contains(":") ? "[\(peer.host)]" : peer.host
    let address = YamlNode(.scalar(YamlScalar("\(host):\(port)", style: .quoted)), at: place)
    return try setting(SettingPath(steps: path), to: address, source: source)
  }

  /// What follows the last colon that is not inside `${…}`: digits, or a variable.
  private static func portText(of address: YamlNode) -> String? {
    guard let text = address.scalar?.text else { return nil }
    var depth = 0
    var colon: String.Index?
    for index in text.indices {
      switch text[index] {
      case "{": depth += 1
      case "}": depth = max(0, depth - 1)
      case ":" where depth == 0: colon = index
      default: break
      }
    }
    guard let colon, text.index(after: colon) < text.endIndex else { return nil }
    return String(text[colon...].dropFirst())
  }
}

extension SettingPath {
  init(steps: [Step]) {
    self.steps = steps
    valueOffset = 0
  }
}
