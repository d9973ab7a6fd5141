import CZlib

/// As pixels, for what shows no SVG. Lines are smooth: each pixel is as dark as the line covers it.
final class PixelPicture: PictureSurface {
  /// Pixels of a unit, so that it is sharp on fine screens.
  private static let scale = 2.0
  private static let letterScale = 3
  private let width = Int(CurvePicture.width * PixelPicture.scale)
  private let height = Int(CurvePicture.height * PixelPicture.scale)
  private var pixels: [UInt8]

  init() { pixels = [UInt8](repeating: 255, count: width * height * 3) }

  private func blend(_ x: Int, _ y: Int, _ colour: UInt32, _ share: Double) {
    guard x >= 0, y >= 0, x < width, y < height, share > 0 else { return }
    for channel in 0..<3 {
      let place = (y * width + x) * 3 + channel
      let new = Double(colour >> UInt32(16 - 8 * channel) & 0xFF), share = min(1, share)
      pixels[place] = UInt8((Double(pixels[place]) * (1 - share) + new * share).rounded())
    }
  }

  func line(_ points: [(x: Double, y: Double)], _ colour: UInt32, width: Double) {
    for (from, to) in zip(points, points.dropFirst()) { segment(from, to, colour, width * Self.scale / 2) }
  }

  private func segment(_ from: (x: Double, y: Double), _ to: (x: Double, y: Double), _ colour: UInt32, _ half: Double) {
    let a = (x: from.x * Self.scale, y: from.y * Self.scale), b = (x: to.x * Self.scale, y: to.y * Self.scale)
    let (dx, dy) = (b.x - a.x, b.y - a.y), length = dx * dx + dy * dy
    let rows = Int(min(a.y, b.y) - half - 1)...Int(max(a.y, b.y) + half + 1)
    for y in rows {
      for x in Int(min(a.x, b.x) - half - 1)...Int(max(a.x, b.x) + half + 1) {
        let (px, py) = (Double(x) + 0.5 - a.x, Double(y) + 0.5 - a.y)
        let share = length == 0 ? 0 : min(1, max(0, (px * dx + py * dy) / length))
        let (ex, ey) = (px - share * dx, py - share * dy)
        blend(x, y, colour, half + 0.5 - (ex * ex + ey * ey).squareRoot())
      }
    }
  }

  func text(_ text: String, x: Double, y: Double, place: Double, _ colour: UInt32) {
    let letters = Array(text), step = (PixelFont.columns + 1) * Self.letterScale
    let left = Int(x * Self.scale - place * Double(letters.count * step - Self.letterScale))
    let top = Int(y * Self.scale) - PixelFont.rows * Self.letterScale
    for (number, letter) in letters.enumerated() {
      for row in 0..<PixelFont.rows {
        for column in 0..<PixelFont.columns where PixelFont.isSet(letter, column: column, row: row) {
          fill(left + number * step + column * Self.letterScale, top + row * Self.letterScale, colour)
        }
      }
    }
  }

  private func fill(_ x: Int, _ y: Int, _ colour: UInt32) {
    for dy in 0..<Self.letterScale { for dx in 0..<Self.letterScale { blend(x + dx, y + dy, colour, 1) } }
  }

  // MARK: The file

  var png: [UInt8] {
    var rows: [UInt8] = []
    rows.reserveCapacity((width * 3 + 1) * height)
    for y in 0..<height {
      rows.append(0)  // unfiltered
      rows += pixels[y * width * 3..<(y + 1) * width * 3]
    }
    let header = Self.number(width) + Self.number(height) + [8, 2, 0, 0, 0]
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + Self.chunk("IHDR", header)
      + Self.chunk("IDAT", Self.deflated(rows)) + Self.chunk("IEND", [])
  }

  private static func number(_ value: Int) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
  }

  private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + content
    return number(content.count) + body + number(Int(crc32(0, body, UInt32(body.count))))
  }

  private static func deflated(_ bytes: [UInt8]) -> [UInt8] {
    var count = compressBound(UInt(bytes.count))
    var packed = [UInt8](repeating: 0, count: Int(count))
    // With room for the worst it cannot fail.
    precondition(compress(&packed, &count, bytes, UInt(bytes.count)) == Z_OK, "no memory is left to pack a picture")
    return Array(packed.prefix(Int(count)))
  }
}
