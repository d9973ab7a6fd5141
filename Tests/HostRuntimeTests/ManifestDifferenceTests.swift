import HostCore
import HostRuntime
import Testing

/// What a reload of a manifest has to do.
@Suite struct ManifestDifferenceTests {
  private static let first = """
    nodehost: 1
    node: { id: 1 }
    plugins: { hot_swap: on }
    roles:
      - { role: kept, config: { a: 1, b: [.nan, "2"] } }
      - { role: told, config: { greeting: Hello } }
      - { role: moved, limits: { queue: 5 } }
      - { role: gone }
      - { role: gone-too }
    """

  private func manifest(_ text: String, _ variables: [String: String] = [:]) throws -> Manifest {
    let values = Interpolation(variable: { variables[$0] }, file: { _ in .failure(.init("is not there")) })
    return try ManifestFile.parse(Array(text.utf8), named: "node.yaml", values: values).manifest
  }

  private func difference(_ old: String, _ new: String) throws -> ManifestDifference {
    ManifestDifference(from: try manifest(old), to: try manifest(new))
  }

  @Test func nothingDiffersFromItself() throws {
    let difference = try difference(Self.first, Self.first)
    #expect(difference.isEmpty)
    #expect(difference.unchanged == ["kept", "told", "moved", "gone", "gone-too"])
  }

  /// Places, comments, anchors, the order of keys and the style of text say nothing new.
  @Test func writingItOtherwiseChangesNothing() throws {
    let other = """
      # The same.
      nodehost: 1
      plugins:
        hot_swap: yes
      roles:
        - config: { b: [.nan, '2'], a: 1 }
          role: kept
        - role: told
          config: { greeting: "Hello" }
        - role: moved
          limits: &limits { queue: 5, calls: 1024 }
          restart: {}
        - { role: gone }
        - { role: gone-too, limits: { <<: *limits, queue: 1024 } }
      node: { id: 1, name: node-1 }
      """
    #expect(try difference(Self.first, other).isEmpty)
  }

  @Test func eachRoleIsToldWhatToDo() throws {
    let other = """
      nodehost: 1
      node: { id: 1 }
      plugins: { hot_swap: on }
      roles:
        - { role: new }
        - { role: moved, limits: { queue: 6 }, config: { a: 1 } }
        - { role: told, config: { greeting: Hi } }
        - { role: kept, config: { a: 1, b: [.nan, "2"] } }
        - { role: gone, name: newer }
      """
    let difference = try difference(Self.first, other)
    #expect(difference.added == ["new", "newer"])
    #expect(difference.removed == ["gone", "gone-too"])
    #expect(difference.reconfigured == ["told"])
    #expect(difference.changed == ["moved"])
    #expect(difference.unchanged == ["kept"])
    #expect(difference.needsRestart == [])
    #expect(!difference.isEmpty)
  }

  /// Everything about a role but its configuration.
  @Test(arguments: [
    "plugin: other", "needs: kept", "restart: { policy: never }", "limits: { drain_ms: 1 }", "cold_start: on",
  ]) func otherPartsStartARoleAnew(_ part: String) throws {
    let other = Self.first.replacing("role: gone }", with: "role: gone, \(part) }")
    #expect(try difference(Self.first, other).changed == ["gone"])
  }

  /// A value's type is part of it.
  @Test(arguments: ["{ a: 1.0, b: [.nan, \"2\"] }", "{ a: 1, b: [.nan, 2] }", "{ a: 1 }", "{}"])
  func configurationIsComparedByValue(_ config: String) throws {
    let other = Self.first.replacing("{ a: 1, b: [.nan, \"2\"] }", with: config)
    #expect(try difference(Self.first, other).reconfigured == ["kept"])
  }

  /// A variable that has changed is a change.
  @Test func expandedValuesCount() throws {
    let text = "nodehost: 1\nnode: { id: 1 }\nroles: [{ role: a, config: { x: \"${X}\" } }]\n"
    let difference = ManifestDifference(from: try manifest(text, ["X": "1"]), to: try manifest(text, ["X": "2"]))
    #expect(difference.reconfigured == ["a"])
  }

  @Test(arguments: [
    ("node", "node: { id: 1, state: /s }", "node: { id: 1 }"), ("cluster", "cluster: { name: x }", ""),
    ("listen", "listen: { a: { address: \"h:1\" } }", ""), ("control", "control: { socket: s }", ""),
    ("plugins", "plugins: { folders: a }", ""), ("loops", "loops: 1", ""), ("log", "log: { level: debug }", ""),
  ]) func sectionsNeedARestart(_ name: String, _ with: String, _ without: String) throws {
    let common = "nodehost: 1\n" + (name == "node" ? "" : "node: { id: 1 }\n")
    let difference = try difference("\(common)\(without)\n", "\(common)\(with)\n")
    // The control socket lies in the node's state folder.
    #expect(difference.needsRestart == (name == "node" ? ["node", "control"] : [name]))
    #expect(!difference.isEmpty)
  }
}
