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

/// Header fields in their order: `["cache-control": "no-store"]`, or `[HTTPHeader("cache-control", "no-store")]`.
public struct HTTPHeaders: Sendable, Hashable {
  private var fields: [HTTPHeader] = []

  public init() {}

  package init(_ pairs: nh_pair_list) {
    fields = UnsafeBufferPointer(start: pairs.items, count: pairs.items == nil ? 0 : Int(pairs.count)).map {
      HTTPHeader(String($0.name), String($0.value))
    }
  }

  /// The first of that name, given in lower case.
  public subscript(name: String) -> String? { first { $0.name == name }?.value }
}

extension HTTPHeaders: RandomAccessCollection, MutableCollection, RangeReplaceableCollection {
  public var startIndex: Int { 0 }
  public var endIndex: Int { fields.count }

  public subscript(place: Int) -> HTTPHeader {
    get { fields[place] }
    set { fields[place] = newValue }
  }

  public mutating func replaceSubrange(_ range: Range<Int>, with new: some Collection<HTTPHeader>) {
    fields.replaceSubrange(range, with: new)
  }
}

extension HTTPHeaders: ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral {
  public init(dictionaryLiteral elements: (String, String)...) {
    fields = elements.map { HTTPHeader($0, $1) }
  }

  public init(arrayLiteral elements: HTTPHeader...) { fields = elements }
}

extension HTTPHeaders {
  /// Lends them as the host takes them, with a content type before them if there is one.
  func lend<R>(type: String? = nil, _ body: (nh_pair_list) -> R) -> R {
    if fields.isEmpty { return Self.lend(onlyType: type, body) }
    var size = type?.utf8.count ?? 0
    for header in fields { size += header.name.utf8.count + header.value.utf8.count }
    return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Swift.max(1, size)) { text in
      withUnsafeTemporaryAllocation(of: nh_pair.self, capacity: count + 1) { pairs in
        var lent = LentPairs(text: text, pairs: pairs)
        if let type { lent.add(contentType: type) }
        for header in fields { lent.add(header) }
        return body(nh_pair_list(items: pairs.baseAddress, count: UInt64(lent.count)))
      }
    }
  }

  /// As most answers have it: nothing is copied.
  private static func lend<R>(onlyType type: String?, _ body: (nh_pair_list) -> R) -> R {
    guard let type else { return body(nh_pair_list(items: nil, count: 0)) }
    return type.lend { value in
      withUnsafePointer(to: nh_pair(name: LentPairs.contentType, value: value)) {
        body(nh_pair_list(items: $0, count: 1))
      }
    }
  }
}

/// Fields on their way to the host, in memory that is there anyway.
private struct LentPairs {
  static var contentType: nh_str {
    let name: StaticString = "content-type"
    return nh_str(
      ptr: UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), len: UInt64(name.utf8CodeUnitCount))
  }

  let text: UnsafeMutableBufferPointer<UInt8>
  let pairs: UnsafeMutableBufferPointer<nh_pair>
  var count = 0
  private var used = 0

  init(text: UnsafeMutableBufferPointer<UInt8>, pairs: UnsafeMutableBufferPointer<nh_pair>) {
    self.text = text
    self.pairs = pairs
  }

  mutating func add(contentType type: String) {
    add(nh_pair(name: Self.contentType, value: copy(type)))
  }

  mutating func add(_ header: HTTPHeader) {
    let name = copy(header.name)
    add(nh_pair(name: name, value: copy(header.value)))
  }

  private mutating func add(_ pair: nh_pair) {
    pairs.initializeElement(at: count, to: pair)
    count += 1
  }

  private mutating func copy(_ words: String) -> nh_str {
    let room = UnsafeMutableBufferPointer(rebasing: text[used...])
    let (_, end) = room.initialize(from: words.utf8)
    used += end
    return nh_str(ptr: UnsafeRawPointer(room.baseAddress)?.assumingMemoryBound(to: CChar.self), len: UInt64(end))
  }
}

/// The text of a head: the host's while it lends it, a copy afterwards. Most requests are answered at once, and only
/// what is looked at is ever copied.
enum HTTPHeadText {
  case borrowed(UnsafePointer<nh_http_head>)
  case owned(Copy)
  /// Nobody wanted to look at it again.
  case gone

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
    case .gone: ""
    }
  }

  func pairs(_ lent: KeyPath<nh_http_head, nh_pair_list>, _ kept: KeyPath<Copy, HTTPHeaders>) -> HTTPHeaders {
    switch self {
    case .borrowed(let head): HTTPHeaders(head.pointee[keyPath: lent])
    case .owned(let copy): copy[keyPath: kept]
    case .gone: []
    }
  }

  func value(_ name: String, _ lent: KeyPath<nh_http_head, nh_pair_list>, _ kept: KeyPath<Copy, HTTPHeaders>) -> String?
  {
    guard case .borrowed(let head) = self else { return pairs(lent, kept)[name] }
    let pairs = head.pointee[keyPath: lent]
    for pair in UnsafeBufferPointer(start: pairs.items, count: pairs.items == nil ? 0 : Int(pairs.count)) {
      if pair.name.len == UInt64(name.utf8.count), String(pair.name) == name { return String(pair.value) }
    }
    return nil
  }
}
