@testable import ImagesCore

/// Small images of each format.
enum Pictures {
  /// A PNG in one colour, whose bytes are other ones for each seed: it is not compressed.
  static func png(_ width: Int = 8, _ height: Int = 6, seed: Int = 0, announced: (Int, Int)? = nil) -> [UInt8] {
    let pixel = [UInt8(truncatingIfNeeded: seed), UInt8(truncatingIfNeeded: seed >> 8), 90]
    let row: [UInt8] = [0] + Array(repeatElement(pixel, count: width).joined())
    let rows = Array(repeatElement(row, count: height).joined())
    let (shownWidth, shownHeight) = announced ?? (width, height)
    var bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    bytes += chunk("IHDR", big(shownWidth) + big(shownHeight) + [8, 2, 0, 0, 0])
    bytes += chunk("IDAT", stored(rows))
    bytes += chunk("tEXt", Array("Comment\0seed \(seed)".utf8))
    return bytes + chunk("IEND", [])
  }

  /// A PNG of about so many bytes.
  static func large(_ bytes: Int, seed: Int = 0) -> [UInt8] {
    let width = 1000
    return png(width, max(1, bytes / (3 * width + 1)), seed: seed)
  }

  private static func big(_ number: Int) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
  }

  private static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + content
    return big(content.count) + body + big(Int(crc(body)))
  }

  private static let crcTable: [UInt32] = (0..<256).map { start in
    (0..<8).reduce(UInt32(start)) { crc, _ in crc & 1 == 1 ? 0xEDB8_8320 ^ crc >> 1 : crc >> 1 }
  }

  private static func crc(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~UInt32(0)) { crcTable[Int(($0 ^ UInt32($1)) & 0xFF)] ^ $0 >> 8 }
  }

  /// As zlib has it, in blocks that are not compressed.
  private static func stored(_ bytes: [UInt8]) -> [UInt8] {
    var result: [UInt8] = [0x78, 0x01], rest = bytes[...]
    repeat {
      let block = rest.prefix(65_535)
      rest = rest.dropFirst(block.count)
      let count = UInt16(block.count)
      result += [rest.isEmpty ? 1 : 0, UInt8(count & 255), UInt8(count >> 8), UInt8(~count & 255), UInt8(~count >> 8)]
      result += block
    } while !rest.isEmpty
    var low: UInt32 = 1, high: UInt32 = 0
    for byte in bytes {
      low = (low + UInt32(byte)) % 65_521
      high = (high + low) % 65_521
    }
    return result + big(Int(high << 16 | low))
  }

  // Of 8 × 6 pixels each, as libvips writes them.
  static let jpeg = Base64.decode(
    "/9j/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////////////2wBD"
      + "AVVaWnhpeOuCguv/////////////////////////////////////////////////////////////////////////wAARCAAGAAgD"
      + "ASIAAhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEG"
      + "E1FhByJxFDKBkaEII0KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4"
      + "eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWmp6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6"
      + "/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEI"
      + "FEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElKU1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaH"
      + "iImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6Onq8vP09fb3+Pn6/9oADAMBAAIR"
      + "AxEAPwCOiiigD//Z")!
  static let webp = Base64.decode(
    "UklGRvYAAABXRUJQVlA4WAoAAAAIAAAABwAABQAAVlA4TBYAAAAvB0ABAAdQrWpVq/8BgCD8b5uI6H8IRVhJRroAAABFeGlmAABJ"
      + "SSoACAAAAAYAEgEDAAEAAAABAAAAGgEFAAEAAABWAAAAGwEFAAEAAABeAAAAKAEDAAEAAAACAAAAEwIDAAEAAAABAAAAaYcEAAEA"
      + "AABmAAAAAAAAADhjAADoAwAAOGMAAOgDAAAGAACQBwAEAAAAMDIxMAGRBwAEAAAAAQIDAACgBwAEAAAAMDEwMAGgAwABAAAA//8A"
      + "AAKgBAABAAAACAAAAAOgBAABAAAABgAAAAAAAAA=")!
  static let gif = Base64.decode(
    "R0lGODlhCAAGAIAAAEdwTFpaWiH/C05FVFNDQVBFMi4wAwEAAAAh+QQFAAAAACwAAAAACAAGAAACBoyPqct9BQA7")!
}
