extension String {
  /// Nil if the bytes are not UTF-8. ASCII, which most text is, is seen at once; the library's own check is generic
  /// code that looks up its types each time.
  package init?(utf8 bytes: UnsafeBufferPointer<UInt8>) {
    var seen: UInt8 = 0
    for byte in bytes { seen |= byte }
    if seen < 0x80 {
      self.init(decoding: bytes, as: UTF8.self)
    } else {
      self.init(validating: bytes, as: UTF8.self)
    }
  }
}
