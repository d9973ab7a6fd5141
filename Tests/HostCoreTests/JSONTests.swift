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
