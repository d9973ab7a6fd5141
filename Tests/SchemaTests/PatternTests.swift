import NodeSchema
import Testing

@Suite struct PatternTests {
  @Test(
    arguments: [
      ("abc", ["abc", "xabcx"], ["ab", ""]),
      ("^abc$", ["abc"], ["xabc", "abcx", "abc\n"]),
      ("^[^\"\\\\]*$", ["", "Hello, you"], ["say \"hi\"", "a\\b"]),
      ("^(a|bc)*$", ["", "abca", "bcbc"], ["ab", "c"]),
      ("^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]),
      ("^a{2}b{0,}c?$", ["aa", "aabbc"], ["aacc", "a"]),
      ("^a{,3}$", ["a{,3}"], ["aaa"]),
      ("^\\d{1,3}(?:\\.\\d{1,3}){3}$", ["127.0.0.1"], ["127.0.0", "1.2.3.4.5"]),
      ("^[\\w.-]+@\\w+$", ["a.b-c@d"], ["@d", "ä@d"]),
      ("^[^\\s]+$", ["ab"], ["a b", "a\u{2003}b"]),
      ("^[\\D]$", ["x"], ["5"]),
      ("^.$", ["x", "é", "𝄞"], ["\n", ""]),
      ("\\bcat\\b", ["a cat sat", "cat"], ["concat", "cats"]),
      ("a\\Bb", ["ab"], ["a b"]),
      ("^\\u00e4\\x41\\t$", ["äA\t"], ["aA\t"]),
      ("^\\u{1F600}|\\uD83D\\uDE00$", ["😀"], ["x"]),
      ("^[a-c\\]-]+$", ["a]-c"], ["d"]),
      ("^[]$|^[^]$", ["x"], ["", "xy"]),
      ("^a+?$", ["aaa"], ["b"]),
      ("^(?<year>\\d{4})$", ["2024"], ["24"]),
      ("", ["", "x"], []),
    ] as [(String, [String], [String])])
  func matches(_ text: String, _ fitting: [String], _ other: [String]) throws {
    let pattern = try Pattern(text)
    for word in fitting { #expect(pattern.matches(word), "\(text) fits \(word)") }
    for word in other { #expect(!pattern.matches(word), "\(text) does not fit \(word)") }
  }

  @Test(arguments: [
    "(", ")", "[a", "a**", "*", "(?=a)", "(?<!a)", "(a)\\1", "\\p{L}", "a{3,2}", "[b-a]", "[\\d-z]", "\\", "\\q",
    "\\uD800", "a{20000}{20000}", "(((a{100}){100}){100}){100}",
  ])
  func refuses(_ text: String) {
    #expect(throws: PatternProblem.self) { try Pattern(text) }
  }

  /// A matcher that goes back and tries again would take longer than anybody waits.
  @Test func timeIsBounded() throws {
    let text = String(repeating: "a", count: 5_000) + "b"
    #expect(try !Pattern("^(a+)+$").matches(text))
    #expect(try !Pattern("^(a|a)*$").matches(text))
    #expect(try !Pattern("^(a*)*(a*)*$").matches(text))
  }
}
