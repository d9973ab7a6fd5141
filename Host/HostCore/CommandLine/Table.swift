/// Rows under headings, aligned for people.
package struct Table: Sendable {
  package struct Column: Sendable {
    package var heading: String
    package var rightAligned: Bool
    /// Whether it may be clipped when the terminal is too narrow.
    package var shrinks: Bool

    package init(_ heading: String, rightAligned: Bool = false, shrinks: Bool = false) {
      self.heading = heading
      self.rightAligned = rightAligned
      self.shrinks = shrinks
    }
  }

  package struct Cell: Sendable, ExpressibleByStringLiteral {
    package var text: String
    package var colour: Style.Colour?

    package init(_ text: String, _ colour: Style.Colour? = nil) {
      // Nothing to show is shown, so that columns can be counted and cut.
      self.text = text.isEmpty ? "-" : TextLayout.harmless(text)
      self.colour = colour
    }

    package init(stringLiteral value: String) { self.init(value) }
  }

  /// Between two columns.
  static let gap = 2
  /// A column is not clipped to less: fewer letters say nothing.
  static let leastWidth = 6

  package var columns: [Column]
  package var rows: [[Cell]] = []

  package init(_ columns: [Column]) { self.columns = columns }

  /// Missing cells are empty; more cells than columns are dropped.
  package mutating func add(_ cells: [Cell]) {
    rows.append(columns.indices.map { $0 < cells.count ? cells[$0] : Cell("") })
  }

  /// Lines that end without spaces and, if `width` says so, are no wider than the terminal.
  package func text(width limit: Int? = nil, style: Style = Style(coloured: false)) -> String {
    let widths = columnWidths(limit)
    let headings = columns.map { Cell($0.heading, .bold) }
    return ([headings] + rows).map { line($0, widths, limit, style) + "\n" }.joined()
  }

  private func columnWidths(_ limit: Int?) -> [Int] {
    var widths = columns.indices.map { column in
      rows.reduce(TextLayout.width(of: columns[column].heading)) { max($0, TextLayout.width(of: $1[column].text)) }
    }
    guard let limit else { return widths }
    var excess = widths.reduce(Self.gap * max(0, widths.count - 1), +) - limit
    while excess > 0 {
      let shrinkable = columns.indices.filter { columns[$0].shrinks && widths[$0] > leastWidth($0) }
      guard let widest = shrinkable.max(by: { widths[$0] < widths[$1] }) else { break }
      widths[widest] -= 1
      excess -= 1
    }
    return widths
  }

  private func leastWidth(_ column: Int) -> Int {
    max(Self.leastWidth, TextLayout.width(of: columns[column].heading))
  }

  private func line(_ cells: [Cell], _ widths: [Int], _ limit: Int?, _ style: Style) -> String {
    var line = "", used = 0, owed = 0
    for (column, cell) in cells.enumerated() {
      var text = TextLayout.clip(cell.text, to: widths[column])
      let blank = widths[column] - TextLayout.width(of: text)
      if columns[column].rightAligned { owed += blank }
      if let limit {
        text = TextLayout.clip(text, to: limit - used - owed)
        if text.isEmpty { break }
      }
      // Spaces are written only when something follows them, so that no line ends in one.
      line += String(repeating: " ", count: owed) + style.paint(text, cell.colour)
      used += owed + TextLayout.width(of: text)
      owed = Self.gap + (columns[column].rightAligned ? 0 : blank)
    }
    return line
  }
}
