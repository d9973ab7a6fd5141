import Glibc
import HostCore
import HostRuntime
import NodeSchema
import NodeValues
import Testing

/// A role's configuration is checked by its plugin's schema, and a fault is shown where it stands in the manifest.
@Suite struct RoleConfigurationTests {
  private static let schema: JSON = [
    "type": "object", "required": ["target"], "additionalProperties": false,
    "properties": [
      "target": ["type": "string", "description": "Where to send."],
      "port": ["type": "integer", "minimum": 1, "maximum": 65535, "default": 80],
      "watch": ["type": "boolean", "default": false],
      "key": ["type": "string", "minLength": 8, "writeOnly": true],
      "upstreams": [
        "type": "array",
        "items": ["type": "object", "additionalProperties": false, "properties": ["weight": ["type": "number"]]],
      ],
    ],
  ]

  private func configuration(_ config: String, by schema: JSON = schema) throws -> JSON {
    let text = "nodehost: 1\nnode: { id: 1 }\nroles:\n  - role: r\n" + config
    let values = Interpolation(
      variable: { ["PORT": "8080", "CODE": "0042", "SHORT": "tiny"][$0] }, file: { _ in .success("00000000\n") })
    let role = try ManifestFile.parse(Array(text.utf8), named: "n.yaml", values: values).manifest.roles[0]
    return try role.configuration(for: schema == .null ? .nothing : JSONSchema(schema))
  }

  private func faults(_ config: String, by schema: JSON = schema) -> String {
    let problems = #expect(throws: ManifestProblems.self) { try configuration(config, by: schema) }
    return problems?.description ?? ""
  }

  @Test func defaultsAreFilledIn() throws {
    #expect(try configuration("    config: { target: a }") == ["target": "a", "port": 80, "watch": false])
  }

  @Test func theSchemaDecidesWhatAScalarIs() throws {
    let config = """
          config:
            target: 0042
            port: "${PORT}"
            watch: on
            key: ${file:key}
      """
    #expect(try configuration(config) == ["target": "0042", "port": 8080, "watch": true, "key": "00000000"])
    #expect(try configuration("    config: { target: ${CODE} }")["target"] == "0042")
  }

  @Test func everyFaultIsShownAtItsPlace() {
    let config = """
          config:
            prt: 1
            port: "80"
            upstreams:
              - weight: 1
              - { weight: heavy }
      """
    #expect(
      faults(config) == """
        n.yaml:6:7: error: unknown key `prt`; did you mean `port`?
            6 |       prt: 1
              |       ^
          expected one of: target, port, watch, key, upstreams
        n.yaml:6:7: error: `config` lacks the key `target`
            6 |       prt: 1
              |       ^
          expected text: Where to send.
        n.yaml:7:13: error: `port` is `"80"`
            7 |       port: "80"
              |             ^
          expected a whole number from 1 to 65535
        n.yaml:10:21: error: `upstreams[1].weight` is `heavy`
           10 |         - { weight: heavy }
              |                     ^
          expected a number
        """)
  }

  @Test func aRoleWithoutSchemaTakesNothing() throws {
    #expect(try configuration("    config: {}", by: nil) == [:])
    #expect(
      faults("    config: { a: 1 }", by: nil) == """
        n.yaml:5:15: error: unknown key `a`
            5 |     config: { a: 1 }
              |               ^
          expected nothing: `r` takes no configuration
        """)
  }

  @Test func aMissingConfigurationIsShownAtTheRole() {
    #expect(
      faults("") == """
        n.yaml:4:5: error: `config` lacks the key `target`
            4 |   - role: r
              |     ^
          expected text: Where to send.
        """)
  }

  @Test func secretsDoNotShow() {
    let text = faults("    config: { target: a, key: \"${SHORT}\" }")
    #expect(text.contains("`key` is not what it should be"))
    #expect(!text.contains("tiny"))
    // Nor when somebody wrote one into the manifest: then the line is not shown.
    #expect(!faults("    config: { target: a, key: tiny }").contains("tiny"))
  }

  /// `nodehost validate` over real plugins: every manifest, every error, exit code 1.
  @Test func validateFindsWhatPluginsRefuse() throws {
    let broken = BrokenPlugin(["-DCASE_CREATE_FAILS"])
    func manifest(_ name: String, _ roles: String) -> String {
      let path = "\(broken.folder)/\(name).yaml"
      let text = "nodehost: 1\nnode: { id: 1 }\nplugins: { folders: [\(broken.folder), \(Place.products)] }\n"
      #expect(writeFile(path, Array((text + "roles:\n" + roles).utf8), mode: 0o600))
      return path
    }
    let right = manifest("right", "  - { role: hello-c, config: { greeting: Hi } }\n")
    let wrong = manifest(
      "wrong", "  - { role: hello-c, config: { greting: Hi } }\n  - { role: broken }\n  - { role: nothing }\n")
    let (code, output) = run([Place.nodehost, "validate", right, wrong])
    #expect(code == 1)
    #expect(output.contains("\(right): right, with 1 role\n"))
    #expect(output.contains("\(wrong):5:32: error: unknown key `greting`; did you mean `greeting`?"))
    #expect(output.contains("\(wrong):6:5: error: \(broken.path): "))
    #expect(output.contains("\(wrong):7:13: error: nothing: is not there"))
    #expect(output.contains("\(wrong): 3 errors"))
    let (_, without) = run([Place.nodehost, "validate", "--without-plugins", wrong])
    #expect(without == "\(wrong): right, with 3 roles\n")
    let (jsonCode, text) = run([Place.nodehost, "validate", "--json", wrong])
    #expect(jsonCode == 1)
    let verdict = try JSON(parsing: text)[0]
    #expect(verdict?["valid"] == false)
    #expect(verdict?["errors"]?[0]?["line"] == 5)
  }
}
