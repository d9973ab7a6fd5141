import CNodeABI
import Glibc
import Testing

@testable import NodeKit

/// What a host reads from a plugin's file before it runs any of it.
@Suite struct NoteTests {
  @Test func theSwiftNoteIsAnNote() {
    #expect(MemoryLayout<PluginNote>.size == MemoryLayout<nh_note>.size)
    #expect(MemoryLayout<PluginNote>.offset(of: \.layout) == MemoryLayout<nh_note>.offset(of: \.layout))
    #expect(pluginNote.layout == NH_BASE_LAYOUT)
    #expect(pluginNote.abiMajor == NH_ABI_MAJOR)
    #expect(pluginNote.revisionBuilt == NH_ABI_REVISION)
    #expect(pluginNote.language == NH_LANGUAGE_SWIFT)
    #expect(pluginNote.flags == 0)
  }

  /// Language, flags and the start of the id in each library.
  static let notes: [(Template, UInt32, UInt32, String)] = [
    (.swift, NH_LANGUAGE_SWIFT, 0, ""), (.c, NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD, "hello-c"),
    (.rust, NH_LANGUAGE_RUST, 0, "hello-rust"),
  ]

  @Test(arguments: notes.filter { $0.0.isAvailable })
  func standsInTheLibrary(_ expected: (template: Template, language: UInt32, flags: UInt32, id: String)) throws {
    let folder = TemporaryFolder()
    let file = folder.path + "/note"
    let library = try expected.template.library()
    let copy = try Program.run(["objcopy", "--dump-section", ".note.nodehost=" + file, library, folder.path + "/rest"])
    try #require(copy.status == 0, "\(copy.output)")
    var note = nh_note()
    let stream = try #require(fopen(file, "r"))
    defer { fclose(stream) }
    #expect(fread(&note, 1, MemoryLayout<nh_note>.size, stream) == MemoryLayout<nh_note>.size)
    // The address sanitizer puts zeroes after a Swift variable; nothing else may follow.
    let isSanitized = fgetc(stream) == 0
    #expect(isSanitized || feof(stream) != 0)

    #expect(note.name_size == 9 && note.desc_size == 72 && note.kind == NH_NOTE_TYPE)
    #expect(withUnsafeBytes(of: note.name) { Array($0) } == Array("NODEHOST\0\0\0\0".utf8))
    #expect(note.abi_major == NH_ABI_MAJOR && note.layout == NH_BASE_LAYOUT)
    #expect(note.language == expected.language && note.flags == expected.flags)
    let id = withUnsafeBytes(of: note.plugin_id) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    #expect(id == expected.id)
    let words = try Program.run(["readelf", "-n", library]).output
    #expect(isSanitized || words.contains("NODEHOST             0x00000048"), "\(words)")
  }

  @Test(arguments: Template.available)
  func exportsOneFunction(_ template: Template) throws {
    let symbols = try Program.run(["nm", "-D", "--defined-only", template.library()]).output
    // Capital letters are what others can link to.
    let exported = symbols.split(separator: "\n").map { $0.split(separator: " ") }.filter {
      $0[1] != $0[1].lowercased()
    }
    #expect(exported.map { $0[2] } == ["nh_plugin_query"])
  }

  @Test(arguments: Template.available)
  func linksNoFoundation(_ template: Template) throws {
    let libraries = try Program.run(["ldd", template.library()]).output
    #expect(libraries.contains("libc.so"))
    #expect(!libraries.contains("Foundation"), "\(libraries)")
  }
}
