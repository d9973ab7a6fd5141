import NodeValues

/// Reads the bytes as a message, each field as what it may be, and messages in it to the end. Must never trap, and what
/// is read and written again must be read the same; a difference is made a trap.
package func fuzzProtoFields(_ bytes: [UInt8]) {
  var copy = ProtoWriter()
  guard (try? read(ProtoReader(bytes), into: &copy)) != nil else { return }
  var again = ProtoWriter()
  precondition((try? read(ProtoReader(copy.bytes), into: &again)) != nil, "what was written cannot be read")
  precondition(again.bytes == copy.bytes, "what was written is read differently")
}

private func read(_ message: ProtoReader, into writer: inout ProtoWriter) throws(RoleError) {
  var reader = message
  while try reader.next() {
    switch reader.kind {
    case .varint: writer.uint64(reader.field, try reader.uint64())
    case .fixed32: writer.fixed32(reader.field, try reader.fixed32())
    case .fixed64: writer.fixed64(reader.field, try reader.fixed64())
    case .bytes: try readBytes(&reader, into: &writer)
    case .groupStart, .groupEnd: break
    }
  }
}

private func readBytes(_ reader: inout ProtoReader, into writer: inout ProtoWriter) throws(RoleError) {
  var attempt = reader
  var inner = ProtoWriter()
  let isMessage =
    (try? { () throws(RoleError) in try read(attempt.message(), into: &inner) }()) != nil && !inner.bytes.isEmpty
  attempt = reader
  var numbers: [Int64] = [], doubles: [Double] = [], floats: [Float] = []
  try? attempt.ints(into: &numbers, limit: 100)
  attempt = reader
  try? attempt.doubles(into: &doubles)
  attempt = reader
  try? attempt.floats(into: &floats)
  attempt = reader
  try? attempt.pair { (_, _) throws(RoleError) in }
  attempt = reader
  _ = try? attempt.string()
  if isMessage {
    let field = reader.field
    _ = try reader.slice()
    writer.message(field) { $0.append(inner.bytes) }
  } else {
    writer.data(reader.field, try reader.data())
  }
}
