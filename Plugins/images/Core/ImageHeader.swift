/// What the first bytes of an image say: its format and its size. Nothing is decoded for it, so that a few bytes that
/// claim a billion pixels cost nothing.
public struct ImageHeader: Sendable, Equatable {
  public var format: ImageFormat
  public var width: Int
  public var height: Int

  public struct Limits: Sendable {
    public var side = 32_768
    public var pixels = 100_000_000

    public init() {}
  }

  public enum Finding: Sendable, Equatable {
    /// So far nothing speaks against it.
    case needsMore
    case image(ImageHeader)
    case refused(String)
  }

  /// A photograph's profiles and previews stand before its size; more than this does none need.
  public static let prefixLimit = 512 << 10

  /// - Parameters:
  ///   - prefix: the first bytes.
  ///   - isWhole: no more come.
  public static func find(in prefix: [UInt8], isWhole: Bool, _ limits: Limits = Limits()) -> Finding {
    let finding = prefix.withUnsafeBufferPointer { find(FirstBytes($0)) }
    switch finding {
    case .image(let header): return header.problem(limits).map { .refused($0) } ?? finding
    case .needsMore where isWhole: return .refused("it ends before it says how large it is")
    case .needsMore where prefix.count >= prefixLimit:
      return .refused("its first \(prefixLimit >> 10) KiB do not say how large it is")
    default: return finding
    }
  }

  private static func find(_ bytes: FirstBytes) -> Finding {
    // The shortest of their marks has 3 bytes, the longest 12.
    if bytes.mayBegin(with: [0xFF, 0xD8, 0xFF]) { return jpeg(bytes) }
    if bytes.mayBegin(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return png(bytes) }
    if bytes.mayBegin(with: Array("GIF87a".utf8)) || bytes.mayBegin(with: Array("GIF89a".utf8)) { return gif(bytes) }
    if bytes.mayBegin(with: Array("RIFF".utf8)), bytes.mayContinue(at: 8, with: Array("WEBP".utf8)) {
      return webp(bytes)
    }
    return .refused("it is no JPEG, PNG, GIF or WebP")
  }

  private func problem(_ limits: Limits) -> String? {
    if width == 0 || height == 0 { return "its size is \(width) × \(height)" }
    if max(width, height) > limits.side {
      return "it is \(width) × \(height), and \(limits.side) is the longest side that is taken"
    }
    if width * height > limits.pixels {
      return "it has \(width) × \(height) pixels, and \(limits.pixels) are the most that are taken"
    }
    return nil
  }

  // MARK: The formats

  /// Segments, each with its length, up to one that begins a frame.
  private static func jpeg(_ bytes: FirstBytes) -> Finding {
    var place = 2
    while true {
      guard let mark = bytes.byte(place) else { return .needsMore }
      guard mark == 0xFF else { return .refused("a segment of the JPEG does not begin at byte \(place)") }
      guard let kind = bytes.byte(place + 1) else { return .needsMore }
      switch kind {
      case 0xFF: place += 1
      case 0x01, 0xD0...0xD7: place += 2
      case 0xD9, 0xDA: return .refused("the JPEG has no frame before its first scan")
      case 0xC0...0xCF where kind != 0xC4 && kind != 0xC8 && kind != 0xCC:
        guard let height = bytes.big16(place + 5), let width = bytes.big16(place + 7) else { return .needsMore }
        return .image(ImageHeader(format: .jpeg, width: width, height: height))
      default:
        guard let length = bytes.big16(place + 2) else { return .needsMore }
        guard length >= 2 else { return .refused("a segment of the JPEG is \(length) bytes long") }
        place += 2 + length
      }
    }
  }

  private static func png(_ bytes: FirstBytes) -> Finding {
    guard let length = bytes.big32(8), let kind = bytes.big32(12) else { return .needsMore }
    guard length == 13, kind == 0x4948_4452 else { return .refused("the PNG does not begin with its header") }
    guard let width = bytes.big32(16), let height = bytes.big32(20) else { return .needsMore }
    return .image(ImageHeader(format: .png, width: width, height: height))
  }

  private static func gif(_ bytes: FirstBytes) -> Finding {
    guard let width = bytes.little16(6), let height = bytes.little16(8) else { return .needsMore }
    return .image(ImageHeader(format: .gif, width: width, height: height))
  }

  /// Its first chunk is of one of three kinds: `VP8 `, `VP8L` or `VP8X`.
  private static func webp(_ bytes: FirstBytes) -> Finding {
    guard let kind = bytes.big32(12) else { return .needsMore }
    switch kind {
    case 0x5650_3820:
      guard bytes.byte(29) != nil else { return .needsMore }
      guard bytes.byte(23) == 0x9D, bytes.byte(24) == 0x01, bytes.byte(25) == 0x2A else {
        return .refused("the WebP has no key frame")
      }
      let width = bytes.little16(26)! & 0x3FFF, height = bytes.little16(28)! & 0x3FFF
      return .image(ImageHeader(format: .webp, width: width, height: height))
    case 0x5650_384C:
      guard let mark = bytes.byte(20), let low = bytes.little16(21), let high = bytes.little16(23) else {
        return .needsMore
      }
      guard mark == 0x2F else { return .refused("the WebP's mark is missing") }
      let bits = low | high << 16
      return .image(ImageHeader(format: .webp, width: (bits & 0x3FFF) + 1, height: (bits >> 14 & 0x3FFF) + 1))
    case 0x5650_3858:
      guard let width = bytes.little24(24), let height = bytes.little24(27) else { return .needsMore }
      return .image(ImageHeader(format: .webp, width: width + 1, height: height + 1))
    default: return .refused("the WebP begins with a chunk that is no image")
    }
  }
}

/// The bytes that came, and numbers in them.
private struct FirstBytes {
  private let bytes: UnsafeBufferPointer<UInt8>

  init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  func byte(_ place: Int) -> Int? { place < bytes.count ? Int(bytes[place]) : nil }

  private func number(_ places: [Int]) -> Int? {
    guard let last = places.max(), last < bytes.count else { return nil }
    return places.reduce(0) { $0 << 8 | Int(bytes[$1]) }
  }

  func big16(_ place: Int) -> Int? { number([place, place + 1]) }
  func big32(_ place: Int) -> Int? { number([place, place + 1, place + 2, place + 3]) }
  func little16(_ place: Int) -> Int? { number([place + 1, place]) }
  func little24(_ place: Int) -> Int? { number([place + 2, place + 1, place]) }

  /// Whether what has come does not speak against it.
  func mayBegin(with mark: [UInt8]) -> Bool { mayContinue(at: 0, with: mark) }

  func mayContinue(at start: Int, with mark: [UInt8]) -> Bool {
    for (place, byte) in mark.enumerated() where start + place < bytes.count && bytes[start + place] != byte {
      return false
    }
    return true
  }
}
