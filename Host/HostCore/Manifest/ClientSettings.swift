/// `client:`, how requests and calls of the roles to other servers use TLS. Paths of PEM files.
package struct ClientSettings: Sendable, Equatable {
  /// Whose certificates are believed; nil: those that the system trusts.
  package var authority: String?
  /// What servers get to see that want to know who calls; nil: nothing.
  package var own: TLSFiles?

  package init() {}
}

extension ManifestDecoder {
  func client(_ node: YamlNode?, at place: SourcePlace) -> ClientSettings {
    let section = ManifestSection(
      node, named: "client", keys: ["authority", "certificate", "key"], at: place, log: log)
    var settings = ClientSettings()
    func file(_ key: String) -> String? { section.text(key, expected: "the path of a PEM file").map(path) }
    settings.authority = file("authority")
    let certificate = file("certificate"), key = file("key")
    if let certificate, let key {
      settings.own = TLSFiles(certificate: certificate, key: key)
    } else if certificate != nil || key != nil {
      section.missing(key == nil ? "key" : "certificate", expected: "the path of a PEM file: the two go together")
    }
    return settings
  }
}
