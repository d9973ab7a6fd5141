/// Cuts what comes over a connection into frames: four bytes that tell the length, the highest first, and the content.
public struct FrameReader {
  private let limit: Int
  private var bytes: [UInt8] = []

  public struct TooLong: Error { public var length: Int }

  public init(limit: Int) { self.limit = limit }

  public mutating func feed(_ piece: some Collection<UInt8>) { bytes += piece }

  /// The next whole frame; nil if it has not come yet. No more than the limit is ever kept of one.
  public mutating func next() throws(TooLong) -> [UInt8]? {
    guard bytes.count >= 4 else { return nil }
    let length = bytes[..<4].reduce(0) { $0 << 8 | Int($1) }
    guard length <= limit else { throw TooLong(length: length) }
    guard bytes.count - 4 >= length else { return nil }
    let frame = Array(bytes[4..<4 + length])
    bytes.removeFirst(4 + length)
    return frame
  }

  public static func frame(_ content: [UInt8]) -> [UInt8] {
    let length = UInt32(content.count)
    return (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) } + content
  }
}
