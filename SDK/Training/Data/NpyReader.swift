package import NodeValues

/// NumPy's .npy, versions 1 to 3: a magic word, a header that is a dictionary of Python, and the numbers.
extension NumberArray {
  private static let headerLimit = 1 << 16

  package init(npy bytes: ArraySlice<UInt8>) throws(RoleError) {
    var reader = ByteReader(bytes)
    guard try reader.take(6).elementsEqual([0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59]) else {
      throw damaged("it does not begin like a .npy file; save it with numpy.save")
    }
    let version = try reader.byte()
    _ = try reader.byte()
    guard (1...3).contains(version) else { throw damaged("version \(version) of the format; save it with numpy.save") }
    let length = try reader.littleEndian(version == 1 ? 2 : 4)
    guard length <= Self.headerLimit else { throw damaged("a header of \(length) bytes") }
    let header = try NpyHeader(reader.take(length))
    let count = try Self.count(header.shape)
    let content = try reader.take(count * header.type.size)
    self.init(
      shape: header.shape, numbers: header.type.numbers(content, isBigEndian: header.isBigEndian),
      areBytes: header.type.isByte)
  }
}

/// {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), }
struct NpyHeader {
  let type: NumberType
  let isBigEndian: Bool
  let shape: [Int]

  init(_ bytes: ArraySlice<UInt8>) throws(RoleError) {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let kind = Self.value(of: "descr", in: text)?.quoted, let order = Self.value(of: "fortran_order", in: text),
      let sizes = Self.value(of: "shape", in: text)?.tuple
    else { throw damaged("its header does not say descr, fortran_order and shape") }
    shape = sizes
    guard !order.hasPrefix("True") || sizes.count <= 1 else {
      throw RoleError(
        .invalidArgument, "the array lies in Fortran's order; save numpy.ascontiguousarray(array) instead")
    }
    isBigEndian = kind.hasPrefix(">")
    let types: [Substring: NumberType] = [
      "u1": .unsigned(1), "b1": .unsigned(1), "i1": .signed(1), "u2": .unsigned(2), "i2": .signed(2),
      "u4": .unsigned(4), "i4": .signed(4), "u8": .unsigned(8), "i8": .signed(8), "f4": .float(4), "f8": .float(8),
    ]
    guard let type = types[kind.drop { "<>|=".contains($0) }] else {
      throw RoleError(.invalidArgument, "numbers of type \(kind); save array.astype('float32') instead")
    }
    self.type = type
  }

  private static func value(of key: String, in text: String) -> Substring? {
    for quote in ["'", "\""] {
      let word = "\(quote)\(key)\(quote)"
      var rest = text[...]
      while !rest.isEmpty, !rest.hasPrefix(word) { rest = rest.dropFirst() }
      guard !rest.isEmpty else { continue }
      let after = rest.dropFirst(word.count).drop { $0 == " " }
      guard after.first == ":" else { return nil }
      return after.dropFirst().drop { $0 == " " }
    }
    return nil
  }
}

extension Substring {
  /// What stands between the quotes with which it begins.
  fileprivate var quoted: Substring? {
    guard let quote = first, quote == "'" || quote == "\"" else { return nil }
    let inside = dropFirst()
    guard let end = inside.firstIndex(of: quote) else { return nil }
    return inside[..<end]
  }

  /// The whole numbers of a tuple.
  fileprivate var tuple: [Int]? {
    guard first == "(", let end = firstIndex(of: ")") else { return nil }
    var sizes: [Int] = []
    for word in self[index(after: startIndex)..<end].split(separator: ",", omittingEmptySubsequences: true) {
      let trimmed = word.filter { $0 != " " && $0 != "L" }
      if trimmed.isEmpty { continue }
      guard let size = Int(trimmed), size >= 0 else { return nil }
      sizes.append(size)
    }
    return sizes
  }
}
