import HostCore
import NodeValues
import Testing

@Suite struct ProjectNameTests {
  @Test(arguments: [
    ("tea", "Tea", "tea"), ("tea-counter", "TeaCounter", "tea_counter"), ("a-2-b3", "A2B3", "a_2_b3"),
    (String(repeating: "x", count: 39), "X" + String(repeating: "x", count: 38), String(repeating: "x", count: 39)),
  ])
  func hasThreeSpellings(_ name: String, _ type: String, _ identifier: String) throws {
    let project = try ProjectName(name)
    #expect(project.typeName == type && project.identifier == identifier)
  }

  @Test(arguments: [
    ("", nil, "it must begin with a small letter"), ("2x", nil, "it must begin with a small letter"),
    ("TeaCounter", "tea-counter", "it must begin with a small letter"),
    ("tea_counter", "tea-counter", "it may have small letters, digits and -"),
    ("teaCounter 2", "tea-counter-2", "it may have small letters, digits and -"),
    ("../../etc", "etc", "it must begin with a small letter"), ("é", nil, "it must begin with a small letter"),
    ("tea-", "tea", "each - must stand between two words"), ("a--b", "a-b", "each - must stand between two words"),
    (String(repeating: "x", count: 40), nil, "it has 40 letters, and a plugin's id has at most 39"),
  ])
  func refusesWhatIsNoName(_ name: String, _ suggestion: String?, _ reason: String) {
    let refusal = #expect(throws: ProjectName.Refusal.self) { try ProjectName(name) }
    #expect(refusal?.reason == reason)
    #expect(refusal?.suggestion == suggestion)
  }

  @Test func replacesTheTemplatesName() throws {
    let name = try ProjectName("tea-counter")
    #expect(
      name.applied(to: "sample-role: SampleRoleTests, libsample_role.so in @SDK@/x\n", sdk: "/opt/sdk")
        == "tea-counter: TeaCounterTests, libtea_counter.so in /opt/sdk/x\n")
  }
}

@Suite struct SwiftBuildPlanTests {
  private func plan(_ sources: String = #""/p/Sources/Tea.swift""#, more: String = "") -> String {
    """
    client:
      name: basic
    commands:
      "C.NodeKit.module":
        tool: shell
        inputs: ["/sdk/NodeKit/Role.swift"]
        outputs: ["/p/.build/debug/NodeKit.build/Role.swift.o","/p/.build/debug/Modules/NodeKit.swiftmodule"]
        args: ["/bin/swiftc","-module-name","NodeKit","-c","@/p/.build/debug/NodeKit.build/sources","-g"]
      "C.TeaPlugin.module":
        tool: shell
        inputs: [\(sources),"/p/.build/debug/Modules/NodeKit.swiftmodule","/p/.build/debug/TeaPlugin.build/sources"]
        outputs: ["/p/.build/debug/TeaPlugin.build/Tea.swift.o","/p/.build/debug/Modules/TeaPlugin.swiftmodule"]
        args: ["/bin/swiftc","-module-name","TeaPlugin","-emit-module","-emit-module-path","/p/x.swiftmodule","-c",\
    "@/p/.build/debug/TeaPlugin.build/sources","-incremental","-I","/p/.build/debug/Modules","-Onone","-Xcc","-g",\
    "-swift-version","6","-g","-parseable-output"]
      "C.TeaTests.module":
        tool: shell
        inputs: ["/p/Tests/TeaTests.swift"]
        outputs: ["/p/.build/debug/TeaTests.build/TeaTests.swift.o"]
        args: ["/bin/swiftc","-module-name","TeaTests","-c"]
    \(more)  "C.tea.dylib":
        tool: shell
        inputs: ["/p/.build/debug/tea.product/Objects.LinkFileList"]
        outputs: ["/p/.build/debug/libtea.so"]
        args: ["/bin/swiftc","-L","/p/.build/debug","-o","/p/.build/debug/libtea.so","-module-name","tea",\
    "-emit-library","@/p/.build/debug/tea.product/Objects.LinkFileList","-target","x","-lm","-Xlinker","-soname","-g"]
    """
  }

  private let objects = [
    "/p/.build/debug/NodeKit.build/Role.swift.o", "/p/.build/debug/TeaPlugin.build/Tea.swift.o",
    "/p/.build/debug/TeaPlugin.build/TeaPlugin.swiftmodule.o",
  ]

  private func read(_ text: String, more: [String] = []) -> SwiftBuildPlan? {
    SwiftBuildPlan(text, project: "/p") { path in
      path == "/p/.build/debug/tea.product/Objects.LinkFileList" ? (objects + more).joined(separator: "\n") : nil
    }
  }

  @Test func isOneCommandWithTheSameFlags() throws {
    let found = try #require(read(plan()))
    #expect(found.library == "/p/.build/debug/libtea.so")
    #expect(found.sources == ["/p/Sources/Tea.swift"])
    #expect(
      found.command(output: "/p/new.so") == [
        "/bin/swiftc", "-module-name", "TeaPlugin", "-I", "/p/.build/debug/Modules", "-Onone", "-Xcc", "-g",
        "-swift-version", "6", "-gline-tables-only", "-emit-library", "-o", "/p/new.so", "/p/Sources/Tea.swift",
        "/p/.build/debug/NodeKit.build/Role.swift.o", "-L", "/p/.build/debug", "-lm", "-Xlinker", "-soname",
      ])
  }

  @Test func leavesWhatItDoesNotKnowToThePackageManager() {
    #expect(read("") == nil)
    #expect(read("commands:\n    args: [\n") == nil)
    #expect(SwiftBuildPlan(plan(), project: "/p") { _ in nil } == nil)
    #expect(SwiftBuildPlan(plan(), project: "/elsewhere") { _ in objects.joined(separator: " ") } == nil)
    let helper = "/p/.build/debug/Helper.build/helper.o"
    let second = """
        "C.Helper.module":
          tool: shell
          inputs: ["/p/Helper/Helper.swift"]
          outputs: ["\(helper)"]
          args: ["/bin/swiftc","-module-name","Helper","-c"]

      """
    #expect(read(plan(more: second), more: [helper]) == nil, "a second module of the project")
    let inC = """
        "helper.o":
          tool: clang
          inputs: ["/p/Helper/helper.c"]
          outputs: ["\(helper)"]
          args: ["clang","-c"]

      """
    #expect(read(plan(more: inC), more: [helper]) == nil, "C sources in the project")
    #expect(read(plan(more: inC)) != nil, "C sources that are not linked")
  }
}
