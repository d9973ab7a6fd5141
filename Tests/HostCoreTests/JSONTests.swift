import NodeValues
import Testing

@Suite struct JSONTests {
  @Test(arguments: [
    #"{"a":1,"b":[true,false,null],"c":{"d":"e"}}"#, "[]", "{}", #""\"\\\n""#, "-1.5", "18446744073709551615", "3",
  ])
  func writtenAsItWasRead(_ text: String) throws {
    #expect(try JSON(parsing: text).description == text)
  }

  @Test(arguments: [
    "0", "-1", "999999999999999999", "-999999999999999999", "9223372036854775807", "-9223372036854775808",
    "9223372036854775808", "0.1", "1e+300", "-2.5e-08", "{\"é\":\"\u{1F600} ü\"}", "[[],{},[{}]]",
  ])
  func numbersAndTextComeBack(_ text: String) throws {
    let value = try JSON(parsing: text)
    #expect(value.description == text)
    #expect(try JSON(parsing: value.pretty) == value)
    #expect(try JSON(parsing: Array(text.utf8)) == value)
  }

  @Test func escapesStandWhereTheyMust() throws {
    let text = "\u{0}\u{1F}plain\"\\/\n\r\t\u{7F}\u{80}é\u{2028}"
    let written = #""\u0000\u001fplain\"\\/\n\r\t\u007f"# + "\u{80}é\u{2028}\""
    #expect(JSON.string(text).description == written)
    #expect(try JSON(parsing: written) == .string(text))
    // Behind an escape, too, and before one.
    #expect(try JSON(parsing: #""a\tb\u0041é\\""#) == .string("a\tbAé\\"))
    #expect(try JSON(parsing: "-0") == .int(0))
  }

  @Test func piecesMakeTheSameText() throws {
    let value: JSON = ["name": "a \"b\"", "list": [1, -2, 2.5, true, .null], "most": .unsigned(.max)]
    var writer = JSONWriter()
    writer.raw("{\"name\":")
    writer.string("a \"b\"")
    writer.raw(",\"list\":")
    writer.value([1, -2, 2.5, true, .null])
    writer.raw(",\"most\":")
    writer.number(UInt64.max)
    writer.raw(",\"least\":")
    writer.number(Int64.min)
    writer.raw(",\"as it is\":")
    writer.json("[ ]")
    writer.raw("}")
    var whole = try #require(JSON(parsing: writer.text).object)
    #expect(whole["least"] == .int(.min) && whole["as it is"] == [])
    (whole["least"], whole["as it is"]) = (nil, nil)
    #expect(JSON.object(whole) == value)
  }

  @Test(arguments: [[0x22, 0xC3, 0x22], [0x22, 0x61, 0x5C, 0x6E, 0xFF, 0x22], [0x22, 0x61, 0x5C, 0x6E, 0x0A, 0x22]])
  func refusesWhatIsNoText(_ bytes: [UInt8]) {
    #expect(throws: JSONError.self) { try JSON(parsing: bytes) }
  }

  @Test(arguments: [
    ("", 0), ("{", 1), ("[1,]", 3), ("nul", 3), (#"{"a":1,"a":2}"#, 10), ("01", 1), ("1.", 2), ("\"a", 2),
    (#""\ud800""#, 7), ("[1] 2", 4), ("1e999", 5), ("\"\u{1}\"", 2),
  ])
  func refusedAtItsPlace(_ text: String, _ offset: Int) {
    #expect { try JSON(parsing: text) } throws: { ($0 as? JSONError)?.offset == offset }
  }

  @Test func readsEscapes() throws {
    #expect(try JSON(parsing: #""\u00e9\ud83d\ude00\t""#) == .string("é😀\t"))
  }

  @Test func boundsNesting() {
    let deep = String(repeating: "[", count: JSON.nestingLimit + 2)
    #expect(throws: JSONError.self) { try JSON(parsing: deep) }
  }

  @Test func printsForPeople() {
    let value: JSON = ["name": "x", "list": [1, 2], "none": []]
    #expect(value.pretty == "{\n  \"name\": \"x\",\n  \"list\": [\n    1,\n    2\n  ],\n  \"none\": []\n}")
  }

  /// Few keys are compared one by one, many are hashed.
  @Test(arguments: [2, 16, 17, 18, 100])
  func everyKeyStandsOnce(_ count: Int) throws {
    let members = (0..<count).map { "\"key \($0)\": \($0)" }
    let object = try JSON(parsing: "{\(members.joined(separator: ", "))}")
    #expect(object.object?.members.count == count)
    for twice in [0, count / 2, count - 1] {
      let text = "{\(members.joined(separator: ", ")), \"key \(twice)\": null}"
      #expect(throws: JSONError.self, "\(text)") { try JSON(parsing: text) }
    }
  }
}
