package import NodeValues

/// What may be asked of a role's store from outside.
package enum StoreQuery: Sendable, Equatable {
  case list(StorePage)
  case get([UInt8])
  /// `expected` is the revision that the key must have; 0 if it must not be there.
  case put([UInt8], [UInt8], expected: UInt64? = nil)
  case delete([UInt8], expected: UInt64? = nil)

  package var changes: Bool {
    switch self {
    case .list, .get: false
    case .put, .delete: true
    }
  }
}

/// A part of the entries, in order; the next one begins behind its last key.
package struct StorePage: Sendable, Equatable {
  package static let usualLimit = 1000
  package static let mostEntries = 10_000
  /// A page ends with the entry that passes this, so that large values come in several answers.
  package static let byteLimit = 1 << 20

  package var prefix: [UInt8]
  package var after: [UInt8]?
  package var limit: Int
  package var withValues: Bool

  package init(prefix: [UInt8] = [], after: [UInt8]? = nil, limit: Int = StorePage.usualLimit, withValues: Bool = false)
  {
    self.prefix = prefix
    self.after = after
    self.limit = limit
    self.withValues = withValues
  }

  /// The range that it is read from.
  package var range: (from: [UInt8], to: [UInt8]) {
    // Nothing comes between a key and the same key with a zero behind it.
    let next = after.map { $0 + [0] } ?? []
    return (next.lexicographicallyPrecedes(prefix) ? prefix : next, StoreKey.end(ofPrefix: prefix))
  }
}

/// Bytes in JSON: as text if they are text, else in base64 under a name that says so.
package enum JSONBytes {
  package static let suffix = "_base64"

  /// UTF-8 without control characters but the usual three: what others would make six letters of each in JSON.
  package static func text(_ bytes: [UInt8]) -> String? {
    guard bytes.allSatisfy({ $0 >= 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }) else { return nil }
    return String(validating: bytes, as: UTF8.self)
  }

  package static func put(_ bytes: [UInt8], as name: String, into object: inout JSONObject) {
    if let text = text(bytes) {
      object[name] = .string(text)
    } else {
      object[name + suffix] = .string(Base64.encode(bytes))
    }
  }

  /// Nil if there is nothing of that name, or what is there is not base64.
  package static func read(_ name: String, in json: JSON) -> [UInt8]? {
    if let text = json[name]?.string { return Array(text.utf8) }
    return json[name + suffix]?.string.flatMap { Base64.decode($0) }
  }
}

/// An entry as it is told.
package struct StoreEntryReport: Sendable {
  package var key: [UInt8]
  package var value: [UInt8]?
  package var size: Int
  package var revision: UInt64

  package init(key: [UInt8], value: [UInt8]?, size: Int, revision: UInt64) {
    self.key = key
    self.value = value
    self.size = size
    self.revision = revision
  }

  package init?(_ json: JSON) {
    guard let key = JSONBytes.read("key", in: json), let revision = json["revision"]?.int else { return nil }
    self.init(
      key: key, value: JSONBytes.read("value", in: json), size: Int(json["size"]?.int ?? 0),
      revision: UInt64(max(0, revision)))
  }

  package var json: JSON {
    var object = JSONObject()
    JSONBytes.put(key, as: "key", into: &object)
    if let value { JSONBytes.put(value, as: "value", into: &object) }
    object["size"] = JSON(Int64(size))
    object["revision"] = JSON(Int64(clamping: revision))
    return .object(object)
  }
}
