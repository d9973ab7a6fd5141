import HostCore
import NodeValues
import Testing

@Suite struct CallArgumentsTests {
  private func method(_ name: String, _ signature: String, _ names: String...) throws -> MethodShape {
    MethodShape(name: name, signature: try Signature(parsing: signature), parameterNames: names)
  }

  private func error(_ words: [String], _ method: MethodShape) -> String? {
    do throws(CallArgumentsError) {
      _ = try CallArguments.values(words, for: method)
      return nil
    } catch { return error.description }
  }

  @Test func showsItsUse() throws {
    #expect(try method("add", "l(ll)", "a", "b").usage == "add(a: int, b: int) -> int")
    #expect(try method("say", "v(s)").usage == "say(1: text)")
    #expect(try method("now", "d()").usage == "now() -> number")
  }

  @Test func namesTheParameterAndWhatItTakes() throws {
    let add = try method("add", "l(ll)", "a", "b")
    #expect(
      error(["2", "4x"], add)
        == "add: parameter `b` (int): \"4x\" is not a whole number from -9223372036854775808 to 9223372036854775807")
    #expect(error(["1", "2", "3"], add) == "add takes 2 arguments (a: int, b: int), got 3")
    #expect(error(["1"], add) == "add takes 2 arguments (a: int, b: int), got 1")
    #expect(error(["1"], try method("now", "d()")) == "now takes no arguments, got 1")
    #expect(error([], try method("f", "v(z)", "on")) == "f takes 1 argument (on: bool), got 0")
    let long = String(repeating: "x", count: 100)
    #expect(error([long, "1"], add)?.contains("\"" + String(repeating: "x", count: 59) + "…") == true)
  }

  @Test(
    arguments: [
      ("i", "2147483647", .int(2_147_483_647)), ("i", "2147483648", nil), ("i", "-2147483648", .int(-2_147_483_648)),
      ("I", "4294967295", .unsigned(4_294_967_295)), ("I", "4294967296", nil), ("I", "-1", nil),
      ("l", "-9223372036854775808", .int(.min)), ("l", "9223372036854775808", nil), ("l", "1.0", nil), ("l", "", nil),
      ("L", "18446744073709551615", .unsigned(.max)), ("L", "18446744073709551616", nil),
      ("d", "1e3", .double(1000)), ("d", "-.5", .double(-0.5)), ("d", "1e999", nil), ("d", "nan", nil),
      ("d", "0x10", nil), ("d", " 1", nil),
      ("z", "true", .bool(true)), ("z", "1", nil), ("z", "True", nil),
      ("s", "any\nthing", .text("any\nthing")), ("s", "", .text("")),
      ("b", "aGk=", .bytes([0x68, 0x69])), ("b", "aGk", nil), ("b", "aGl=", nil), ("b", "", .bytes([])),
      ("j", "{\"a\": 1}", .json("{\"a\": 1}")), ("j", "{a}", nil),
    ] as [(String, String, Value?)])
  func convertsWords(_ letter: String, _ word: String, _ expected: Value?) throws {
    let method = try method("f", "v(\(letter))", "x")
    #expect((try? CallArguments.values([word], for: method)) == expected.map { [$0] })
  }

  @Test(
    arguments: [
      ("i", .int(7), .int(7)), ("i", .double(7.0), .int(7)), ("i", .double(7.5), nil), ("i", .string("7"), nil),
      ("I", .int(-1), nil), ("L", .unsigned(.max), .unsigned(.max)), ("l", .unsigned(.max), nil),
      ("L", .double(3), .unsigned(3)),
      ("d", .int(2), .double(2)), ("z", .int(1), nil), ("z", .bool(false), .bool(false)), ("s", .int(1), nil),
      ("b", .string("AA=="), .bytes([0])), ("b", .array([0]), nil), ("j", .null, .json("null")), ("s", .null, nil),
    ] as [(String, JSON, Value?)])
  func convertsJSON(_ letter: String, _ value: JSON, _ expected: Value?) throws {
    let method = try method("f", "v(\(letter))", "x")
    #expect((try? CallArguments.values([value], for: method)) == expected.map { [$0] })
  }

  @Test func repliesInJSON() {
    #expect(CallArguments.replyJSON(.bytes([0xFF, 0xFE, 0xFD])) == "//79")
    #expect(CallArguments.replyJSON(.json(#"{"a":[1]}"#)) == ["a": [1]])
    #expect(CallArguments.replyJSON(.unsigned(.max)) == .unsigned(.max))
    #expect(CallArguments.replyJSON(.double(.infinity)) == "inf")
    #expect(
      CallReply(value: .int(42), type: .int64, durationMicroseconds: 7).json.description
        == #"{"value":42,"type":"int","duration_us":7}"#)
  }

  @Test(arguments: ["", "f", "fo", "foo", "foob", "fooba", "foobar"])
  func base64OfTheStandard(_ text: String) {
    let expected = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"][text.count]
    #expect(Base64.encode(Array(text.utf8)) == expected)
    #expect(Base64.decode(expected) == Array(text.utf8))
  }

  @Test(arguments: ["=", "====", "Zg=", "Zg=a", "Z===", "Zh==", "Zg==\n", "Zm9=v===", "Zm 9"])
  func otherSpellingsOfBase64AreRefused(_ text: String) {
    #expect(Base64.decode(text) == nil)
  }
}
