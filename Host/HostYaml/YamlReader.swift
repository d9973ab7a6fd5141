import CYaml
package import HostCore

/// How much a document may hold. Each is far beyond a manifest for a person and far below what would hurt.
package struct YamlLimits: Sendable {
  package var bytes = 4 << 20
  /// The same as for JSON, into which configuration is turned.
  package var nesting = 64
  /// What aliases repeat is counted each time, so that a document cannot grow out of bounds by naming itself. A
  /// manifest of ten thousand lines has about forty thousand.
  package var nodes = 250_000

  package init() {}
}

/// Reads one YAML document into a tree that knows its places. libyaml does the scanning; this adds the checks that it
/// leaves out: duplicate keys, bounds, tags, one document only.
package enum YamlReader {
  /// Nil if no tree could be made; then the log says why. Faults may be in the log all the same when there is one.
  package static func read(
    _ text: SourceText, source: Int32 = 0, limits: YamlLimits = YamlLimits(), into log: FaultLog
  ) -> YamlNode? {
    let start = SourcePlace(source: source, offset: 0)
    guard text.bytes.count <= limits.bytes else {
      log.add("the document is longer than \(limits.bytes) bytes", at: start)
      return nil
    }
    if let unreadable = text.firstUnreadable {
      log.add(unreadable.message, at: SourcePlace(source: source, offset: unreadable.offset))
      return nil
    }
    var builder = YamlTreeBuilder(text: text, source: source, limits: limits, log: log)
    let mask = YamlMask(text.bytes)
    do throws(Fault) {
      try YamlParser.events(of: mask.bytes, at: YamlLocator(text, source: source)) { event throws(Fault) in
        try builder.take(event, mask: mask)
      }
    } catch {
      log.add(error)
      return nil
    }
    guard let root = builder.root else {
      if text.kind == .file {
        log.add("the document is empty", at: start)
      } else {
        let comment = text.bytes.firstIndex { $0 != UInt8(ascii: " ") } ?? 0
        log.add(
          "the value is a comment", at: SourcePlace(source: source, offset: comment),
          expected: .described("quotes around a value that begins with `#`"))
      }
      return nil
    }
    return builder.hasMerges ? root.resolvingMerges(into: log) : root
  }
}
