internal import NodeValues

/// Reads numbers out of bytes that came from outside; nothing is read past the end.
struct ByteReader {
  let bytes: ArraySlice<UInt8>
  private(set) var place: Int

  init(_ bytes: ArraySlice<UInt8>) { (self.bytes, place) = (bytes, bytes.startIndex) }

  var left: Int { bytes.endIndex - place }

  mutating func take(_ count: Int) throws(RoleError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= left else {
      throw damaged("it ends \(max(0, count - left)) bytes too early")
    }
    defer { place += count }
    return bytes[place..<place + count]
  }

  mutating func byte() throws(RoleError) -> UInt8 { try take(1).first! }

  mutating func littleEndian(_ count: Int) throws(RoleError) -> Int {
    Int(try take(count).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) } & UInt64(Int.max))
  }

  mutating func bigEndian(_ count: Int) throws(RoleError) -> Int {
    Int(try take(count).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } & UInt64(Int.max))
  }
}

func damaged(_ what: String) -> RoleError { RoleError(.dataLoss, "the file is damaged: \(what)") }
