import NodeSchema
import NodeValues
import Testing

/// A schema that is wrong is refused with the place and the reason, before it blames anybody's configuration.
@Suite struct SchemaReaderTests {
  @Test(
    arguments: [
      (
        ["type": "int"],
        "at /type: the type is \"int\"; expected one of null, boolean, integer, number, string, array, object"
      ),
      ([1], "a schema is an object, true or false, and this is a list"),
      (["properties": ["a": 3]], "at /properties/a: a schema is an object, true or false, and this is a whole number"),
      (["minLength": -1], "at /minLength: expected a whole number from 0, got a whole number"),
      (["multipleOf": 0], "at /multipleOf: expected a number above 0, got a whole number"),
      (["required": "a"], "at /required: expected a list, got text"),
      (["minumum": 1], "at /minumum: there is no keyword `minumum`; did you mean `minimum`?"),
      (["unevaluatedProperties": false], "at /unevaluatedProperties: `unevaluatedProperties` is not understood here"),
      (
        ["$ref": "other.json"],
        "$ref is \"other.json\"; only places in this schema, such as \"#/$defs/port\", are known here"
      ),
      (
        ["properties": ["a": ["$ref": "#/$defs/b"]]],
        "at /properties/a: $ref is \"#/$defs/b\", and there is nothing at that place"
      ),
      (["$defs": ["a": ["$ref": "#/$defs/b"], "b": ["$ref": "#/$defs/a"]]], "at /$defs/a: $ref leads back to itself"),
      (["pattern": "[a"], "at /pattern: the pattern is not understood: it ends before `]` (at character 3)"),
      (
        ["properties": ["n": ["type": "integer", "maximum": 5, "default": 6]]],
        "at /properties/n/default: the default is refused: expected a whole number up to 5, got 6"
      ),
    ] as [(JSON, String)])
  func refuses(_ schema: JSON, _ words: String) {
    let problem = #expect(throws: SchemaProblem.self) { try JSONSchema(schema) }
    #expect(problem?.description == words)
  }

  @Test func skipsWhatOnlyDescribes() throws {
    _ = try JSONSchema([
      "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "T", "format": "uint32", "x-order": 1,
      "examples": [1], "com.example.widget": "slider", "deprecated": true, "$comment": "c",
    ])
  }

  @Test func depthIsBounded() {
    var deep: JSON = true
    for _ in 0..<100 { deep = ["not": deep] }
    #expect(throws: SchemaProblem.self) { try JSONSchema(deep) }
  }
}
