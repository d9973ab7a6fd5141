internal import NodeKit

// What the store has, as bytes. Each record begins with its version.
private let recordVersion: UInt8 = 2

extension Entry {
  func write(to writer: inout ByteWriter) {
    writer.add(term)
    writer.add(origin != nil)
    if let origin { writer.add(origin) }
  }

  /// All but its bytes.
  init(headFrom reader: inout ByteReader) throws(MalformedBytes) {
    self.init(term: try reader.number())
    if try reader.truth() { origin = try Origin(from: &reader) }
  }

  /// Of entries that were written together.
  static func record(of entries: [Entry]) -> [UInt8] {
    var writer = ByteWriter(reserving: entries.reduce(1) { $0 + $1.size })
    writer.add(recordVersion)
    for entry in entries { entry.writeWhole(to: &writer) }
    return writer.bytes
  }

  /// What ``write(to:)`` writes and the counted bytes, with all numbers in one piece.
  private func writeWhole(to writer: inout ByteWriter) {
    guard let origin else {
      write(to: &writer)
      return writer.add(counted: bytes)
    }
    writer.add(count: 41) { head in
      head.storeBytes(of: term.littleEndian, as: UInt64.self)
      head.storeBytes(of: 1, toByteOffset: 8, as: UInt8.self)
      head.storeBytes(of: UInt32(origin.member).littleEndian, toByteOffset: 9, as: UInt32.self)
      head.storeBytes(of: origin.run.littleEndian, toByteOffset: 13, as: UInt64.self)
      head.storeBytes(of: origin.sequence.littleEndian, toByteOffset: 21, as: UInt64.self)
      head.storeBytes(of: origin.floor.littleEndian, toByteOffset: 29, as: UInt64.self)
      head.storeBytes(of: UInt32(bytes.count).littleEndian, toByteOffset: 37, as: UInt32.self)
    }
    writer.add(rest: bytes)
  }

  static func entries(of record: [UInt8]) throws(MalformedBytes) -> [Entry] {
    var reader = try ByteReader(record: record), entries: [Entry] = []
    while reader.left > 0 {
      var entry = try Entry(headFrom: &reader)
      entry.bytes = try reader.counted()
      entries.append(entry)
    }
    return entries
  }
}

extension Origin {
  init(from reader: inout ByteReader) throws(MalformedBytes) {
    self.init(
      member: Int(try reader.number(UInt32.self)), run: try reader.number(), sequence: try reader.number(),
      floor: try reader.number())
  }
}

extension Promise {
  var record: [UInt8] {
    var writer = ByteWriter()
    writer.add(recordVersion)
    writer.add(term)
    writer.add(vote != nil)
    writer.add(UInt32(vote ?? 0))
    writer.add(run)
    return writer.bytes
  }

  init(record: [UInt8]) throws(MalformedBytes) {
    var reader = try ByteReader(record: record)
    self.init(term: try reader.number())
    let hasVoted = try reader.truth()
    let member = Int(try reader.number(UInt32.self))
    vote = hasVoted ? member : nil
    run = try reader.number()
    try reader.end()
    // Both count up one by one, so these never were.
    guard term < .max / 2, run < .max / 2 else { throw MalformedBytes() }
  }
}

/// What a snapshot in the store consists of; its bytes lie in pieces.
struct SnapshotHead: Equatable {
  var index: UInt64
  var term: UInt64
  var size: Int

  var record: [UInt8] {
    var writer = ByteWriter()
    writer.add(recordVersion)
    writer.add(index)
    writer.add(term)
    writer.add(UInt64(size))
    return writer.bytes
  }

  init(_ snapshot: Snapshot) { (index, term, size) = (snapshot.index, snapshot.term, snapshot.bytes.count) }

  init(record: [UInt8]) throws(MalformedBytes) {
    var reader = try ByteReader(record: record)
    (index, term) = (try reader.number(), try reader.number())
    guard let size = Int(exactly: try reader.number(UInt64.self)) else { throw MalformedBytes() }
    self.size = size
    try reader.end()
    guard index < .max / 2 else { throw MalformedBytes() }
  }
}

extension ByteReader {
  fileprivate init(record: [UInt8]) throws(MalformedBytes) {
    self.init(record)
    guard try number(UInt8.self) == recordVersion else { throw MalformedBytes() }
  }
}
