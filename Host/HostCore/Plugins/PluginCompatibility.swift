import CNodeABI

/// What this host offers to plugins, and whether one fits.
package enum HostABI {
  package static let revisionLeast: UInt32 = 1
  package static let revisionMost: UInt32 = NH_ABI_REVISION
  package static let layout: UInt64 = NH_BASE_LAYOUT

  /// All that can be decided from the file alone, before any of its code runs.
  package static func check(_ image: ElfImage, file: String) throws(PluginProblem) -> PluginNote {
    guard let note = image.note else {
      throw PluginProblem(
        .noNote, file: file, found: "has no .note.nodehost, so it is not a plugin of this host",
        remedy: "add NH_PLUGIN_NOTE (C) or @main on the role (Swift); see nodehost/plugin.h")
    }
    guard note.abiMajor == NH_ABI_MAJOR else {
      throw PluginProblem(
        .otherAbi, file: file, found: "is built for ABI major \(note.abiMajor), and this host speaks \(NH_ABI_MAJOR)",
        remedy: "build it against this host's SDK")
    }
    guard note.layout == layout else {
      throw PluginProblem(
        .otherLayout, file: file,
        found:
          "is built against headers of another layout (\(hexadecimal(note.layout)), expected \(hexadecimal(layout)))",
        remedy: "build it against this host's SDK")
    }
    guard note.revisionLeast <= revisionMost else {
      throw PluginProblem(
        .newerRevision, file: file,
        found: "needs host revision \(note.revisionLeast), and this host has \(revisionMost)",
        remedy: "use a newer host, or build the plugin for revision \(revisionMost)")
    }
    guard image.exportsQuery else {
      let exports = image.exports.isEmpty ? "nothing" : image.exports.prefix(5).joined(separator: ", ")
      throw PluginProblem(
        .noEntry, file: file, found: "does not export nh_plugin_query (it exports \(exports))",
        remedy: "define it with NH_EXPORT (C) or @main on the role (Swift)")
    }
    return note
  }
}

package func hexadecimal(_ number: UInt64) -> String {
  let digits = String(number, radix: 16)
  return "0x" + String(repeating: "0", count: 16 - digits.count) + digits
}
