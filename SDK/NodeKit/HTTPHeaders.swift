package import CNodeABI

/// A header field.
public struct HTTPHeader: Sendable, Hashable {
  public var name: String
  public var value: String

  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

/// Header fields in their order: `["cache-control": "no-store"]`, or a list of `HTTPHeader`.
public typealias HTTPHeaders = [HTTPHeader]

extension [HTTPHeader] {
  /// The first of that name, given in lower case.
  public subscript(name: String) -> String? { first { $0.name == name }?.value }

  package init(_ pairs: nh_pair_list) {
    self = UnsafeBufferPointer(start: pairs.items, count: pairs.items == nil ? 0 : Int(pairs.count)).map {
      HTTPHeader(String($0.name), String($0.value))
    }
  }

  /// Lends them as the host takes them.
  func lend<R>(_ body: (nh_pair_list) -> R) -> R {
    if isEmpty { return body(nh_pair_list(items: nil, count: 0)) }
    return lend(0, []) { pairs in
      pairs.withUnsafeBufferPointer { body(nh_pair_list(items: $0.baseAddress, count: UInt64($0.count))) }
    }
  }

  /// Each field is lent while those behind it are.
  private func lend<R>(_ place: Int, _ pairs: [nh_pair], _ body: ([nh_pair]) -> R) -> R {
    guard place < count else { return body(pairs) }
    return self[place].name.lend { name in
      self[place].value.lend { lend(place + 1, pairs + [nh_pair(name: name, value: $0)], body) }
    }
  }
}

/// The text of a head: the host's while it lends it, a copy afterwards. Most requests are answered at once, and only
/// what is looked at is ever copied.
enum HTTPHeadText {
  case borrowed(UnsafePointer<nh_http_head>)
  case owned(Copy)

  struct Copy {
    var method, path, query, scheme, authority, remote: String
    var headers, captures: HTTPHeaders
  }

  var copied: HTTPHeadText {
    guard case .borrowed(let head) = self else { return self }
    let source = head.pointee
    return .owned(
      Copy(
        method: String(source.method), path: String(source.path), query: String(source.query),
        scheme: String(source.scheme), authority: String(source.authority), remote: String(source.remote),
        headers: HTTPHeaders(source.headers), captures: HTTPHeaders(source.captures)))
  }

  func text(_ lent: KeyPath<nh_http_head, nh_str>, _ kept: KeyPath<Copy, String>) -> String {
    switch self {
    case .borrowed(let head): String(head.pointee[keyPath: lent])
    case .owned(let copy): copy[keyPath: kept]
    }
  }

  func pairs(_ lent: KeyPath<nh_http_head, nh_pair_list>, _ kept: KeyPath<Copy, HTTPHeaders>) -> HTTPHeaders {
    switch self {
    case .borrowed(let head): HTTPHeaders(head.pointee[keyPath: lent])
    case .owned(let copy): copy[keyPath: kept]
    }
  }

  func value(_ name: String, _ lent: KeyPath<nh_http_head, nh_pair_list>, _ kept: KeyPath<Copy, HTTPHeaders>) -> String? {
    guard case .borrowed(let head) = self else { return pairs(lent, kept)[name] }
    let pairs = head.pointee[keyPath: lent]
    for pair in UnsafeBufferPointer(start: pairs.items, count: pairs.items == nil ? 0 : Int(pairs.count)) {
      if pair.name.len == UInt64(name.utf8.count), String(pair.name) == name { return String(pair.value) }
    }
    return nil
  }
}
