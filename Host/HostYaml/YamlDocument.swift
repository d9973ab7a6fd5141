package import HostCore
package import NodeValues

/// A document that goes to somebody else as JSON, who may say of a place in it that it is wrong.
package struct YamlDocument {
  private let tree: YamlNode
  private let sources: Sources

  package init(_ bytes: [UInt8], named name: String) throws(ManifestProblems) {
    sources = Sources(manifest: SourceText(name: name, bytes: bytes))
    let log = FaultLog()
    guard let tree = YamlReader.read(sources.texts[0], into: log), log.isEmpty else {
      throw ManifestProblems(log, in: sources)
    }
    self.tree = tree
  }

  package var json: JSON { tree.json }

  /// Shows the place, `/session_config/aggregator`, with what is wrong there; of a place that is not in the document
  /// the nearest one above it.
  package func problem(_ message: String, at pointer: String) -> String {
    var node = tree
    for step in pointer.split(separator: "/") {
      guard let inner = node[String(step)] ?? Int(step).flatMap({ node.list?[safe: $0] }) else { break }
      node = inner
    }
    return sources.diagnostic(for: Fault(message, at: node.place)).description
  }
}

extension Array {
  fileprivate subscript(safe index: Int) -> Element? { indices.contains(index) ? self[index] : nil }
}
