import HostCore
import NodeValues
import Testing

@Suite struct CommandLineLayoutTests {
  private func table() -> Table {
    var table = Table([.init("NAME", shrinks: true), .init("N", rightAligned: true), .init("LAST")])
    table.add(["a", "1", "x"])
    table.add(["日本語の名前", "200", ""])
    return table
  }

  @Test func alignsByWidthWithoutSpacesAtTheEnd() {
    #expect(
      table().text() == """
        NAME            N  LAST
        a               1  x
        日本語の名前  200  -

        """)
  }

  @Test func shrinksToTheTerminal() {
    let text = table().text(width: 18)
    #expect(
      text == """
        NAME       N  LAST
        a          1  x
        日本語…  200  -

        """)
  }

  @Test(arguments: [1, 2, 5, 9, 12, 16, 40])
  func neverWiderThanTheTerminal(_ width: Int) {
    for line in table().text(width: width).split(separator: "\n") {
      #expect(TextLayout.width(of: String(line)) <= width)
      #expect(line.last != " ")
    }
  }

  @Test func coloursOnlyIfAsked() {
    var table = Table([.init("A"), .init("B")])
    table.add([.init("x", .red), "y"])
    #expect(!table.text().contains("\u{1B}"))
    let coloured = table.text(style: Style(coloured: true))
    #expect(coloured.contains("\u{1B}[31mx\u{1B}[0m  y"))
  }

  @Test func colourNeedsATerminalAndNoRefusal() {
    #expect(Style(terminal: true, environment: { _ in nil }).coloured)
    #expect(!Style(terminal: false, environment: { _ in nil }).coloured)
    #expect(!Style(terminal: true, environment: { $0 == "NO_COLOR" ? "1" : nil }).coloured)
    #expect(Style(terminal: true, environment: { $0 == "NO_COLOR" ? "" : nil }).coloured)
    #expect(!Style(terminal: true, environment: { $0 == "TERM" ? "dumb" : nil }).coloured)
  }

  @Test func cellsCannotSteerTheTerminal() {
    #expect(Table.Cell("a\u{1B}[2Jb\n").text == "a\\u{1b}[2Jb\\n")
    #expect(TextLayout.harmless("é ü\u{202E}x") == "é ü\\u{202e}x")
  }

  @Test(arguments: [
    (0, "0ms"), (999, "999ms"), (1000, "1s"), (59_999, "59s"), (192_000, "3m 12s"), (180_000, "3m"),
    (7_260_000, "2h 1m"), (187_200_000, "2d 4h"), (-5000, "-5s"),
  ])
  func durationsForPeople(_ milliseconds: Int64, _ text: String) {
    #expect(HumanUnits.duration(milliseconds: milliseconds) == text)
  }

  @Test(arguments: [
    (0, "0µs"), (999, "999µs"), (1000, "1ms"), (1499, "1.4ms"), (9999, "9.9ms"), (10_000, "10ms"), (-2000, "-2ms"),
    (2_500_000, "2s"),
  ])
  func shortDurationsForPeople(_ microseconds: Int64, _ text: String) {
    #expect(HumanUnits.duration(microseconds: microseconds) == text)
  }

  @Test(arguments: [
    (0, "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1_258_291, "1.2 MiB"), (1_048_575, "1 MiB"),
    (UInt64.max, "16 EiB"),
  ])
  func bytesForPeople(_ count: UInt64, _ text: String) {
    #expect(HumanUnits.bytes(count) == text)
  }

  @Test func schemaBecomesSettings() throws {
    let schema = try JSON(
      parsing: """
        {"type":"object","required":["name"],"properties":{
          "name":{"type":"string","minLength":1,"description":"Whom to greet"},
          "mode":{"enum":["fast","safe"],"default":"safe"},
          "limits":{"type":"object","properties":{"calls":{"type":"integer","minimum":1,"maximum":9,"default":3}}},
          "hosts":{"type":"array","items":{"type":"object","properties":{"port":{"type":"integer"}}}}}}
        """)
    #expect(
      SettingsTable.table(schema)?.text() == """
        SETTING       TYPE         DEFAULT     ALLOWED                MEANING
        name          string       (required)  at least 1 characters  Whom to greet
        mode          -            "safe"      fast, safe             -
        limits        object       -           -                      -
        limits.calls  integer      3           1 to 9                 -
        hosts         object list  -           -                      -
        hosts[].port  integer      -           -                      -

        """)
    #expect(SettingsTable.table([:])?.rows.count == nil)
  }
}
