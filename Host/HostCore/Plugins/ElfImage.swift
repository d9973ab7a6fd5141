/// What the loader must know of a shared object before any of its code may run.
///
/// Everything is bounds-checked: the bytes come from whoever wrote the file. Nothing is trusted but
/// what has been found whole.
package struct ElfImage: Sendable, Equatable {
  package var machine: UInt16
  package var note: PluginNote?
  /// Whether the dynamic symbol table defines nh_plugin_query as a function.
  package var exportsQuery: Bool
  /// The first names that the library defines for others, functions and data, for messages.
  package var exports: [String]

  /// No message shows more names, or more of one. A file may claim a million symbols that all share one name of
  /// many megabytes, so neither may depend on the file alone.
  package static let exportLimit = 16
  package static let exportNameLimit = 128

  package enum Problem: Error, Equatable, Sendable {
    case notElf(firstBytes: [UInt8])
    case wrongClass
    case wrongMachine(UInt16)
    case notShared(type: UInt16)
    case truncated(has: Int, needs: UInt64)
    case malformed(String)
    case badNote(String)
  }

  #if arch(x86_64)
    package static let hostMachine: UInt16 = 62
  #elseif arch(arm64)
    package static let hostMachine: UInt16 = 183
  #endif

  package static func machineName(_ machine: UInt16) -> String {
    switch machine {
    case 3: "32-bit x86"
    case 40: "32-bit ARM"
    case 62: "x86-64"
    case 183: "aarch64"
    case 243: "RISC-V"
    default: "machine \(machine)"
    }
  }

  package init(reading bytes: [UInt8]) throws(Problem) {
    let reader = ElfReader(bytes: bytes)
    machine = try reader.header()
    let sections = try reader.sections()
    note = try reader.note(in: sections)
    (exports, exportsQuery) = try reader.exports(in: sections)
  }
}

struct ElfReader {
  let bytes: [UInt8]

  /// More sections or symbols than this no plugin has; it is where reading stops.
  static let sectionLimit = 4096
  static let symbolLimit = 1 << 20
  static let noteLimit = 4096

  struct Section {
    var name: UInt32
    var type: UInt32
    var offset: Int
    var size: Int
    var link: Int
    var range: Range<Int> { offset..<(offset + size) }
  }

  func integer<Number: FixedWidthInteger>(_ offset: Int, as: Number.Type) throws(ElfImage.Problem) -> Number {
    guard offset >= 0, offset <= bytes.count - MemoryLayout<Number>.size else {
      throw .truncated(has: bytes.count, needs: UInt64(max(offset, 0)) + UInt64(MemoryLayout<Number>.size))
    }
    return bytes.withUnsafeBytes { Number(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Number.self)) }
  }

  func header() throws(ElfImage.Problem) -> UInt16 {
    guard bytes.starts(with: [0x7F, 0x45, 0x4C, 0x46]) else { throw .notElf(firstBytes: Array(bytes.prefix(16))) }
    guard bytes.count >= 64 else { throw .truncated(has: bytes.count, needs: 64) }
    guard bytes[4] == 2, bytes[5] == 1 else { throw .wrongClass }
    let type = try integer(16, as: UInt16.self), machine = try integer(18, as: UInt16.self)
    guard machine == ElfImage.hostMachine else { throw .wrongMachine(machine) }
    guard type == 3 else { throw .notShared(type: type) }
    return machine
  }

  /// The section headers come last in what every linker writes: if they are whole, so is the file.
  func sections() throws(ElfImage.Problem) -> [Section] {
    let start = try integer(40, as: UInt64.self)
    let size = try integer(58, as: UInt16.self), count = Int(try integer(60, as: UInt16.self))
    guard start > 0, count > 0 else { throw .malformed("it has no section headers") }
    guard size == 64, count <= Self.sectionLimit else { throw .malformed("its section headers make no sense") }
    let (end, overflow) = start.addingReportingOverflow(UInt64(count) * 64)
    guard !overflow, end <= UInt64(bytes.count) else {
      throw .truncated(has: bytes.count, needs: overflow ? .max : end)
    }
    var sections: [Section] = []
    for index in 0..<count { sections.append(try section(at: Int(start) + index * 64)) }
    return sections
  }

  func section(at offset: Int) throws(ElfImage.Problem) -> Section {
    let type = try integer(offset + 4, as: UInt32.self)
    let place = try integer(offset + 24, as: UInt64.self), size = try integer(offset + 32, as: UInt64.self)
    let occupiesFile = type != 8 && type != 0
    let (end, overflow) = place.addingReportingOverflow(size)
    guard !occupiesFile || (!overflow && end <= UInt64(bytes.count)) else {
      throw .truncated(has: bytes.count, needs: overflow ? .max : end)
    }
    return Section(
      name: try integer(offset, as: UInt32.self), type: type, offset: occupiesFile ? Int(place) : 0,
      size: occupiesFile ? Int(size) : 0, link: Int(try integer(offset + 40, as: UInt32.self)))
  }

  func note(in sections: [Section]) throws(ElfImage.Problem) -> PluginNote? {
    for section in sections where section.type == 7 && section.size >= 24 && section.size <= Self.noteLimit {
      if let note = try PluginNote(reading: Array(bytes[section.range])) {
        return note
      }
    }
    return nil
  }

  func exports(in sections: [Section]) throws(ElfImage.Problem) -> (names: [String], query: Bool) {
    guard let symbols = sections.first(where: { $0.type == 11 }) else { return ([], false) }
    guard sections.indices.contains(symbols.link) else { throw .malformed("its symbols have no names") }
    let text = bytes[sections[symbols.link].range]
    var found: [String] = []
    var hasQuery = false
    for index in 0..<min(symbols.size / 24, Self.symbolLimit) {
      let offset = symbols.offset + index * 24
      let binding = bytes[offset + 4] >> 4, kind = bytes[offset + 4] & 15
      let home = try integer(offset + 6, as: UInt16.self)
      guard binding == 1 || binding == 2 || binding == 10, kind == 1 || kind == 2 || kind == 10, home != 0 else {
        continue
      }
      let place = Int(try integer(offset, as: UInt32.self))
      guard place < text.count else { throw .malformed("a symbol's name lies outside the name table") }
      let name = text[(text.startIndex + place)...].prefix(ElfImage.exportNameLimit).prefix { $0 != 0 }
      if kind != 1, name.elementsEqual("nh_plugin_query".utf8) { hasQuery = true }
      if found.count < ElfImage.exportLimit { found.append(String(decoding: name, as: UTF8.self)) }
    }
    return (found, hasQuery)
  }
}
