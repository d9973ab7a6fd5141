/// Whether text that is to be sent may stand in a header.
package enum HTTP1Fields {
  package static func isName(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let names = HTTP1Bytes.name
    for byte in bytes where names[Int(byte)] == 0 { return false }
    return !bytes.isEmpty
  }

  package static func isValue(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let values = HTTP1Bytes.value
    for byte in bytes where values[Int(byte)] == 0 { return false }
    return true
  }
}
