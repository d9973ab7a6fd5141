import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// A setting whose schema says `"writeOnly": true` is for the role alone.
@Suite struct SecretsTests {
  let machine = Machine()

  static let properties =
    #"{\"password\":{\"type\":\"string\",\"minLength\":8,\"writeOnly\":true},\"colour\":{\"type\":\"string\"}}"#
  static let schema = #"-DSCHEMA="{\"type\":\"object\",\"properties\":\#(properties)}""#

  @Test func aSecretIsNowhereToBeSeen() throws {
    let first = "s3cret-from-the-file", second = "s3cret-of-the-shell", wrong = "s3crt"
    _ = machine.plugin("broken", [Self.schema])
    machine.write("password", first + "\n")
    machine.manifest(["role: broken, config: { password: \"${file:./password}\" }", "role: hello-c"])
    machine.write("node.yaml", machine.text("node.yaml").replacing("level: debug", with: "level: trace"))
    let node = try machine.ready()
    func show() throws -> [String] {
      try [
        machine.hostctl("describe", "broken").all, machine.json("describe", "broken").description,
        machine.json("list").description, machine.json("status").description, machine.hostctl("health").all,
        machine.hostctl("logs").all, machine.hostctl("metrics").all, machine.text("run/node-a.json"),
      ]
    }
    var shown = try show()
    #expect(shown[1].contains(#""writeOnly":true"#), "the schema itself is no secret")
    // Changed, with an error beside it, and then too short for its schema.
    machine.write("password", second)
    shown.append(machine.hostctl("reload").all)
    machine.manifest(["role: broken, config: { password: \"${file:./password}\", colour: 5 }", "role: hello-c"])
    shown.append(machine.hostctl("reload").all)
    machine.write("password", wrong)
    shown.append(machine.hostctl("reload").all)
    machine.manifest(["role: broken, config: { password: \(wrong) }", "role: hello-c"])
    shown.append(machine.hostctl("reload").all)
    shown.append(machine.hostctl("restart", "broken").all)
    // Errors that show a line must not show this one: `oops` makes it unreadable, and `nam` is unknown.
    machine.manifest(["role: broken, config: { password: \(second), oops"])
    shown.append(machine.hostctl("reload").all)
    machine.manifest(["role: broken, nam: x, config: { password: \(second) }"])
    shown.append(machine.hostctl("reload").all)
    #expect(shown[shown.count - 2].contains("not YAML") && shown[shown.count - 1].contains("unknown key `nam`"))
    shown += try show() + [node.errors]
    for text in shown {
      for secret in [first, second, wrong] { #expect(!text.contains(secret), "\(text)") }
    }
  }
}
