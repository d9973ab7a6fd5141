import Glibc
import HostCore
import HostRuntime
import Testing

/// `${NODE_INSTANCE}` in a manifest.
@Suite struct InstanceVariableTests {
  private func node(_ instance: String?, _ environment: [String: String] = [:]) throws -> NodeSettings {
    let folder = Place.temporaryFolder()
    defer { run(["rm", "-rf", folder]) }
    let text = """
      nodehost: 1
      node: { id: "${NODE_INSTANCE:-7}", name: n, address: 127.0.0.1, state: ./state }
      plugins: { folders: ["."] }
      roles: [{ role: hello }]

      """
    let written = writeFile("\(folder)/n.yaml", Array(text.utf8), mode: 0o600)
    try #require(written)
    let overrides = ManifestOverrides(instance: instance)
    return try ManifestFile.read(
      path: "\(folder)/n.yaml", overrides: overrides, environment: { environment[$0] }
    ).manifest.node
  }

  @Test func itIsTheNumberBehindInstance() throws {
    let third = try node("3", ["NODE_INSTANCE": "5"])
    #expect(third.id == 3 && third.name == "n-3", "what is typed goes before the environment")
    #expect(try node(nil, ["NODE_INSTANCE": "5"]).id == 5)
    #expect(try node(nil).id == 7)
  }
}
