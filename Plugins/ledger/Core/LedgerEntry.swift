internal import NodeKit

/// A key of the ledger.
struct LedgerEntry: Equatable {
  /// Nil if the key is gone.
  var value: JSON?
  /// How often the key has been changed since it came.
  var version: Int64
  /// The transaction that changed it last, and the one before that; so none is carried out twice.
  var transaction: String
  var previous = ""

  /// The first knew no `previous`, and kept nothing of keys that were gone.
  private static let storeVersion: UInt8 = 2

  init(value: JSON?, version: Int64, transaction: String, previous: String = "") {
    (self.value, self.version, self.transaction, self.previous) = (value, version, transaction, previous)
  }

  var isGone: Bool { if case .none = value { true } else { false } }

  /// Whether that transaction has changed it, and at most one after it.
  func was(_ transaction: String) -> Bool { self.transaction == transaction || previous == transaction }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.add(Self.storeVersion)
    writer.add(version)
    writer.add(counted: transaction)
    writer.add(counted: previous)
    if let value { writer.add(rest: value.description.utf8) }
    return writer.bytes
  }

  init(_ bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    let storeVersion = try reader.number(UInt8.self)
    guard 1...Self.storeVersion ~= storeVersion else { throw MalformedBytes() }
    (version, transaction) = (try reader.number(), try reader.text())
    if storeVersion > 1 { previous = try reader.text() }
    let rest = reader.rest()
    if !rest.isEmpty || storeVersion == 1 { value = try JSON(parsing: rest) }
  }
}
