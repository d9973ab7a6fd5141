/// How a shared object is linked: what it asks of the loader, beyond what opening it takes.
package struct ElfLinkage: Sendable {
  /// Asks for a stack on which code may run; so does a file that does not say.
  package var hasExecutableStack = true
  /// Its code is rewritten when it is loaded, and so cannot be shared or protected.
  package var hasTextRelocations = false
  /// Takes from the small room that is left for threads' variables; loading fails when that is used up.
  package var hasStaticTLS = false
  /// Defined once for the whole process, whichever library comes first, which also stays for ever.
  package var uniqueSymbols: [String] = []
  /// "libc.so.6", with the versions that are needed of it.
  package var versions: [(library: String, version: String)] = []

  package init(reading bytes: [UInt8]) throws(ElfImage.Problem) {
    let reader = ElfReader(bytes: bytes)
    _ = try reader.header()
    let sections = try reader.sections()
    try readSegments(reader)
    uniqueSymbols = try reader.uniqueSymbols(in: sections)
    versions = try reader.versions(in: sections)
  }

  private mutating func readSegments(_ reader: ElfReader) throws(ElfImage.Problem) {
    let start = try reader.integer(32, as: UInt64.self)
    let size = Int(try reader.integer(54, as: UInt16.self)), count = Int(try reader.integer(56, as: UInt16.self))
    guard let start = Int(exactly: start), size == 56 || count == 0 else {
      throw .malformed("its program headers make no sense")
    }
    for index in 0..<count {
      let (offset, overflow) = start.addingReportingOverflow(index * size)
      guard !overflow else { throw .malformed("its program headers lie nowhere") }
      switch try reader.integer(offset, as: UInt32.self) {
      case 0x6474_E551: hasExecutableStack = try reader.integer(offset + 4, as: UInt32.self) & 1 != 0
      case 2: try readDynamic(reader, at: offset)
      default: break
      }
    }
  }

  private mutating func readDynamic(_ reader: ElfReader, at header: Int) throws(ElfImage.Problem) {
    guard let place = Int(exactly: try reader.integer(header + 8, as: UInt64.self)),
      let size = Int(exactly: try reader.integer(header + 32, as: UInt64.self)), place <= reader.bytes.count
    else { throw .malformed("its dynamic section lies nowhere") }
    for offset in stride(from: place, to: place + min(size, reader.bytes.count - place), by: 16) {
      let tag = try reader.integer(offset, as: UInt64.self), value = try reader.integer(offset + 8, as: UInt64.self)
      switch tag {
      case 0: return
      case 22: hasTextRelocations = true
      case 30:
        if value & 0x4 != 0 { hasTextRelocations = true }
        if value & 0x10 != 0 { hasStaticTLS = true }
      default: break
      }
    }
  }
}

extension ElfReader {
  private func string(at offset: Int, in section: Section) throws(ElfImage.Problem) -> String {
    guard offset < section.size else { throw .malformed("a name lies outside the name table") }
    let name = bytes[section.range].dropFirst(offset).prefix(ElfImage.exportNameLimit).prefix { $0 != 0 }
    return String(decoding: name, as: UTF8.self)
  }

  fileprivate func uniqueSymbols(in sections: [Section]) throws(ElfImage.Problem) -> [String] {
    guard let symbols = sections.first(where: { $0.type == 11 }) else { return [] }
    guard sections.indices.contains(symbols.link) else { throw .malformed("its symbols have no names") }
    var found: [String] = []
    for index in 0..<min(symbols.size / 24, Self.symbolLimit) where found.count < ElfImage.exportLimit {
      let offset = symbols.offset + index * 24
      guard bytes[offset + 4] >> 4 == 10, try integer(offset + 6, as: UInt16.self) != 0 else { continue }
      found.append(try string(at: Int(try integer(offset, as: UInt32.self)), in: sections[symbols.link]))
    }
    return found
  }

  /// Two lists, one within the other: libraries, and of each the versions.
  fileprivate func versions(in sections: [Section]) throws(ElfImage.Problem) -> [(library: String, version: String)] {
    guard let needs = sections.first(where: { $0.type == 0x6FFF_FFFE }) else { return [] }
    guard sections.indices.contains(needs.link) else { throw .malformed("its versions have no names") }
    let names = sections[needs.link]
    var found: [(library: String, version: String)] = []
    var place = needs.offset
    while found.count < Self.sectionLimit {
      let library = try string(at: Int(try integer(place + 4, as: UInt32.self)), in: names)
      var entry = place + Int(try integer(place + 8, as: UInt32.self))
      for _ in 0..<(try integer(place + 2, as: UInt16.self)) {
        let version = try string(at: Int(try integer(entry + 8, as: UInt32.self)), in: names)
        found.append((library, version))
        entry += Int(try integer(entry + 12, as: UInt32.self))
      }
      let next = Int(try integer(place + 12, as: UInt32.self))
      guard next > 0 else { break }
      place += next
    }
    return found
  }
}
