import CNodeABI

/// The ELF note of a plugin: what it says of itself without running.
package struct PluginNote: Sendable, Equatable {
  package var abiMajor: UInt32
  package var revisionLeast: UInt32
  package var revisionBuilt: UInt32
  package var language: UInt32
  package var mayUnload: Bool
  package var layout: UInt64
  /// Empty if the note leaves the id to the plugin's table.
  package var pluginID: String

  package var languageName: String { Self.languageName(language) }

  package static func languageName(_ language: UInt32) -> String {
    switch language {
    case NH_LANGUAGE_C: "C"
    case NH_LANGUAGE_CXX: "C++"
    case NH_LANGUAGE_SWIFT: "Swift"
    case NH_LANGUAGE_RUST: "Rust"
    case NH_LANGUAGE_ZIG: "Zig"
    default: "other"
    }
  }

  /// The part that opening the library takes.
  package init(pluginID: String, mayUnload: Bool) {
    abiMajor = NH_ABI_MAJOR
    revisionLeast = 1
    revisionBuilt = NH_ABI_REVISION
    language = NH_LANGUAGE_OTHER
    layout = NH_BASE_LAYOUT
    self.pluginID = pluginID
    self.mayUnload = mayUnload
  }

  /// Nil if the section holds somebody else's note.
  package init?(reading section: [UInt8]) throws(ElfImage.Problem) {
    guard section.count >= 24, section[12..<21].elementsEqual("NODEHOST\0".utf8) else { return nil }
    func word(_ offset: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(section[offset + $1]) << (8 * UInt32($1)) } }
    let wanted = MemoryLayout<nh_note>.size
    guard word(8) == NH_NOTE_TYPE else { throw .badNote("its note is of type \(word(8)), not \(NH_NOTE_TYPE)") }
    guard word(0) == 9, Int(word(4)) == wanted - 24, section.count >= wanted else {
      throw .badNote("its note is \(section.count) bytes long, not \(wanted)")
    }
    abiMajor = word(24)
    revisionLeast = word(28)
    revisionBuilt = word(32)
    language = word(36)
    mayUnload = word(40) & NH_NOTE_MAY_UNLOAD != 0
    layout = UInt64(word(48)) | UInt64(word(52)) << 32
    let id = section[56..<(56 + Int(NH_NOTE_ID_LENGTH))].prefix { $0 != 0 }
    guard let text = String(validating: id, as: UTF8.self) else { throw .badNote("the id in its note is not UTF-8") }
    pluginID = text
  }
}
