import NodeValues

/// The other nodes: as a mapping, as one line of text, or from a file in JSON.
extension ManifestDecoder {
  private static let offsets = -60_000...60_000

  /// `peers_from`, if it names a file, stands instead of `peers`.
  func peers(_ section: ManifestSection) -> [ClusterSettings.Peer] {
    let offset = section.integer("peer_port_offset", in: Self.offsets) ?? 0
    if let node = section["peers_from"], let file = node.scalar?.text, !file.isEmpty {
      return peers(from: file, offset, at: node.place)
    }
    if let node = section["peers"], let text = node.scalar?.text, !node.isNull {
      return peers(in: text, offset, at: node.place)
    }
    let what = "node ids and addresses, such as `2: \"10.0.0.2:60002\"`"
    let entries = ManifestSection.entries(
      section["peers"], named: "cluster.peers", of: what, limit: ManifestLimits.peers, log: log)
    return entries.compactMap(peer)
  }

  /// `1=10.0.0.1:7001,2=10.0.0.2:7001`, as a variable can hold it.
  private func peers(in text: String, _ offset: Int, at place: SourcePlace) -> [ClusterSettings.Peer] {
    let parts = text.split(separator: ",").map { part in
      let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { Self.trimmed($0) }
      return (id: pair[0], address: pair.count == 2 ? pair[1] : "")
    }
    return peers(parts, offset, at: place)
  }

  private static func trimmed(_ text: Substring) -> String {
    var text = text
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }

  /// `{"peers": [{"id": 1, "address": "10.0.0.1:7001"}, …]}`; what else the file says is others'.
  private func peers(from file: String, _ offset: Int, at place: SourcePlace) -> [ClusterSettings.Peer] {
    let expected = "a JSON file with {\"peers\": [{\"id\": 1, \"address\": \"host:port\"}, …]}"
    switch files(file) {
    case .failure(let problem):
      log.add("`\(file)` \(problem.message)", at: place, expected: .described(expected))
      return []
    case .success(let text):
      guard let list = (try? JSON(parsing: text))?["peers"]?.array else {
        log.add("`\(file)` lists no peers", at: place, expected: .described(expected))
        return []
      }
      let parts = list.map { (id: $0["id"]?.int.map { "\($0)" } ?? "", address: $0["address"]?.string ?? "") }
      return peers(parts, offset, at: place)
    }
  }

  private func peers(
    _ parts: [(id: String, address: String)], _ offset: Int, at place: SourcePlace
  ) -> [ClusterSettings.Peer] {
    guard parts.count <= ManifestLimits.peers else {
      log.add("there are more than \(ManifestLimits.peers) peers", at: place)
      return []
    }
    var seen: Set<UInt32> = []
    return parts.compactMap { part in
      let endpoint = Endpoint(part.address)
      guard let id = PeerOverride.identifier(part.id), let endpoint, endpoint.port > 0 else {
        log.add(
          "`\(part.id)=\(part.address)` is no peer", at: place,
          expected: .described("ID=HOST:PORT, such as 2=10.0.0.2:7002"))
        return nil
      }
      guard seen.insert(id).inserted else {
        log.add("the peer \(id) is there twice", at: place)
        return nil
      }
      guard let port = UInt16(exactly: Int(endpoint.port) + offset), port > 0 else {
        log.add("the port of peer \(id) would be \(Int(endpoint.port) + offset)", at: place)
        return nil
      }
      return ClusterSettings.Peer(id: id, address: Endpoint(host: endpoint.host, port: port))
    }
  }
}
