/// The sections about addresses.
extension ManifestDecoder {
  func cluster(_ node: YamlNode?, at place: SourcePlace) -> ClusterSettings {
    let section = ManifestSection(
      node, named: "cluster", keys: ["name", "key", "tls", "peers", "peers_from", "peer_port_offset", "own_loop"],
      at: place, log: log)
    return ClusterSettings(
      name: section.identifier("name") ?? ManifestDefaults.clusterName,
      key: section.secret("key"),
      tls: clusterTLS(section),
      peers: peers(section),
      hasOwnLoop: section.truth("own_loop") ?? true)
  }

  /// Both sides of a link show a certificate, so there is always somebody who has signed them.
  private func clusterTLS(_ cluster: ManifestSection) -> TLSFiles? {
    guard let node = cluster["tls"] else { return nil }
    if let key = cluster["key"] {
      log.add(
        "`cluster` has both a key and certificates", at: key.place,
        expected: .described("one of them: `key` for a secret that all nodes share, or `tls`"))
    }
    let section = ManifestSection(
      node, named: "cluster.tls", keys: ["certificate", "key", "authority"], at: node.place, log: log)
    for key in ["certificate", "key", "authority"] where section[key] == nil {
      section.missing(key, expected: "the path of a PEM file")
    }
    func file(_ key: String) -> String { section.text(key, expected: "the path of a PEM file").map(path) ?? "" }
    return TLSFiles(certificate: file("certificate"), key: file("key"), clientAuthority: file("authority"))
  }

  func peer(_ entry: YamlEntry) -> ClusterSettings.Peer? {
    let range = ManifestLimits.identifier
    let id = PeerOverride.identifier(entry.key.text)
    if id == nil {
      log.add(
        "`\(entry.key.text)` is no node id", at: entry.key.place,
        expected: .described("a whole number from \(range.lowerBound) to \(range.upperBound)"))
    }
    let endpoint = entry.value.scalar.flatMap { Endpoint($0.text) }
    if endpoint == nil || endpoint?.port == 0 {
      log.add(
        "peer \(entry.key.text) is \(entry.value.shown)", at: entry.value.place,
        expected: .described("host:port, such as 10.0.0.2:60002"))
    }
    guard let id, let endpoint else { return nil }
    return ClusterSettings.Peer(id: id, address: endpoint)
  }

  func listeners(_ node: YamlNode?, _ shift: InstanceShift) -> [Listener] {
    let entries = ManifestSection.entries(
      node, named: "listen", of: "names and addresses", limit: ManifestLimits.listeners, log: log)
    let listeners = entries.compactMap { listener($0, shift) }
    findSharedPorts(listeners, entries)
    return listeners
  }

  private func listener(_ entry: YamlEntry, _ shift: InstanceShift) -> Listener? {
    let name = entry.key.text
    if !ManifestSection.isName(name) {
      log.add(
        "`\(name)` cannot name a listener", at: entry.key.place, expected: .described(ManifestSection.nameExpectation))
    }
    let section = ManifestSection(
      entry.value, named: "listen.\(name)",
      keys: ["address", "tls", "status", "body_limit", "compress_from", "access_log", "limits"], at: entry.key.place,
      log: log)
    if section["address"] == nil { section.missing("address", expected: Endpoint.expectation) }
    let tls = section["tls"].map { self.tls($0, named: "listen.\(name).tls") }
    if name == Listener.peersName, let node = section["tls"] {
      log.add(
        "`listen.peers` has no `tls` of its own", at: node.place,
        expected: .described("`cluster.key`, or `tls` under `cluster`: links prove both sides"))
    }
    guard let address = endpoint("address", of: section, shift) else { return nil }
    var listener = Listener(name: name, address: address, tls: tls)
    listener.status = section.truth("status") ?? false
    listener.bodyLimit = section.integer("body_limit", in: ManifestLimits.body) ?? ManifestDefaults.bodyLimit
    listener.compressFrom = section.integer("compress_from", in: ManifestLimits.compressFrom)
    listener.accessLog = section.text("access_log", expected: "a path").map(path)
    listener.limits = limits(section["limits"], named: "listen.\(name).limits", at: entry.key.place)
    return listener
  }

  private func limits(_ node: YamlNode?, named name: String, at place: SourcePlace) -> Listener.Limits {
    let section = ManifestSection(
      node, named: name, keys: ["connections", "head_ms", "idle_ms", "stall_ms"], at: place, log: log)
    var limits = Listener.Limits()
    func set(_ key: String, _ range: ClosedRange<Int>, _ limit: WritableKeyPath<Listener.Limits, Int>) {
      if let number = section.integer(key, in: range) { limits[keyPath: limit] = number }
    }
    set("connections", ManifestLimits.connections, \.connections)
    set("head_ms", ManifestLimits.milliseconds, \.headMilliseconds)
    set("idle_ms", ManifestLimits.milliseconds, \.idleMilliseconds)
    set("stall_ms", ManifestLimits.milliseconds, \.stallMilliseconds)
    return limits
  }

  /// Two listeners on one address cannot both open; the system would only say so at run time.
  private func findSharedPorts(_ listeners: [Listener], _ entries: [YamlEntry]) {
    var seen: [Endpoint: String] = [:]
    for listener in listeners where listener.address.port != 0 {
      if let other = seen.updateValue(listener.name, forKey: listener.address),
        let entry = entries.first(where: { $0.key.text == listener.name })
      {
        log.add(
          "the listeners `\(other)` and `\(listener.name)` have the same address",
          at: entry.value["address"]?.place ?? entry.key.place)
      }
    }
  }

  private func endpoint(_ key: String, of section: ManifestSection, _ shift: InstanceShift) -> Endpoint? {
    guard let endpoint = section.endpoint(key), let node = section[key] else { return nil }
    if let shifted = shift.shifted(endpoint) { return shifted }
    log.add(
      "instance \(shift.instance) would have the port \(Int(endpoint.port) + shift.ports)", at: node.place,
      expected: .described("at most 65535: a lower port, `port_stride` or instance"))
    return nil
  }

  private func tls(_ node: YamlNode, named name: String) -> TLSFiles {
    let section = ManifestSection(
      node, named: name, keys: ["certificate", "key", "client_ca"], at: node.place, log: log)
    for key in ["certificate", "key"] where section[key] == nil {
      section.missing(key, expected: "the path of a PEM file")
    }
    func file(_ key: String) -> String? { section.text(key, expected: "the path of a PEM file").map(path) }
    return TLSFiles(
      certificate: file("certificate") ?? "", key: file("key") ?? "", clientAuthority: file("client_ca"))
  }

  /// `place` is the state folder's, where the socket lies if nothing else is said.
  func control(_ node: YamlNode?, at place: SourcePlace, _ shift: InstanceShift) -> ControlSettings {
    let section = ManifestSection(
      node, named: "control", keys: ["socket", "address", "token", "tls"], at: place, log: log)
    let written = section.text("socket", expected: "a path").map(path)
    let socket = shift.socket(written)
    if socket.utf8.count > ManifestLimits.socketPath {
      log.add(
        "the path of the control socket has \(socket.utf8.count) bytes",
        at: section["socket"]?.place ?? section.place,
        expected: .described("at most \(ManifestLimits.socketPath), the limit of the system"))
    }
    return ControlSettings(socket: socket, remote: remoteControl(section, shift))
  }

  /// Control over TCP can stop the node, so it is never open to whoever finds the port.
  private func remoteControl(_ section: ManifestSection, _ shift: InstanceShift) -> ControlSettings.Remote? {
    let token = section.secret("token")
    let tls = section["tls"].map { self.tls($0, named: "control.tls") }
    guard section["address"] != nil else {
      for key in ["token", "tls"] {
        guard let node = section[key] else { continue }
        log.add(
          "`control.\(key)` has no use without `control.address`", at: node.place,
          expected: .described("`address: host:port` beside it for control over TCP"))
      }
      return nil
    }
    if section["token"] == nil {
      section.missing("token", expected: "`token: ${file:PATH}`: control over TCP needs one")
    }
    if section["tls"] == nil {
      section.missing("tls", expected: "`tls: { certificate: PATH, key: PATH }`: control over TCP needs it")
    }
    if let token, token.value.utf8.count < ManifestLimits.controlToken, let node = section["token"] {
      log.add(
        "`control.token` has fewer than \(ManifestLimits.controlToken) characters", at: node.place,
        expected: .described("a long one: `hostctl key new FILE` makes one"))
    }
    guard let address = endpoint("address", of: section, shift), let token, let tls else { return nil }
    return ControlSettings.Remote(address: address, token: token, tls: tls)
  }
}
