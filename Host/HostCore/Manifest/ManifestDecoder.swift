import NodeValues

/// Turns the tree of a manifest into a `Manifest` and logs all faults on the way.
package struct ManifestDecoder {
  static let keys = [
    "nodehost", "node", "cluster", "listen", "control", "plugins", "loops", "log", "blobs", "client", "roles",
  ]

  let sources: Sources
  let log: FaultLog
  /// Relative paths start here.
  let folder: String

  /// Reads a file that a setting names.
  let files: (String) -> Result<String, Interpolation.FileProblem>

  /// `folder` is where the manifest lies.
  package init(
    sources: Sources, folder: String, log: FaultLog,
    files: @escaping (String) -> Result<String, Interpolation.FileProblem>
  ) {
    self.files = files
    self.sources = sources
    self.folder = folder
    self.log = log
  }

  /// Nil if anything is wrong.
  package func decode(_ root: YamlNode) -> Manifest? {
    let faults = log.count
    guard root.mapping != nil else {
      log.add(
        "the manifest is \(root.kind)", at: root.place, expected: .described("a mapping: `nodehost: 1` and so on"))
      return nil
    }
    guard isKnownVersion(root["nodehost"], at: root.place) else { return nil }
    let top = ManifestSection(root, named: "the manifest", keys: Self.keys, at: root.place, log: log)
    let written = node(top["node"], at: root.place)
    let shift = InstanceShift(of: written)
    let node = shift.shifted(written)
    if !ManifestSection.isName(node.name) {
      log.add(
        "instance \(node.instance) would have a name of \(node.name.utf8.count) letters",
        at: top["node"]?["name"]?.place ?? root.place,
        expected: .described("at most \(ManifestLimits.nameLength), the `-\(node.instance)` behind it included"))
    }
    let manifest = Manifest(
      node: node,
      cluster: cluster(top["cluster"], at: root.place),
      listeners: listeners(top["listen"], shift),
      control: control(top["control"], at: top["node"]?["state"]?.place ?? root.place, shift),
      plugins: plugins(top["plugins"], at: root.place),
      loops: loops(top),
      log: logLevel(top["log"], at: root.place),
      blobs: blobs(top["blobs"], at: root.place),
      client: client(top["client"], at: root.place),
      roles: roles(top["roles"]))
    return log.count == faults ? manifest : nil
  }

  /// Another version's keys mean other things, so nothing else is checked then.
  private func isKnownVersion(_ node: YamlNode?, at place: SourcePlace) -> Bool {
    let expected = "`nodehost: \(ManifestLimits.version)`, the version of the manifest that this host reads"
    guard let node else {
      log.add("the manifest does not say its version", at: place, expected: .described(expected))
      // Somebody who forgot it wants to hear of the other errors too.
      return true
    }
    if node.scalar?.typed == .int(Int64(ManifestLimits.version)) { return true }
    log.add("the manifest's version is \(node.shown)", at: node.place, expected: .described(expected))
    return false
  }

  private func node(_ node: YamlNode?, at place: SourcePlace) -> NodeSettings {
    let keys = ["id", "name", "address", "instance", "state", "port_stride"]
    let section = ManifestSection(node, named: "node", keys: keys, at: place, log: log)
    let id = section.integer("id", in: ManifestLimits.identifier)
    if section["id"] == nil { section.missing("id", expected: "the node's number in its cluster, such as `id: 1`") }
    return NodeSettings(
      id: UInt32(id ?? 1),
      name: section.identifier("name") ?? "node-\(id ?? 1)",
      address: address(in: section),
      instance: section.integer("instance", in: ManifestLimits.instance) ?? 1,
      state: path(section.text("state", expected: "a folder") ?? ManifestDefaults.state),
      portStride: section.integer("port_stride", in: ManifestLimits.portStride) ?? ManifestDefaults.portStride)
  }

  private func address(in section: ManifestSection) -> String? {
    let expected = "auto, a host name or an IP address, without a port"
    guard let text = section.text("address", expected: expected), text != "auto" else { return nil }
    if let node = section["address"], !Endpoint.isHost(text) || Endpoint(text) != nil {
      section.wrong(node, "address", expected: expected)
    }
    return text
  }

  private func plugins(_ node: YamlNode?, at place: SourcePlace) -> PluginSettings {
    let section = ManifestSection(
      node, named: "plugins", keys: ["folders", "allow", "hot_swap"], at: place, log: log)
    var allow: [String: String] = [:]
    let what = "plugin names and hashes"
    let entries = ManifestSection.entries(
      section["allow"], named: "plugins.allow", of: what, limit: ManifestLimits.plugins, log: log)
    for entry in entries {
      allow[entry.key.text] = hash(entry.value, of: entry.key.text)
    }
    return PluginSettings(
      folders: section.texts("folders").map { path($0.text) }, allow: allow, hotSwap: section.truth("hot_swap") ?? false
    )
  }

  /// `sha256:` and 64 hexadecimal digits.
  private func hash(_ node: YamlNode, of plugin: String) -> String? {
    let prefix = "sha256:"
    let digits = node.scalar.map { $0.text.hasPrefix(prefix) ? $0.text.dropFirst(prefix.count).lowercased() : "" } ?? ""
    let isHash =
      digits.utf8.count == 64 && digits.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    if isHash { return digits }
    log.add(
      "`\(plugin)` is allowed by something that is no hash", at: node.place,
      expected: .described("\"sha256:\" and 64 hexadecimal digits, as `sha256sum lib\(plugin).so` prints them"))
    return nil
  }

  private func loops(_ top: ManifestSection) -> Int? {
    if top["loops"]?.scalar?.text == "auto" { return nil }
    return top.integer("loops", in: ManifestLimits.loops)
  }

  private func logLevel(_ node: YamlNode?, at place: SourcePlace) -> LogLevel {
    ManifestSection(node, named: "log", keys: ["level"], at: place, log: log).word("level", LogLevel.self) ?? .info
  }

  func path(_ text: String) -> String { PathText.resolve(text, in: folder) }
}
