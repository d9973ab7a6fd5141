import HostCore

/// Curves of dots on the terminal: each letter of Braille has two columns of four.
enum TerminalPlot {
  private static let dots: [[UInt32]] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]]
  private static let labelWidth = 8
  private static let colours: [Style.Colour] = [.green, .yellow, .red, .bold, .faint]

  static func text(_ curves: [Curves.Curve], width: Int, height: Int, style: Style = Output.style) -> String {
    let curves = curves.filter { !$0.points.isEmpty }
    guard !curves.isEmpty else { return "nothing was measured yet\n" }
    let columns = max(10, min(100, width - labelWidth - 2)), scale = PlotScale(curves)
    var cells = [[(bits: UInt32, curve: Int)]](
      repeating: Array(repeating: (0, 0), count: columns), count: height)
    for (number, curve) in curves.enumerated() { draw(curve, number, scale, &cells) }
    var text = ""
    for (row, line) in cells.enumerated() {
      // The first row, the middle and the last have their value beside them.
      let isMarked = row == 0 || row == height - 1 || row == height / 2
      let share = 1 - Double(row) / Double(height - 1)
      let value = scale.y.lowerBound + share * (scale.y.upperBound - scale.y.lowerBound)
      text += (isMarked ? leading(LearningTable.rounded(value, 3)) : leading("")) + (isMarked ? " ┤" : " │")
      text +=
        line.map { cell in
          let letter = String(Character(Unicode.Scalar(0x2800 + cell.bits)!))
          return cell.bits == 0 ? " " : style.paint(letter, colours[cell.curve % colours.count])
        }.joined() + "\n"
    }
    let last = LearningTable.rounded(scale.x.upperBound, 0), first = LearningTable.rounded(scale.x.lowerBound, 0)
    text += leading("") + " └" + String(repeating: "─", count: columns) + "\n"
    let gap = String(repeating: " ", count: max(1, columns - first.count - last.count))
    text += leading("") + "  " + first + gap + last + " round\n"
    guard curves.count > 1 else { return text }
    for (number, curve) in curves.enumerated() {
      text +=
        leading("") + "  " + style.paint("⠒⠒ ", colours[number % colours.count]) + TextLayout.harmless(curve.name)
        + "\n"
    }
    return text
  }

  private static func leading(_ text: String) -> String {
    String(repeating: " ", count: max(0, labelWidth - text.count)) + text
  }

  private static func draw(
    _ curve: Curves.Curve, _ number: Int, _ scale: PlotScale, _ cells: inout [[(bits: UInt32, curve: Int)]]
  ) {
    let width = cells[0].count * 2, height = cells.count * 4
    func dot(_ x: Int, _ y: Int) {
      let row = height - 1 - y
      cells[row / 4][x / 2].bits |= dots[row % 4][x % 2]
      cells[row / 4][x / 2].curve = number
    }
    let places = curve.points.map { point in
      let place = scale.place(point)
      return (x: place.x * Double(width - 1), y: place.y * Double(height - 1))
    }
    for (from, to) in zip(places, places.dropFirst().isEmpty ? places[...] : places.dropFirst()) {
      let steps = max(1, Int(max(abs(to.x - from.x), abs(to.y - from.y)).rounded(.up)))
      for step in 0...steps {
        let share = Double(step) / Double(steps)
        dot(
          Int((from.x + (to.x - from.x) * share).rounded()), Int((from.y + (to.y - from.y) * share).rounded()))
      }
    }
  }
}
