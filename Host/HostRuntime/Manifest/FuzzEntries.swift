import HostCore
import HostYaml
import NodeValues

/// Feeds any bytes through everything that reads manifests; it must return, whatever they are. That a manifest is
/// printed in a way which reads as another one is a fault too, and is made one.
package func fuzzManifest(_ bytes: UnsafeRawBufferPointer) {
  let values = Interpolation(
    variable: { $0.utf8.count % 2 == 0 ? "2\n- x: {" : nil },
    file: { $0.isEmpty ? .failure(.init("has no name")) : .success("secret\n") })
  let text = Array(bytes)
  let overrides = ManifestOverrides(
    settings: ["roles.0.config.a=[1, {b: c}]", "node.id=7", String(decoding: text.prefix(80), as: UTF8.self)],
    peers: ["2=::1", "3=host:9"], instance: String(text.count % 3 + 1))
  for overrides in [ManifestOverrides(), overrides] {
    do throws(ManifestProblems) {
      let loaded = try ManifestFile.parse(text, named: "fuzz.yaml", overrides: overrides, values: values)
      check(loaded, values)
    } catch {
      _ = error.description
      _ = error.json.description
    }
  }
}

private func check(_ loaded: LoadedManifest, _ values: Interpolation) {
  let printed = Array(loaded.tree.rendered.utf8)
  guard printed.count <= YamlLimits().bytes else { return }
  guard let again = try? ManifestFile.parse(printed, named: "fuzz.yaml", values: values) else {
    preconditionFailure("a manifest is printed in a way that cannot be read")
  }
  precondition(again.tree == loaded.tree, "a manifest does not survive being printed and read")
  precondition(ManifestDifference(from: loaded.manifest, to: again.manifest).isEmpty)
}
