import NodeSchema

/// All texts that a manifest is made from: the file first, then the arguments that change it.
package struct Sources: Sendable {
  package private(set) var texts: [SourceText] = []

  package init() {}

  package init(manifest: SourceText) { texts = [manifest] }

  /// Returns the index for places in this text.
  package mutating func add(_ text: SourceText) -> Int32 {
    texts.append(text)
    return Int32(texts.count - 1)
  }

  package func diagnostic(for fault: Fault) -> Diagnostic {
    var diagnostic = Diagnostic(file: "manifest", message: fault.message.printable)
    if let text = text(of: fault.place) {
      let offset = Int(fault.place.offset)
      diagnostic.file = text.title(hidesValue: fault.isSecret)
      diagnostic.position = text.shownPosition(of: offset)
      if !fault.isSecret { diagnostic.excerpt = Excerpt(of: text, at: offset) }
    }
    switch fault.expected {
    case .unsaid: break
    case .described(let words): diagnostic.expected = words.printable
    case .oneOf(let words):
      if words.count <= Self.listedWords {
        diagnostic.expected = ("one of: " + words.joined(separator: ", ")).printable
      }
      if let word = fault.word { diagnostic.suggestion = nearestWord(to: word, among: words)?.printable }
    }
    diagnostic.notes = fault.related.compactMap { related in
      self.text(of: related.place).map {
        let position = $0.shownPosition(of: Int(related.place.offset))
        return Diagnostic.Note(
          file: $0.title(hidesValue: false), position: position, message: related.message.printable)
      }
    }
    return diagnostic
  }

  private func text(of place: SourcePlace) -> SourceText? {
    texts.indices.contains(Int(place.source)) ? texts[Int(place.source)] : nil
  }

  /// The byte where a needle stands at or soon after a place, for a fault inside a scalar.
  func place(of needle: String, from place: SourcePlace) -> SourcePlace {
    guard let bytes = text(of: place)?.bytes else { return place }
    let needle = Array(needle.utf8)
    let last = min(bytes.count - needle.count, Int(place.offset) + Self.searchLimit)
    guard !needle.isEmpty, Int(place.offset) <= last else { return place }
    for start in Int(place.offset)...last where bytes[start] == needle[0] {
      if bytes[start..<(start + needle.count)].elementsEqual(needle) {
        return SourcePlace(source: place.source, offset: start)
      }
    }
    return place
  }

  /// Nobody reads a longer list of what is known.
  private static let listedWords = 16

  /// A scalar this long has its faults shown at its beginning.
  private static let searchLimit = 4_096
}

extension SourceText {
  /// How much of an argument an error repeats.
  private static let titleLimit = 80

  /// What stands before "error:".
  fileprivate func title(hidesValue: Bool) -> String {
    guard kind == .argument else { return name }
    var text = String(decoding: bytes, as: UTF8.self)
    if hidesValue { text = text.prefix { $0 != "=" } + "=…" }
    return "\(name) " + (text.count > Self.titleLimit ? text.prefix(Self.titleLimit) + "…" : text).printable
  }

  fileprivate func shownPosition(of offset: Int) -> SourcePosition? { kind == .file ? position(of: offset) : nil }
}
