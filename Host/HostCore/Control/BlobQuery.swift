import NodeValues

/// What can be asked about the objects of a role.
package enum BlobQuery: Sendable, Equatable {
  package static let usualLimit = 1000
  package static let mostListed = 10_000
  /// What one answer carries of an object.
  package static let mostBytes = 1 << 20

  case list(after: String, limit: Int)
  /// Reads all of it too, if it is to be checked.
  case stat(String, checks: Bool)
  case bytes(String, offset: UInt64, length: Int)
  /// Begins to read all objects, unless somebody has begun.
  case scrub
  /// How far that is, or how it ended.
  case scrubbed

  var method: String { self == .scrub ? "POST" : "GET" }

  var segments: [String] {
    switch self {
    case .list: ["blobs"]
    case .stat(let name, _): ["blobs", name]
    case .bytes(let name, _, _): ["blobs", name, "bytes"]
    case .scrub, .scrubbed: ["scrub"]
    }
  }

  var items: [HTTPRequestHead.QueryItem] {
    switch self {
    case .list(let last, let limit): (last.isEmpty ? [] : [.init("after", last)]) + [.init("limit", String(limit))]
    case .stat(_, checks: true): [.init("check", "1")]
    case .bytes(_, let offset, let length): [.init("offset", String(offset)), .init("length", String(length))]
    default: []
    }
  }

  /// The question of a path behind the role, its query still unread; nil if there is none.
  static func find(_ path: ArraySlice<String>, method: String) -> BlobQuery? {
    switch Array(path) {
    case ["blobs"]: .list(after: "", limit: usualLimit)
    case ["scrub"]: method == "POST" ? .scrub : .scrubbed
    default:
      if path.count == 2, path.first == "blobs" {
        .stat(path[path.startIndex + 1], checks: false)
      } else if path.count == 3, path.first == "blobs", path.last == "bytes" {
        .bytes(path[path.startIndex + 1], offset: 0, length: mostBytes)
      } else {
        nil
      }
    }
  }

  func complete(_ head: HTTPRequestHead) throws(ControlFailure) -> BlobQuery {
    func number(_ key: String, _ usual: UInt64, _ range: ClosedRange<UInt64>) throws(ControlFailure) -> UInt64 {
      guard let text = head.queryValue(key) else { return usual }
      guard let number = UInt64(text), range.contains(number), String(number) == text else {
        throw ControlFailure(
          .invalidArgument, "\(key) is a whole number from \(range.lowerBound) to \(range.upperBound), not \"\(text)\"",
          place: "blobs")
      }
      return number
    }
    switch self {
    case .list:
      let limit = try number("limit", UInt64(Self.usualLimit), 1...UInt64(Self.mostListed))
      return .list(after: head.queryValue("after") ?? "", limit: Int(limit))
    case .stat(let name, _): return .stat(try Self.checked(name), checks: try number("check", 0, 0...1) == 1)
    case .bytes(let name, _, _):
      let length = try number("length", UInt64(Self.mostBytes), 1...UInt64(Self.mostBytes))
      let offset = try number("offset", 0, 0...BlobLayout.sizeLimit)
      return .bytes(try Self.checked(name), offset: offset, length: Int(length))
    case .scrub, .scrubbed: return self
    }
  }

  private static func checked(_ name: String) throws(ControlFailure) -> String {
    if BlobName(name) != nil { return name }
    throw ControlFailure(
      .invalidArgument, "an object's name is its SHA-256 in 64 small hexadecimal digits, not \"\(name)\"",
      place: "blobs")
  }
}
