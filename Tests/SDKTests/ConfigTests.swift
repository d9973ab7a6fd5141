import NodeKit
import Testing

/// The schema and the decoding both come from the declarations.
@Suite struct ConfigTests {
  enum Mode: String, CaseIterable, SettingValue { case fast, careful }

  struct Upstream: RoleConfig {
    @Setting("Where.") var address: String
    @Setting("Share.", in: 0...100) var weight = 1
  }

  struct Everything: RoleConfig {
    @Setting("A name.", length: 1...8, pattern: "^[a-z]+$") var name: String
    @Setting("One of.", choices: ["red", "green"]) var colour = "red"
    @Setting("How.") var mode = Mode.fast
    @Setting("Servers.", count: 0...2) var upstreams: [Upstream] = []
    @Setting("The first.") var firstUpstream: Upstream?
    @Setting("How often.", in: .milliseconds(10) ... .seconds(5), unit: .milliseconds) var retryEvery =
      Duration.milliseconds(250)
    @Setting("How long.", unit: .seconds) var timeoutSeconds = Duration.seconds(2)
    @Setting("A key.") var apiKey = Secret("built in")
    @Setting("At most.", in: 1...9) var maxHTTPRetries: Int?
    @Setting("Ratio.", in: 0...1) var ratio = 0.5
    @Setting("Port.") var port: UInt16 = 80
    @Setting("By name.") var weights: [String: Int] = [:]
    @Setting("Anything.") var extra = JSON.null
  }

  @Test func derivesTheSchema() throws {
    let schema = JSON.object(try Everything.schema())
    let properties = try #require(schema["properties"])
    #expect(schema["required"] == ["name"])
    #expect(schema["additionalProperties"] == false)
    #expect(
      properties["name"]
        == ["description": "A name.", "type": "string", "minLength": 1, "maxLength": 8, "pattern": "^[a-z]+$"])
    #expect(properties["colour"]?["enum"] == ["red", "green"])
    #expect(
      properties["mode"] == ["description": "How.", "type": "string", "enum": ["fast", "careful"], "default": "fast"])
    #expect(properties["upstreams"]?["items"]?["required"] == ["address"])
    #expect(properties["upstreams"]?["items"]?["properties"]?["weight"]?["maximum"] == 100)
    #expect(properties["upstreams"]?["default"] == [])
    #expect(properties["upstreams"]?["maxItems"] == 2)
    #expect(
      properties["retry_every_ms"]
        == ["description": "How often.", "type": "number", "minimum": 10, "maximum": 5000, "default": 250])
    #expect(properties["timeout_seconds"]?["default"] == 2)
    #expect(
      properties["max_http_retries"] == ["description": "At most.", "type": "integer", "minimum": 1, "maximum": 9])
    #expect(properties["port"]?["maximum"] == 65535)
    #expect(properties["weights"]?["additionalProperties"] == ["type": "integer"])
  }

  @Test func secretsNeverShow() throws {
    let schema = try Everything.schema()["properties"]?["api_key"]
    #expect(schema == ["description": "A key.", "type": "string", "writeOnly": true])
    let config = try Everything(setting: ["name": "a", "api_key": "hunter2"], at: "")
    #expect(config.apiKey.reveal() == "hunter2")
    var dumped = ""
    dump(config, to: &dumped)
    #expect(!dumped.contains("hunter2") && !"\(config)".contains("hunter2"))
    #expect("\(config.apiKey)" == "(secret)")
    #expect(config.setting?["api_key"] == nil && config.setting?["name"] == "a")
  }

  @Test func decodes() throws {
    let config = try Everything(
      setting: [
        "name": "web", "mode": "careful", "upstreams": [["address": "a:1"], ["address": "b:2", "weight": 7]],
        "retry_every_ms": 12.5, "max_http_retries": 3, "weights": ["x": 4], "first_upstream": ["address": "c"],
      ], at: "")
    #expect(config.name == "web" && config.mode == .careful && config.colour == "red")
    #expect(config.upstreams.map(\.weight) == [1, 7])
    #expect(config.retryEvery == .microseconds(12_500))
    #expect(config.timeoutSeconds == .seconds(2))
    #expect(config.maxHTTPRetries == 3 && config.weights == ["x": 4] && config.firstUpstream?.address == "c")
    #expect(config.apiKey.reveal() == "built in")
  }

  static let faults: [(JSON, String, String)] = [
    ([:], "/name", "this setting is missing: A name."),
    (["name": 5], "/name", "expected text, got a whole number"),
    (["name": "ninecharsx"], "/name", "\"ninecharsx\" is not 1 to 8 characters long"),
    (["name": "a", "colour": "blue"], "/colour", "\"blue\" is none of red, green"),
    (["name": "a", "mode": "slow"], "/mode", "\"slow\" is none of fast, careful"),
    (
      ["name": "a", "upstreams": [["address": "x"], ["address": "y", "weight": 101]]], "/upstreams/1/weight",
      "101 is not from 0 to 100"
    ),
    (["name": "a", "upstreams": [["weight": 1]]], "/upstreams/0/address", "this setting is missing: Where."),
    (
      ["name": "a", "upstreams": [["address": "x", "wieght": 1]]], "/upstreams/0/wieght",
      "there is no such setting; known are address, weight"
    ),
    (["name": "a", "upstreams": [1]], "/upstreams/0", "expected an object, got a whole number"),
    (["name": "a", "retry_every_ms": 9], "/retry_every_ms", "9 is not from 10 to 5000"),
    (["name": "a", "timeout_seconds": 1e300], "/timeout_seconds", "1e+300 seconds is too long"),
    (["name": "a", "port": 65536], "/port", "65536 is no whole number from 0 to 65535"),
    (["name": "a", "max_http_retries": 10], "/max_http_retries", "10 is not from 1 to 9"),
    (["name": "a", "weights": ["x": "y"]], "/weights/x", "expected a whole number, got text"),
    ([], "", "expected an object, got a list"),
  ]

  @Test(arguments: faults)
  func namesThePlaceOfAFault(_ config: JSON, _ place: String, _ message: String) {
    let error = #expect(throws: RoleError.self) { try Everything(setting: config, at: "") }
    #expect(error?.place == place)
    #expect(error?.message == message)
  }

  @Test func aCopyIsItsOwn() throws {
    var one = try Upstream(setting: ["address": "a"], at: "")
    let other = one
    one.weight = 9
    #expect(other.weight == 1 && one.weight == 9)
    #expect(Upstream().weight == 1, "declarations keep no value of earlier structs")
  }

  struct Plain: RoleConfig { var forgotten = 1 }
  struct Wrong: RoleConfig { @Setting("Ten at most.", in: 1...10) var number = 11 }
  struct Twice: RoleConfig {
    @Setting("a") var retryMs = 1
    @Setting("b", unit: .milliseconds) var retry = Duration.seconds(1)
  }

  @Test func refusesBadDeclarations() {
    #expect(
      throws: RoleError(.failedPrecondition, "Plain.forgotten has no @Setting; write one before it", at: "forgotten")
    ) {
      try Plain.schema()
    }
    let wrong = #expect(throws: RoleError.self) { try Wrong.schema() }
    #expect(wrong?.message == "Wrong.number: its default 11 is not allowed: 11 is not from 1 to 10")
    let twice = #expect(throws: RoleError.self) { try Twice.schema() }
    #expect(twice?.message == "Twice: two settings are called retry_ms in the manifest")
  }
}
