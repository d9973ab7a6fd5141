internal import CNodeABI

/// A route of the role.
struct FakeRoute {
  let listener: String
  /// Empty for any.
  let method: String
  let token: UInt64
  private let segments: [Segment]

  private enum Segment: Equatable {
    case word(String)
    case any(String)
    case rest(String)

    /// The lower, the more exact.
    var rank: Int {
      switch self {
      case .word: 0
      case .any: 1
      case .rest: 2
      }
    }
  }

  /// Nil if the pattern is none.
  init?(listener: String, method: String, pattern: String, token: UInt64) {
    guard pattern.hasPrefix("/") else { return nil }
    var segments: [Segment] = []
    for piece in pattern.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      if case .rest = segments.last { return nil }
      guard let segment = Self.segment(piece) else { return nil }
      segments.append(segment)
    }
    let names = Self.names(segments)
    guard Set(names).count == names.count else { return nil }
    self.listener = listener
    self.method = method
    self.token = token
    self.segments = segments
  }

  private static func segment(_ piece: Substring) -> Segment? {
    guard piece.contains("{") || piece.contains("}") else { return .word(String(piece)) }
    guard piece.hasPrefix("{"), piece.hasSuffix("}") else { return nil }
    let inner = piece.dropFirst().dropLast()
    let name = inner.hasSuffix("*") ? inner.dropLast() : inner
    guard !name.isEmpty, !name.contains(where: { "{}*/ ".contains($0) }) else { return nil }
    return inner.hasSuffix("*") ? .rest(String(name)) : .any(String(name))
  }

  private static func names(_ segments: [Segment]) -> [String] {
    segments.compactMap { segment in
      switch segment {
      case .word: nil
      case .any(let name), .rest(let name): name
      }
    }
  }

  /// By this the most exact of several routes wins: a word before a {name} before {the rest*}, from the left.
  var exactness: [Int] { segments.map(\.rank) }

  /// Whether both would stand in the same place.
  func collides(with other: FakeRoute) -> Bool {
    guard listener == other.listener, method == other.method, exactness == other.exactness else { return false }
    return zip(segments, other.segments).allSatisfy { mine, theirs in mine == theirs || mine.rank > 0 }
  }

  /// What it catches of a path, or nil if the path is another.
  func captures(_ path: String) -> HTTPHeaders? {
    guard path.hasPrefix("/") else { return nil }
    var caught: HTTPHeaders = []
    var pieces = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false)[...]
    for segment in segments {
      if case .rest(let name) = segment {
        // Behind the last slash there is still an empty piece.
        guard !pieces.isEmpty else { return nil }
        return caught + [HTTPHeader(name, pieces.joined(separator: "/"))]
      }
      guard let piece = pieces.popFirst() else { return nil }
      switch segment {
      case .word(let word): guard piece == word else { return nil }
      case .any(let name):
        guard !piece.isEmpty else { return nil }
        caught.append(HTTPHeader(name, String(piece)))
      case .rest: break
      }
    }
    return pieces.isEmpty ? caught : nil
  }
}
