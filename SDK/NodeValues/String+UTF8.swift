extension String {
  /// Nil if the bytes are not UTF-8. ASCII, which most text is, is seen at once; the library's own check is generic
  /// code that looks up its types each time.
  package init?(utf8 bytes: UnsafeBufferPointer<UInt8>) {
    if UnsafeRawBufferPointer(bytes).areASCII {
      self.init(decoding: bytes, as: UTF8.self)
    } else {
      self.init(validating: bytes, as: UTF8.self)
    }
  }
}

extension UnsafeRawBufferPointer {
  var areASCII: Bool {
    var seen: UInt8 = 0
    for byte in self { seen |= byte }
    return seen < 0x80
  }
}
