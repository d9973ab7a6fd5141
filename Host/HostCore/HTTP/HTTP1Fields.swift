/// Whether text that is to be sent may stand in a header.
package enum HTTP1Fields {
  package static func isName(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let names = HTTP1Bytes.name
    for byte in bytes where names[Int(byte)] == 0 { return false }
    return !bytes.isEmpty
  }

  package static func isValue(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return true }
    return HTTP1Bytes.endOfValue(base, 0, bytes.count) == bytes.count
  }
}
