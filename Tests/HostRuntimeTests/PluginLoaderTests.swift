import CNodeABI
import Glibc
import HostCore
import HostRuntime
import Testing

/// Every way in which a plugin can be bad has an error of its own, and none takes the host along.
@Suite struct PluginLoaderTests {
  func refusal(of plugin: BrokenPlugin, allow: [String: String] = [:]) -> PluginProblem? {
    do {
      _ = try plugin.load(allow: allow)
      return nil
    } catch {
      if case PluginRefusal.plugin(let problem) = error { return problem }
      return nil
    }
  }

  @Test func aSoundPluginLoadsAndIsSharedByContent() throws {
    let plugin = BrokenPlugin()
    let loader = plugin.loader()
    let first = try loader.load(plugin.role(), allow: [:]), second = try loader.load(plugin.role(), allow: [:])
    #expect(first.library === second.library)
    #expect(first.library.description.id == "broken")
    #expect(first.library.file.copy != plugin.path)
    var status = stat()
    #expect(stat(plugin.cache, &status) == 0 && status.st_mode & 0o777 == 0o700)
  }

  @Test(
    arguments: [
      (["-DCASE_NO_NOTE"], .noNote, "has no .note.nodehost"),
      (["-DNOTE_ABI=2"], .otherAbi, "ABI major 2, and this host speaks 1"),
      (["-DNOTE_LAYOUT=1"], .otherLayout, "headers of another layout"),
      (["-DNOTE_REVISION_LEAST=9"], .newerRevision, "needs host revision 9, and this host has 1"),
      (["-DCASE_NO_ENTRY"], .noEntry, "does not export nh_plugin_query (it exports nothing)"),
      (["-DCASE_SLOW_CONSTRUCTOR"], .openTimeout, "still being opened after 2000 ms"),
      (["-DCASE_CRASHING_CONSTRUCTOR"], .openCrashed, "crashed (Aborted) while being opened"),
      (["-DCASE_UNDEFINED_SYMBOL"], .loaderRefused, "nobody_defines_this"),
      (["-DCASE_QUERY_REFUSES"], .queryRefused, "only on Sundays"),
      (["-DCASE_QUERY_GIVES_NOTHING"], .queryRefused, "without giving a table"),
      (["-DCASE_NULL_TEXT"], .badTable, "`id` is 6 bytes of text at no address"),
      (["-DSTRUCT_SIZE=40"], .badTable, "its table is 40 bytes long"),
      (["-DCASE_BAD_VERSION"], .badTable, "its version is \"one\""),
      (["-DCASE_NO_CREATE"], .badTable, "no `create` function"),
      (["-DCASE_BAD_SIGNATURE"], .badTable, "no type has the letter 'q'"),
      (["-DCASE_TWO_METHODS"], .badTable, "two methods named `nap`"),
      (["-DSCHEMA=\"{oops\""], .badSchema, "its config_schema is not JSON"),
      (
        ["-DCASE_MISSING_SERVICE"], .missingService,
        "requires nodehost.cluster/1, which this host knows but does not offer"
      ),
      (["-DNOTE_ID=\"other\""], .otherID, "its note says that it is `other`, and its table `broken`"),
      (["-DPLUGIN_ID=\"another\"", "-DNOTE_ID=\"another\""], .otherID, "is the plugin `another`"),
      (["-DCASE_CREATE_FAILS"], .createFailed, "no such colour; choose red (at /colour)"),
      (["-DCASE_CREATE_CRASHES"], .createCrashed, "crashed (Aborted) while creating `b`"),
      (["-DCASE_CREATE_HANGS"], .createTimeout, "still creating `b` after 2000 ms"),
    ] as [([String], PluginProblem.Kind, String)])
  func isRefused(_ defines: [String], _ kind: PluginProblem.Kind, _ words: String) throws {
    let plugin = BrokenPlugin(defines)
    let problem = try #require(refusal(of: plugin))
    #expect(problem.kind == kind)
    #expect(problem.found.contains(words), "\(problem)")
    #expect(problem.file == plugin.path)
    #expect(!problem.remedy.isEmpty)
  }

  @Test func aCrashDoesNotSpoilTheNextPlugin() throws {
    let bad = BrokenPlugin(["-DCASE_CREATE_CRASHES"]), good = BrokenPlugin()
    let loader = bad.loader([bad.folder])
    #expect(throws: PluginRefusal.self) { try loader.load(bad.role(), allow: [:]) }
    _ = try good.load()
    #expect(throws: PluginRefusal.self) { try loader.load(bad.role(), allow: [:]) }
  }

  @Test func filesThatAreNoPluginsAreRefusedWithoutRunning() throws {
    let plugin = BrokenPlugin()
    let whole = try #require(readFile(plugin.path, limit: 1 << 20))
    func verdict(_ bytes: [UInt8]) -> PluginProblem? {
      _ = writeFile(plugin.path, bytes, mode: 0o755)
      return refusal(of: plugin)
    }
    #expect(verdict(Array(whole[..<(whole.count / 2)]))?.kind == .truncated)
    #expect(verdict(Array(whole[..<40]))?.kind == .truncated)
    #expect(verdict(Array("#!/bin/sh\necho hello\n".utf8))?.found == "is a text file that begins \"#!/bin/sh\"")
    #expect(verdict([])?.found == "is empty")
    var other = whole
    other[18] = ElfImage.hostMachine == 62 ? 183 : 62
    #expect(verdict(other)?.kind == .otherMachine)
    other[18] = 40
    #expect(verdict(other)?.found == "is built for 32-bit ARM")
    #expect(refusal(of: BrokenPlugin(link: ["-c"]))?.found == "is an object file, not a shared object")
  }

  @Test func onlyTheAllowedContentLoads() throws {
    let plugin = BrokenPlugin()
    let wrong = String(repeating: "0", count: 64)
    let refused = try #require(refusal(of: plugin, allow: ["broken": wrong]))
    #expect(refused.kind == .notAllowed)
    let actual = try #require(refused.found.split(separator: " ").first { $0.count == 65 }).dropLast()
    #expect(refusal(of: plugin, allow: ["broken": String(actual)]) == nil)
    let unlisted = try #require(refusal(of: plugin, allow: ["other": String(actual)]))
    #expect(unlisted.kind == .notAllowed)
  }

  @Test func aLinkOutOfTheFolderIsRefused() throws {
    let plugin = BrokenPlugin()
    let folder = Place.temporaryFolder()
    defer { run(["rm", "-rf", folder]) }
    #expect(symlink(plugin.path, "\(folder)/libbroken.so") == 0)
    let error = #expect(throws: PluginRefusal.self) {
      try plugin.load(folders: [folder])
    }
    #expect(error?.reason(for: plugin.role()).contains("outside the plugin folders") == true)
  }

  @Test func aMissingPluginNamesWhereItWasLookedForAndWhatIsNear() throws {
    let plugin = BrokenPlugin()
    let error = #expect(throws: PluginRefusal.self) { try plugin.load(plugin: "brokn") }
    #expect(error?.reason(for: plugin.role()).contains("did you mean `broken`?") == true)
    #expect(error?.reason(for: plugin.role()).contains("\(plugin.folder)/libbrokn.so") == true)
  }

  @Test func theSourceFileMayChangeUnderARunningPlugin() throws {
    let plugin = BrokenPlugin()
    let loaded = try plugin.load()
    #expect(writeFile(plugin.path, Array("garbage".utf8), mode: 0o755))
    #expect(loaded.library.table.pointee.state_version == 0)
  }

  @Test func aDamagedCopyIsMadeAnew() throws {
    let plugin = BrokenPlugin()
    let copy = try plugin.load().library.file.copy
    unlink(copy)
    #expect(writeFile(copy, [1, 2, 3], mode: 0o600))
    _ = try plugin.load()
    #expect(readFile(copy, limit: 1 << 20)?.count ?? 0 > 1000)
  }
}
