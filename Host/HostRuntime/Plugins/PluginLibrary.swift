package import CNodeABI
import CSystem
import Glibc
package import HostCore
import Synchronization

/// A plugin that is open in this process: its table, its description, and its methods ready to call.
///
/// A Swift library stays mapped for ever (unmapping one crashes the next dynamic cast), as does any
/// whose note does not say that it may go.
package final class PluginLibrary: @unchecked Sendable {
  package let file: PluginFile
  package let description: PluginDescription
  package let table: UnsafePointer<nh_plugin>
  package let methods: [PreparedMethod]
  private let handle: UnsafeMutableRawPointer
  private let retired: RetiredLibraries?

  /// Never in glibc's headers as Swift sees them.
  private static let noDelete: Int32 = 0x1000

  package convenience init(opening file: PluginFile) throws(PluginProblem) { try self.init(opening: file, nil) }

  /// - Parameter retired: takes over a library that cannot be unmapped when nobody uses it any more.
  init(opening file: PluginFile, _ retired: RetiredLibraries?) throws(PluginProblem) {
    let flags = RTLD_NOW | RTLD_LOCAL | (file.note.mayUnload ? 0 : Self.noDelete)
    guard let handle = dlopen(file.copy, flags) else {
      throw PluginProblem(
        .loaderRefused, file: file.path, found: "the system's loader refuses it: \(Self.loaderError(file))",
        remedy: "install what it misses, or link the plugin with what it uses")
    }
    do throws(PluginProblem) {
      table = try Self.query(handle, file)
      description = try PluginTable(table: table, file: file.path).describe()
      try Self.compare(description, file)
    } catch {
      dlclose(handle)
      throw error
    }
    let items = table.pointee.methods.items
    methods = description.methods.enumerated().map { PreparedMethod($1, index: $0, items![$0]) }
    self.handle = handle
    self.retired = retired
    self.file = file
  }

  deinit {
    if let retired, !file.note.mayUnload { retired.add(handle) } else { dlclose(handle) }
  }

  package var stateAbility: StateAbility {
    StateAbility(
      saves: table.pointee.save != nil, loads: table.pointee.load != nil, version: description.stateVersion)
  }

  /// The loader names the private copy, which means nothing to a reader.
  private static func loaderError(_ file: PluginFile) -> String {
    let text = dlerror().map { String(cString: $0) } ?? "no reason given"
    return text.hasPrefix(file.copy + ": ") ? String(text.dropFirst(file.copy.count + 2)) : text
  }

  private static func query(_ handle: UnsafeMutableRawPointer, _ file: PluginFile) throws(PluginProblem)
    -> UnsafePointer<nh_plugin>
  {
    typealias Query =
      @convention(c) (
        UnsafePointer<nh_host_offer>, UnsafeMutablePointer<UnsafePointer<nh_plugin>?>, UnsafeMutablePointer<nh_error>?
      ) -> nh_status
    guard let symbol = dlsym(handle, "nh_plugin_query") else {
      throw PluginProblem(
        .noEntry, file: file.path, found: "does not export nh_plugin_query", remedy: "export it as a function")
    }
    let query = unsafeBitCast(symbol, to: Query.self)
    var answer: UnsafePointer<nh_plugin>?
    let outcome = ErrorRoom.collect { error in withOffer { query($0, &answer, error) } }
    guard outcome.status == NH_OK else {
      throw PluginProblem(
        .queryRefused, file: file.path, found: "nh_plugin_query refuses this host: \(outcome.words)",
        remedy: "build it against this host's SDK")
    }
    guard let answer else {
      throw PluginProblem(
        .queryRefused, file: file.path, found: "nh_plugin_query succeeds without giving a table",
        remedy: "set *plugin before returning NH_OK")
    }
    return answer
  }

  private static func withOffer<R>(_ body: (UnsafePointer<nh_host_offer>) -> R) -> R {
    BorrowedText.with("nodehost") { name in
      BorrowedText.with(HostVersion.text) { version in
        var offer = nh_host_offer(
          struct_size: UInt32(MemoryLayout<nh_host_offer>.size), revision: NH_ABI_REVISION,
          abi_major_least: NH_ABI_MAJOR, abi_major_most: NH_ABI_MAJOR, revision_least: HostABI.revisionLeast,
          revision_most: HostABI.revisionMost, layout: HostABI.layout, host_name: name, host_version: version)
        return body(&offer)
      }
    }
  }

  /// The note and the table are two statements of one plugin.
  private static func compare(_ description: PluginDescription, _ file: PluginFile) throws(PluginProblem) {
    guard file.note.pluginID.isEmpty || file.note.pluginID == description.id else {
      throw PluginProblem(
        .otherID, file: file.path,
        found: "its note says that it is `\(file.note.pluginID)`, and its table `\(description.id)`",
        remedy: "give both the same id")
    }
  }
}
