/// What a picture is drawn on; its corner is at the top left.
protocol PictureSurface: AnyObject {
  func line(_ points: [(x: Double, y: Double)], _ colour: UInt32, width: Double)
  /// `place` says which part of the text is at `x`: 0 its beginning, 0.5 its middle, 1 its end.
  func text(_ text: String, x: Double, y: Double, place: Double, _ colour: UInt32)
}

/// Panels of curves beside each other, with axes and a legend.
enum CurvePicture {
  static let width = 960.0
  static let height = 400.0
  private static let margin = (left: 64.0, right: 20.0, top: 36.0, bottom: 44.0)
  private static let colours: [UInt32] = [0x1F77B4, 0xD62728, 0x2CA02C, 0x9467BD, 0xFF7F0E, 0x17BECF, 0x8C564B]
  private static let ink: UInt32 = 0x333333
  private static let grid: UInt32 = 0xDDDDDD

  static func draw(_ panels: [(String, [Curves.Curve])], on surface: any PictureSurface) {
    let each = width / Double(panels.count)
    for (number, (title, curves)) in panels.enumerated() {
      let left = each * Double(number) + margin.left, right = each * Double(number + 1) - margin.right
      let frame = Frame(left: left, right: right, top: margin.top, bottom: height - margin.bottom)
      draw(title, curves.filter { !$0.points.isEmpty }, frame, surface)
    }
  }

  private struct Frame {
    var left: Double, right: Double, top: Double, bottom: Double
    func point(_ place: (x: Double, y: Double)) -> (x: Double, y: Double) {
      (left + place.x * (right - left), bottom - place.y * (bottom - top))
    }
  }

  private static func draw(
    _ title: String, _ curves: [Curves.Curve], _ frame: Frame, _ surface: any PictureSurface
  ) {
    let scale = PlotScale(curves)
    surface.text(title, x: (frame.left + frame.right) / 2, y: frame.top - 14, place: 0.5, ink)
    surface.text("round", x: (frame.left + frame.right) / 2, y: frame.bottom + 34, place: 0.5, ink)
    let rounds = PlotScale.ticks(scale.x, about: 6, wholeOnly: true), values = PlotScale.ticks(scale.y, about: 6)
    for tick in values {
      let y = frame.point(scale.place((scale.x.lowerBound, tick))).y
      surface.line([(frame.left, y), (frame.right, y)], grid, width: 1)
      surface.text(PlotScale.label(tick, of: values), x: frame.left - 8, y: y + 4, place: 1, ink)
    }
    for tick in rounds {
      let x = frame.point(scale.place((tick, scale.y.lowerBound))).x
      surface.line([(x, frame.bottom), (x, frame.bottom + 4)], ink, width: 1)
      surface.text(PlotScale.label(tick, of: rounds), x: x, y: frame.bottom + 18, place: 0.5, ink)
    }
    surface.line([(frame.left, frame.top), (frame.left, frame.bottom), (frame.right, frame.bottom)], ink, width: 1)
    for (number, curve) in curves.enumerated() {
      surface.line(curve.points.map { frame.point(scale.place($0)) }, colours[number % colours.count], width: 2)
    }
    legend(title, curves, scale, frame, surface)
  }

  /// In the corner where curves of this kind are not: accuracy rises, loss falls.
  private static func legend(
    _ title: String, _ curves: [Curves.Curve], _ scale: PlotScale, _ frame: Frame, _ surface: any PictureSurface
  ) {
    let rises = (curves.first?.points.last?.y ?? 0) > (curves.first?.points.first?.y ?? 0)
    let top = rises ? frame.bottom - 14 - 18 * Double(curves.count - 1) : frame.top + 14
    for (number, curve) in curves.enumerated() {
      let y = top + 18 * Double(number)
      surface.line([(frame.right - 30, y - 4), (frame.right - 8, y - 4)], colours[number % colours.count], width: 2)
      surface.text(curve.name, x: frame.right - 36, y: y, place: 1, ink)
    }
  }
}

/// As text that browsers and editors draw.
final class VectorPicture: PictureSurface {
  private var body = ""

  private func number(_ value: Double) -> String { LearningTable.rounded(value, 1) }
  private func colour(_ value: UInt32) -> String {
    let text = String(value, radix: 16)
    return "#" + String(repeating: "0", count: 6 - text.count) + text
  }

  func line(_ points: [(x: Double, y: Double)], _ colour: UInt32, width: Double) {
    let list = points.map { "\(number($0.x)),\(number($0.y))" }.joined(separator: " ")
    body += "<polyline points=\"\(list)\" fill=\"none\" stroke=\"\(self.colour(colour))\""
    body += " stroke-width=\"\(number(width))\" stroke-linejoin=\"round\"/>\n"
  }

  func text(_ text: String, x: Double, y: Double, place: Double, _ colour: UInt32) {
    let anchor = place == 0 ? "start" : place == 1 ? "end" : "middle"
    var safe = ""
    for letter in text.unicodeScalars {
      switch letter {
      case "&": safe += "&amp;"
      case "<": safe += "&lt;"
      case ">": safe += "&gt;"
      default: safe.unicodeScalars.append(letter)
      }
    }
    body += "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\" fill=\"\(self.colour(colour))\">"
    body += safe + "</text>\n"
  }

  var text: String {
    let width = number(CurvePicture.width), height = number(CurvePicture.height)
    return """
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
      viewBox="0 0 \(width) \(height)" font-family="sans-serif" font-size="12">
      <rect width="100%" height="100%" fill="#ffffff"/>
      \(body)</svg>

      """
  }
}
