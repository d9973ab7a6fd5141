/// What the command line changes about a manifest, as written there.
package struct ManifestOverrides: Sendable, Equatable {
  /// `path=value` of each `--set`, in order.
  package var settings: [String]
  /// `ID=HOST[:PORT]` of each `--peer`, in order.
  package var peers: [String]
  /// `--instance`; a text, so that an error can show what was written.
  package var instance: String?

  package init(settings: [String] = [], peers: [String] = [], instance: String? = nil) {
    self.settings = settings
    self.peers = peers
    self.instance = instance
  }
}
