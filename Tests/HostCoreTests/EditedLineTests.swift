import Testing

@testable import HostCore

/// What keys make of a line at a prompt.
@Suite struct EditedLineTests {
  private func typed(_ text: String, _ keys: EditedLine.Key...) -> EditedLine {
    var line = EditedLine()
    for character in text { line.press(.text(character)) }
    for key in keys { line.press(key) }
    return line
  }

  @Test func keysEdit() {
    #expect(typed("send", .left, .left, .text("x")).text == "sexnd")
    #expect(typed("send", .home, .delete, .end, .backspace).text == "en")
    #expect(typed("send-image a  ", .eraseWord).text == "send-image ")
    #expect(typed("abc", .left, .eraseToEnd).text == "ab")
    #expect(typed("abc", .left, .eraseToStart).text == "c")
    #expect(typed("", .left, .right, .backspace, .delete, .up, .down, .eraseWord).isEmpty)
  }

  @Test func historyGoesUpAndComesBack() {
    var line = typed("one")
    line.enter()
    for word in ["two", "two"] {
      for character in word { line.press(.text(character)) }
      line.enter()
    }
    line.press(.text("n"))
    line.press(.up)
    #expect(line.text == "two")
    line.press(.up)
    line.press(.up)
    #expect(line.text == "one", "the same line twice is remembered once, and before the first there is none")
    line.press(.down)
    line.press(.down)
    line.press(.down)
    #expect(line.text == "n")
  }

  @Test func wordsAreCompleted() {
    var line = typed("se")
    #expect(line.complete(2, with: ["send-image "]) == [] && line.text == "send-image ")
    line = typed("get a/b")
    #expect(line.complete(3, with: ["a/bird.png", "a/bison.gif"]) == [] && line.text == "get a/bi")
    #expect(line.complete(4, with: ["a/bird.png", "a/bison.gif"]) == ["a/bird.png", "a/bison.gif"])
    #expect(line.complete(4, with: []) == [] && line.text == "get a/bi")
    line.press(.home)
    #expect(line.complete(0, with: []) == [] && line.text == "get a/bi")
  }

  @Test func aLongLineShowsWhereTheCursorIs() {
    var line = typed(String(repeating: "a", count: 50) + "bcd")
    #expect(line.window(10) == ("aaaaaabcd", 9))
    line.press(.home)
    #expect(line.window(10) == ("aaaaaaaaa…", 0))
    line = typed("界界界界")
    #expect(line.window(5) == ("界界", 4))
    #expect(typed("ab").window(10) == ("ab", 2))
  }
}
