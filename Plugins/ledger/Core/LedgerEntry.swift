internal import NodeKit

/// A key of the ledger.
struct LedgerEntry: Equatable {
  var value: JSON
  /// How often the key has been changed.
  var version: Int64
  /// The transaction that changed it last; so it is not carried out twice.
  var transaction: String

  private static let storeVersion: UInt8 = 1

  init(value: JSON, version: Int64, transaction: String) {
    (self.value, self.version, self.transaction) = (value, version, transaction)
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.add(Self.storeVersion)
    writer.add(version)
    writer.add(counted: transaction)
    writer.add(rest: value.description.utf8)
    return writer.bytes
  }

  init(_ bytes: [UInt8]) throws {
    var reader = ByteReader(bytes)
    guard try reader.number(UInt8.self) == Self.storeVersion else { throw MalformedBytes() }
    (version, transaction) = (try reader.number(), try reader.text())
    value = try JSON(parsing: reader.rest())
  }
}
