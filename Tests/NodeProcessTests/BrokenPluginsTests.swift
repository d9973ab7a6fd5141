import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// Broken plugins in a real node, beside sound roles which must not notice.
@Suite struct BrokenPluginsTests {
  let machine = Machine()

  private struct Broken {
    var name: String
    var reason: String
  }

  private func role(_ name: String) -> String {
    "role: broken, name: \(name), plugin: \(name), restart: { policy: never }"
  }

  /// One of each kind in the plugin folder, with what must be said of it.
  private func breakEverything() throws -> [Broken] {
    let compiled: [(name: String, defines: [String], reason: String)] = [
      ("no-note", ["-DCASE_NO_NOTE"], "has no .note.nodehost, so it is not a plugin of this host"),
      ("abi-two", ["-DNOTE_ABI=2"], "is built for ABI major 2, and this host speaks 1"),
      ("missing-service", ["-DCASE_MISSING_SERVICE"], "requires nodehost.cluster/1, which this host"),
      ("null-text", ["-DCASE_NULL_TEXT"], "`id` is 6 bytes of text at no address"),
      ("bad-schema", ["-DSCHEMA=\"{oops\""], "its config_schema is not JSON"),
      ("slow", ["-DCASE_SLOW_CONSTRUCTOR"], "was still being opened after 2000 ms in a trial process"),
      ("exports-nothing", ["-DCASE_NO_ENTRY"], "does not export nh_plugin_query (it exports nothing)"),
      ("crashes", ["-DCASE_CREATE_CRASHES"], "crashed (Aborted) while creating `crashes` in a trial process"),
      ("refuses", ["-DCASE_CREATE_FAILS"], "refuses the configuration of `refuses`"),
    ]
    var all = compiled.map { Broken(name: $0.name, reason: $0.reason) }
    for (name, defines, _) in compiled { _ = machine.plugin(name, defines) }

    let whole = try #require(readFile(machine.plugin("sound"), limit: 1 << 20))
    func file(_ name: String, _ bytes: [UInt8], _ reason: String) {
      machine.write("plugins/lib\(name).so", "")
      let written = writeFile(machine.path("plugins/lib\(name).so"), bytes, mode: 0o755)
      #expect(written)
      all.append(Broken(name: name, reason: reason))
    }
    file("truncated", Array(whole.prefix(whole.count / 2)), "is cut short: it has \(whole.count / 2) bytes")
    file("text", Array("#!/bin/sh\necho hello\n".utf8), "is a text file that begins \"#!/bin/sh\"")
    var other = whole
    other[18] = 40
    file("other-machine", other, "is built for 32-bit ARM")
    file("altered", whole + [0], "and the manifest allows only 0000")

    _ = makeFolder(machine.path("elsewhere"))
    #expect(rename(machine.path("plugins/libsound.so"), machine.path("elsewhere/libsound.so")) == 0)
    #expect(symlink("../elsewhere/libsound.so", machine.path("plugins/liblinked.so")) == 0)
    all.append(Broken(name: "linked", reason: "outside the plugin folders"))
    _ = machine.plugin("unlisted")
    all.append(Broken(name: "unlisted", reason: "is not on the list of allowed plugins"))
    all.append(Broken(name: "nowhere", reason: "nowhere: is not there (looked for "))
    return all
  }

  @Test func eachIsNamedWithItsReasonAndTheOthersRunOn() throws {
    let broken = try breakEverything()
    let sound = Machine.roles
    let hashes = try (broken.map(\.name) + sound).filter { $0 != "unlisted" }.map { name in
      let path = "plugins/lib\(name).so"
      let file = sound.contains(name) ? "\(Place.products)/lib\(name).so" : machine.path(path)
      guard machine.exists(file), name != "altered" else {
        return "\(name): \"sha256:\(String(repeating: "0", count: 64))\""
      }
      return try "\(name): \"sha256:\(#require(run(["sha256sum", file]).output.split(separator: " ").first))\""
    }
    machine.manifest(
      sound.map { "role: \($0)" } + broken.map { role($0.name) },
      plugins: "folders: [\(Place.products), ./plugins], allow: { \(hashes.joined(separator: ", ")) }")
    let node = machine.start("node.yaml")
    // Plugins are opened in the order of the manifest, so the slow one, which comes later, holds up no sound one.
    for role in sound { try node.waits(for: "\(role): running") }
    for role in sound { #expect(machine.hostctl("call", role, "add", "20", "22").output == "42\n") }
    try node.waits(for: "node: ready after")

    let listed = try machine.json("list")["roles"]?.array ?? []
    let notes = try machine.json("status")["notes"]?.array?.compactMap(\.string) ?? []
    let table = machine.hostctl("list").output
    for (name, reason) in broken.map({ ($0.name, $0.reason) }) {
      let entry = try #require(listed.first { $0["name"]?.string == name })
      let told = entry["reason"]?.string ?? ""
      #expect(entry["state"] == "failed" && entry["health"] == "failed", "\(entry)")
      #expect(told.contains(reason), "\(name): \(told)")
      #expect(node.errors.contains("error   \(name): \(told)\n"), "\(node.errors)")
      #expect(notes.contains("\(name): \(told)"), "\(notes)")
      #expect(table.contains("\(name): "), "\(table)")
      #expect(machine.hostctl("call", name, "twice").errors.contains("it is failed"))
    }
    #expect(Set(listed.compactMap { $0["reason"]?.string }).count == broken.count + 1, "reasons are distinct")
    for role in sound {
      let entry = listed.first { $0["name"]?.string == role }
      #expect(entry?["state"] == "running" && entry?["generation"] == 1 && entry?["health"] == "ok")
      #expect(machine.hostctl("call", role, "add", "20", "22").output == "42\n")
    }
    node.send(SIGTERM)
    #expect(node.end() == 0)
  }
}
