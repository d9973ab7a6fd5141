import NodeSchema
import NodeValues
import Testing

/// A value, its schema, and in words everything that the schema refuses.
struct SchemaCase: Sendable, CustomTestStringConvertible {
  var schema: JSON
  var value: JSON
  var faults: [String]

  init(_ schema: JSON, _ value: JSON, _ faults: String...) {
    self.schema = schema
    self.value = value
    self.faults = faults
  }

  var testDescription: String { "\(value) by \(schema)" }
}

@Suite struct SchemaCheckTests {
  @Test(arguments: [
    SchemaCase(["type": "integer"], 3),
    SchemaCase(["type": "integer"], 3.0),
    SchemaCase(["type": "integer"], 3.5, ": expected a whole number, got 3.5"),
    SchemaCase(["type": "integer", "minimum": 1, "maximum": 9], 10, ": expected a whole number from 1 to 9, got 10"),
    SchemaCase(["type": "integer"], .unsigned(.max)),
    SchemaCase(["minimum": 0], .unsigned(.max)),
    SchemaCase(["maximum": .int(.max)], .unsigned(.max), ": expected a number up to \(Int64.max), got \(UInt64.max)"),
    SchemaCase(["type": "number", "exclusiveMinimum": 0], 0, ": expected a number above 0, got 0"),
    SchemaCase(["type": "number", "exclusiveMaximum": 1], 0.999),
    SchemaCase(["type": "number", "multipleOf": 0.1], 0.3),
    SchemaCase(["type": "integer", "multipleOf": 5], 12, ": expected a whole number, a multiple of 5, got 12"),
    SchemaCase(["type": "boolean"], "true", ": expected true or false, got \"true\""),
    SchemaCase(["type": ["string", "null"]], nil),
    SchemaCase(["type": ["string", "null"]], 1, ": expected text or null, got 1"),
    SchemaCase(["type": "string", "maxLength": 2], "äöü", ": expected text of at most 2 characters, got \"äöü\""),
    SchemaCase(["type": "string", "minLength": 1], "", ": expected text of at least 1 character, got \"\""),
    SchemaCase(["type": "string", "pattern": "^[a-z]+$"], "a1", ": expected text matching ^[a-z]+$, got \"a1\""),
    SchemaCase(["enum": ["red", "green"]], "blue", ": expected one of: \"red\", \"green\", got \"blue\""),
    SchemaCase(["enum": [1, [2]]], [2.0]),
    SchemaCase(["const": ["a": 1, "b": 2]], ["b": 2, "a": 1]),
    SchemaCase(false, 1, ": expected nothing here, got 1"),
    SchemaCase([:], ["anything": [1, 2]]),
  ])
  func singleValues(_ test: SchemaCase) throws { try check(test) }

  @Test(arguments: [
    SchemaCase(["items": ["type": "string"]], ["a", 2, 3], "/1: expected text, got 2", "/2: expected text, got 3"),
    SchemaCase(["prefixItems": [["type": "string"]], "items": ["type": "integer"]], ["a", 2]),
    SchemaCase(["prefixItems": [["type": "string"]], "items": false], ["a", 2], "/1: expected nothing here, got 2"),
    SchemaCase(["type": "array", "minItems": 1, "maxItems": 2], [], ": expected a list of 1 to 2 items, got []"),
    SchemaCase(["type": "array", "uniqueItems": true], [1, 1.0], ": expected a list without repetition, got [1,1]"),
    SchemaCase(["type": "array", "contains": ["const": 7]], [1, 7]),
    SchemaCase(["type": "array", "contains": ["const": 7], "maxContains": 1], [7, 7], ": expected a list, got [7,7]"),
  ])
  func lists(_ test: SchemaCase) throws { try check(test) }

  @Test(arguments: [
    SchemaCase(
      ["properties": ["port": ["type": "integer"]], "additionalProperties": false], ["prt": 1],
      "/prt: there is no setting `prt`; did you mean `port`?"),
    SchemaCase(
      ["properties": ["port": [:], "host": [:]], "additionalProperties": false], ["colour": 1],
      "/colour: there is no setting `colour`; known are port, host"),
    SchemaCase(
      ["properties": ["port": ["type": "integer", "description": "Where it listens."]], "required": ["port"]], [:],
      "/port: `port` is missing; expected a whole number: Where it listens."),
    SchemaCase(
      ["additionalProperties": ["type": "integer"]], ["a": 1, "b": "x"], "/b: expected a whole number, got \"x\""),
    SchemaCase(
      ["patternProperties": ["^x-": ["type": "integer"]], "additionalProperties": false], ["x-a": 1, "y": 2],
      "/y: there is no setting `y`; none is known"),
    SchemaCase(
      ["propertyNames": ["pattern": "^[a-z]+$"]], ["Ab": 1],
      "/Ab: expected a name that is text matching ^[a-z]+$, got 1"),
    SchemaCase(
      ["type": "object", "maxProperties": 1], ["a": 1, "b": 2],
      ": expected a mapping of at most 1 member, got {\"a\":1,\"b\":2}"),
    SchemaCase(["dependentRequired": ["key": ["cert"]]], ["key": "k"], "/cert: `cert` is missing; expected it"),
    SchemaCase(
      ["dependentSchemas": ["key": ["required": ["cert"]]]], ["key": "k"], "/cert: `cert` is missing; expected it"),
    SchemaCase(["type": "object", "properties": ["a": false]], ["a": 1], "/a: expected nothing here, got 1"),
    SchemaCase(["properties": ["a/b": ["type": "integer"]]], ["a/b": "x"], "/a~1b: expected a whole number, got \"x\""),
  ])
  func objects(_ test: SchemaCase) throws { try check(test) }

  private static let shape: JSON = [
    "oneOf": [
      [
        "type": "object", "properties": ["kind": ["const": "circle"], "radius": ["type": "number"]],
        "required": ["kind", "radius"],
      ],
      ["type": "string"],
    ]
  ]
  @Test(arguments: [
    SchemaCase(
      ["anyOf": [["type": "integer"], ["type": "null"]]], "x", ": expected one of: a whole number, or null, got \"x\""),
    SchemaCase(["oneOf": [["type": "integer"], ["minimum": 2]]], 1),
    SchemaCase(
      ["oneOf": [["type": "integer"], ["minimum": 2]]], 3,
      ": expected just one of: a whole number, or a number from 2, got 3"),
    // Who wrote a mapping meant the alternative that is one.
    SchemaCase(shape, ["kind": "circle"], "/radius: `radius` is missing; expected a number"),
    SchemaCase(shape, ["kind": "circle", "radius": "big"], "/radius: expected a number, got \"big\""),
    SchemaCase(["allOf": [["minimum": 1], ["maximum": 3]]], 4, ": expected a number up to 3, got 4"),
    SchemaCase(["not": ["const": 13]], 13, ": expected anything but 13, got 13"),
    SchemaCase(["if": ["const": 1], "then": false, "else": true], 2),
    SchemaCase(
      ["if": ["required": ["tls"]], "then": ["required": ["key"]], "else": ["required": ["plain"]]], ["tls": 1],
      "/key: `key` is missing; expected it"),
  ])
  func combinations(_ test: SchemaCase) throws { try check(test) }

  @Test func aReferenceMayLeadToTheWholeSchema() throws {
    let tree: JSON = [
      "type": "object", "properties": ["value": ["$ref": "#/$defs/byte"], "next": ["$ref": "#"]],
      "$defs": ["byte": ["type": "integer", "minimum": 0, "maximum": 255]],
    ]
    try check(SchemaCase(tree, ["value": 1, "next": ["value": 2]]))
    try check(
      SchemaCase(
        tree, ["next": ["next": ["value": 256]]], "/next/next/value: expected a whole number from 0 to 255, got 256"))
  }

  @Test func defaultsAreFilledInAtEveryDepth() throws {
    let schema = try JSONSchema([
      "properties": [
        "greeting": ["type": "string", "default": "Hello"],
        "limits": ["type": "object", "default": [:], "properties": ["calls": ["$ref": "#/$defs/count"]]],
        "upstreams": ["type": "array", "items": ["properties": ["weight": ["type": "integer", "default": 1]]]],
      ],
      "$defs": ["count": ["type": "integer", "default": 8]],
    ])
    let (value, faults) = schema.check(["other": true, "upstreams": [["weight": 3], [:]]])
    #expect(faults.isEmpty)
    #expect(
      value == [
        "greeting": "Hello", "limits": ["calls": 8], "upstreams": [["weight": 3], ["weight": 1]], "other": true,
      ])
  }

  @Test func defaultsOfTheAlternativeThatFitsAreFilledIn() throws {
    let schema = try JSONSchema([
      "oneOf": [
        ["required": ["file"], "properties": ["file": [:], "mode": ["default": "append"]]],
        ["required": ["url"], "properties": ["url": [:], "retries": ["default": 3]]],
      ]
    ])
    #expect(schema.check(["url": "x"]).value == ["url": "x", "retries": 3])
  }

  @Test func aSecretIsNotShown() throws {
    let schema = try JSONSchema(["properties": ["key": ["type": "string", "minLength": 8, "writeOnly": true]]])
    let fault = try #require(schema.check(["key": "hunter2"]).faults.first)
    #expect(fault.description(of: ["key": "hunter2"]) == "expected text of at least 8 characters, got something else")
  }

  @Test func alternativesThatMultiplyComeToAnEnd() throws {
    let twice: JSON = [["$ref": "#"], ["$ref": "#"]]
    let schema = try JSONSchema(["type": "array", "items": ["anyOf": twice]])
    var deep: JSON = 1
    for _ in 0..<40 { deep = [deep] }
    #expect(!schema.check(deep).faults.isEmpty)
  }

  private func check(_ test: SchemaCase) throws {
    let faults = try JSONSchema(test.schema).check(test.value).faults
    #expect(faults.map { "\($0.pointer): \($0.description(of: test.value))" } == test.faults)
  }
}
