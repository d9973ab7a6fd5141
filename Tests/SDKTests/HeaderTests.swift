import Glibc
import Testing

/// Every header compiles alone, under both compilers, in each language that plugins are written in.
@Suite struct HeaderTests {
  static let names = [
    "base", "blob", "bus", "call", "client", "cluster", "described", "fd", "host", "http", "layout", "metrics",
    "peers", "plugin", "random", "roles", "rpc", "store", "timer", "work",
  ]
  static let languages = [("c11", "c"), ("c17", "c"), ("c++17", "cc"), ("c++20", "cc")]

  @Test func theListIsWhole() throws {
    let listing = try Program.run(["ls", Project.headers + "/include/nodehost"])
    #expect(listing.output.split(separator: "\n").map { String($0.dropLast(2)) } == Self.names)
  }

  @Test(arguments: ["gcc", Program.clang], languages)
  func compilesAlone(_ compiler: String, _ language: (standard: String, ending: String)) throws {
    let folder = TemporaryFolder()
    var files = try Self.names.map {
      try folder.write("\($0).\(language.ending)", "#include <nodehost/\($0).h>\nint nh_not_empty_\($0);\n")
    }
    files.append(try folder.write("all.\(language.ending)", Self.macros))
    let flags = ["-fsyntax-only", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I", Project.headers + "/include"]
    let outcome = try Program.run([compiler, "-std=" + language.standard] + flags + files)
    #expect(outcome.status == 0, "\(outcome.output)")
  }

  /// The conveniences, which are only compiled where they are used.
  static let macros = """
    #include <nodehost.h>
    NH_PLUGIN_NOTE("macros", NH_LANGUAGE_C, NH_NOTE_MAY_UNLOAD);
    static const nh_topic topics[] = {{NH_INIT("a.b"), NH_INIT("Doc.")}};
    const nh_topic_list *nh_topics(void);
    const nh_topic_list *nh_topics(void) {
      static const nh_topic_list list = NH_INIT_LIST(topics);
      return &list;
    }
    nh_status nh_answer_all(const nh_call *call, nh_error *error);
    nh_status nh_answer_all(const nh_call *call, nh_error *error) {
      nh_reply_int(call, 1);
      nh_reply_double(call, 0.5);
      nh_reply_bool(call, 1);
      nh_reply_text(call, NH_STR("text"));
      nh_reply_nothing(call);
      nh_reply_error(call, NH_NOT_FOUND, nh_cstr("gone"));
      return nh_fail(error, NH_UNKNOWN, NH_STR("place"), NH_STR("message"));
    }

    """

  @Test(arguments: ["gcc", Program.clang])
  func theTemplateInCIsStrictlyC(_ compiler: String) throws {
    let outcome = try Program.run([
      compiler, "-std=c11", "-O2", "-fsyntax-only", "-Wall", "-Wextra", "-pedantic", "-Werror", "-I",
      Project.headers + "/include", Project.root + "/SDK/Templates/c/role.c",
    ])
    #expect(outcome.status == 0, "\(outcome.output)")
  }

  @Test func describesItselfTruly() throws {
    let outcome = try Program.run([Project.headers + "/describe", "--check"])
    #expect(outcome.status == 0, "\(outcome.output)")
  }

  struct Edit: CustomTestStringConvertible {
    var testDescription: String
    var file: String
    var from: String
    var to: String
    var complaint: String
  }

  static let edits = [
    Edit(
      testDescription: "a function takes another type", file: "timer.h", from: "int64_t delay_ns, uint64_t token);",
      to: "int32_t delay_ns, uint64_t token);", complaint: "no longer say what the headers say"),
    Edit(
      testDescription: "a member moved", file: "host.h", from: "uint32_t node_id;\n  uint32_t reserved;",
      to: "uint32_t reserved;\n  uint32_t node_id;", complaint: "no longer say what the headers say"),
    Edit(
      testDescription: "a bracket is missing", file: "bus.h", from: " [loop & (starting | running)] */",
      to: " */", complaint: "the comment must end in a bracket"),
    Edit(
      testDescription: "a bracket has an unknown word", file: "bus.h", from: "/** Ends a subscription. [loop &",
      to: "/** Ends a subscription. [lop &", complaint: "unknown word"),
    Edit(
      testDescription: "a type that no letter describes", file: "bus.h", from: "nh_handle subscription);",
      to: "nh_handle subscription, float weight);", complaint: "no letter for the type `float`"),
  ]

  @Test(arguments: edits)
  func noticesAnEdit(_ edit: Edit) throws {
    let folder = TemporaryFolder()
    let sdk = folder.path + "/SDK"
    _ = try Program.run(["mkdir", "-p", sdk + "/Templates", sdk + "/NodeKit"])
    _ = try Program.run(["cp", "-r", Project.headers, sdk])
    _ = try Program.run(["cp", "-r", Project.root + "/SDK/Templates/rust", sdk + "/Templates"])
    _ = try Program.run(["cp", Project.root + "/SDK/NodeKit/Note.swift", sdk + "/NodeKit"])
    let describe = [Project.headers + "/describe", "--check", sdk + "/CNodeABI"]
    let before = try Program.run(describe)
    #expect(before.status == 0, "\(before.output)")

    let header = sdk + "/CNodeABI/include/nodehost/" + edit.file
    let text = try Program.run(["cat", header]).output
    try #require(text.contains(edit.from))
    _ = try folder.write("SDK/CNodeABI/include/nodehost/" + edit.file, replacingFirst(edit.from, edit.to, in: text))
    let after = try Program.run(describe)
    #expect(after.status == 1)
    #expect(after.output.contains(edit.complaint), "\(after.output)")
  }

  private func replacingFirst(_ old: String, _ new: String, in text: String) -> String {
    let letters = Array(text.utf8), wanted = Array(old.utf8)
    let place = (0...(letters.count - wanted.count)).first { letters[$0..<($0 + wanted.count)].elementsEqual(wanted) }!
    return String(decoding: letters[..<place] + Array(new.utf8) + letters[(place + wanted.count)...], as: UTF8.self)
  }
}
