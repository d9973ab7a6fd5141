/// Colours for people, or none.
package struct Style: Sendable, Equatable {
  package enum Colour: String, Sendable {
    case red = "31"
    case green = "32"
    case yellow = "33"
    case faint = "2"
    case bold = "1"
  }

  package var coloured: Bool

  package init(coloured: Bool) { self.coloured = coloured }

  /// NO_COLOR of no-color.org: set to anything but empty text, it says no. So does a dumb terminal.
  package init(terminal: Bool, environment: (String) -> String?) {
    let refused = environment("NO_COLOR").map { !$0.isEmpty } ?? false
    coloured = terminal && !refused && environment("TERM") != "dumb"
  }

  package func paint(_ text: String, _ colour: Colour?) -> String {
    guard coloured, let colour, !text.isEmpty else { return text }
    return "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m"
  }
}
