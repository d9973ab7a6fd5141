/// What a path must look like: "/images/{id}" or "/files/{path*}".
package struct RoutePattern: Sendable, Equatable {
  package enum Segment: Sendable, Equatable {
    case word([UInt8])
    /// Any one segment, which must not be empty.
    case any(String)
    /// All that is left, which may be nothing.
    case rest(String)
  }

  package let segments: [Segment]

  package struct Fault: Error, Sendable {
    package var words: String
  }

  package init(_ text: String) throws(Fault) {
    guard text.hasPrefix("/") else { throw Fault(words: "the pattern `\(text)` does not begin with a slash") }
    var segments: [Segment] = []
    let pieces = text.dropFirst().split(separator: "/", omittingEmptySubsequences: false)
    for (place, piece) in pieces.enumerated() {
      let segment = try Self.segment(piece, in: text)
      if case .rest = segment, place < pieces.count - 1 {
        throw Fault(words: "in the pattern `\(text)` something follows {name*}, which takes all the rest")
      }
      segments.append(segment)
    }
    self.segments = segments
    guard Set(names).count == names.count else {
      throw Fault(words: "the pattern `\(text)` has two parts of one name")
    }
  }

  /// Everything under a path, without catching anything; and the path itself, if it is not the root.
  package static func all(under prefix: String) throws(Fault) -> [RoutePattern] {
    var path = prefix
    while path.hasSuffix("/") { path.removeLast() }
    let own = path.isEmpty ? RoutePattern(segments: []) : try RoutePattern(path)
    let below = RoutePattern(segments: own.segments + [.rest("")])
    return path.isEmpty ? [below] : [own, below]
  }

  private init(segments: [Segment]) { self.segments = segments }

  private static func segment(_ piece: Substring, in text: String) throws(Fault) -> Segment {
    guard piece.contains("{") || piece.contains("}") else { return .word(Array(piece.utf8)) }
    guard piece.hasPrefix("{"), piece.hasSuffix("}") else {
      throw Fault(words: "in the pattern `\(text)` a {name} must be a whole segment")
    }
    var name = piece.dropFirst().dropLast()
    let takesRest = name.hasSuffix("*")
    if takesRest { name = name.dropLast() }
    guard !name.isEmpty, name.utf8.allSatisfy({ HTTPByte.isToken($0) && $0 != UInt8(ascii: "*") }) else {
      throw Fault(words: "in the pattern `\(text)` a {name} has no name, or one of more than letters and digits")
    }
    return takesRest ? .rest(String(name)) : .any(String(name))
  }

  /// Of what it catches, in order.
  package var names: [String] {
    segments.compactMap { segment in
      switch segment {
      case .word, .rest(""): nil
      case .any(let name), .rest(let name): name
      }
    }
  }
}
