import HostCore
import NodeValues
import Testing

/// The core schema, section 10.3.2 of the YAML 1.2.2 specification.
@Suite struct YamlScalarTests {
  @Test(arguments: ["", "~", "null", "Null", "NULL"]) func nulls(_ text: String) {
    #expect(YamlScalar.core(text) == .null)
  }

  @Test(arguments: ["true", "True", "TRUE"]) func trues(_ text: String) {
    #expect(YamlScalar.core(text) == .bool(true))
  }

  @Test(arguments: ["false", "False", "FALSE"]) func falses(_ text: String) {
    #expect(YamlScalar.core(text) == .bool(false))
  }

  @Test(arguments: [
    ("0", 0), ("-0", 0), ("+12", 12), ("-19", -19), ("0o14", 12), ("0xC", 12), ("0xc", 12), ("010", 10),
    ("9223372036854775807", Int64.max), ("-9223372036854775808", Int64.min),
  ]) func wholeNumbers(_ text: String, _ number: Int64) { #expect(YamlScalar.core(text) == .int(number)) }

  @Test func wholeNumbersBeyondSixtyThreeBits() {
    #expect(YamlScalar.core("18446744073709551615") == .unsigned(.max))
    #expect(YamlScalar.core("0xFFFFFFFFFFFFFFFF") == .unsigned(.max))
    #expect(YamlScalar.core("18446744073709551616") == .double(18446744073709551616))
  }

  @Test(arguments: [
    ("0.", 0), ("-0.0", -0.0), (".5", 0.5), ("+12e03", 12000), ("-2E+05", -200_000), ("6.8523015e+5", 685_230.15),
    ("1e-3", 0.001), (".inf", .infinity), ("-.INF", -.infinity), ("+.Inf", .infinity),
  ]) func numbers(_ text: String, _ number: Double) { #expect(YamlScalar.core(text) == .double(number)) }

  @Test(arguments: [".nan", ".NaN", ".NAN"]) func notNumbers(_ text: String) {
    #expect(YamlScalar.core(text).double?.isNaN == true)
  }

  /// What other languages and YAML 1.1 take for something else.
  @Test(arguments: [
    "None", "nil", "nULL", "tRUE", "yes", "no", "on", "off", "y", "1_000", "0b11", "0x", "0o", "0o8", "0xG", "0x-5",
    "0x+5", "-0x5", "0X5", ".", "-", "+", "+-5", "e3", ".e3", "1e", "1e+", "1.5.2", "1:30", "2001-12-14", "inf", "nan",
    "Infinity", "1 ", " 1", "١", "1e5x",
  ]) func texts(_ text: String) { #expect(YamlScalar.core(text) == .string(text)) }

  @Test func longDigitsAreText() {
    let digits = String(repeating: "1", count: 65)
    #expect(YamlScalar.core(digits) == .string(digits))
  }

  @Test func quotesMakeText() {
    for text in ["1", "true", "~", ""] { #expect(YamlScalar(text, style: .quoted).typed == .string(text)) }
  }

  @Test func tagsDecide() {
    func typed(_ text: String, _ tag: YamlScalar.Tag) -> JSON? { YamlScalar(text, style: .quoted, tag: tag).typed }
    #expect(typed("1", .int) == .int(1))
    #expect(typed("1.5", .int) == nil)
    #expect(typed("1", .float) == .double(1))
    #expect(typed("x", .float) == nil)
    #expect(typed("", .null) == .null)
    #expect(typed("x", .null) == nil)
    #expect(typed("yes", .bool) == nil)
    #expect(typed("true", .bool) == .bool(true))
    #expect(typed("1", .str) == .string("1"))
  }

  /// `on` and `off` are words for a reader that wants a truth value, in plain scalars and expanded ones.
  @Test func truthValues() {
    for text in ["true", "on", "On", "yes", "YES"] { #expect(YamlScalar(text, style: .plain).truth == true) }
    for text in ["false", "OFF", "no"] { #expect(YamlScalar(text, style: .plain).truth == false) }
    #expect(YamlScalar("on", style: .quoted).truth == nil)
    #expect(YamlScalar("on", style: .quoted, written: "${HOT}").truth == true)
    #expect(YamlScalar("1", style: .plain).truth == nil)
  }
}
