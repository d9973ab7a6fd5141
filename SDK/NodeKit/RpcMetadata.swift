package import CNodeABI

/// What travels beside the messages of a call of gRPC: `["x-tenant": "blue"]`. Names are in lower case; the value of
/// one that ends in "-bin" is any bytes, all others are printable ASCII.
public struct RpcMetadata: Sendable, Hashable {
  public struct Entry: Sendable, Hashable {
    public var name: String
    public var bytes: [UInt8]

    public var text: String { String(decoding: bytes, as: UTF8.self) }
  }

  public private(set) var entries: [Entry] = []

  public init() {}

  package init(_ pairs: nh_pair_list) {
    entries = UnsafeBufferPointer(start: pairs.items, count: pairs.items == nil ? 0 : Int(pairs.count)).map { pair in
      let bytes = UnsafeRawBufferPointer(start: pair.value.ptr, count: pair.value.ptr == nil ? 0 : Int(pair.value.len))
      return Entry(name: String(pair.name), bytes: Array(bytes))
    }
  }

  public var isEmpty: Bool { entries.isEmpty }

  /// The first of that name.
  public subscript(name: String) -> String? { entries.first { $0.name == name }?.text }

  /// The same as bytes, for names that end in "-bin".
  public func bytes(_ name: String) -> [UInt8]? { entries.first { $0.name == name }?.bytes }

  public mutating func add(_ name: String, _ text: String) { add(name, Array(text.utf8)) }

  public mutating func add(_ name: String, _ bytes: [UInt8]) { entries.append(Entry(name: name, bytes: bytes)) }
}

extension RpcMetadata: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, String)...) {
    for (name, text) in elements { add(name, text) }
  }
}

extension RpcMetadata {
  /// With the wish that messages be compressed before them, which the host takes for one.
  package func wishing(_ compresses: Bool) -> RpcMetadata {
    guard compresses else { return self }
    var wishing: RpcMetadata = ["grpc-encoding": "gzip"]
    wishing.entries += entries
    return wishing
  }

  /// Lends it as the host takes it.
  package func lend<R>(_ body: (nh_pair_list) -> R) -> R {
    guard !entries.isEmpty else { return body(nh_pair_list(items: nil, count: 0)) }
    let text = entries.flatMap { Array($0.name.utf8) + $0.bytes }
    return text.withUnsafeBufferPointer { text in
      withUnsafeTemporaryAllocation(of: nh_pair.self, capacity: entries.count) { pairs in
        var used = 0
        func next(_ count: Int) -> nh_str {
          defer { used += count }
          let start = text.baseAddress.map { UnsafeRawPointer($0 + used).assumingMemoryBound(to: CChar.self) }
          return nh_str(ptr: start, len: UInt64(count))
        }
        for (place, entry) in entries.enumerated() {
          let name = next(entry.name.utf8.count)
          pairs.initializeElement(at: place, to: nh_pair(name: name, value: next(entry.bytes.count)))
        }
        return body(nh_pair_list(items: pairs.baseAddress, count: UInt64(entries.count)))
      }
    }
  }
}
