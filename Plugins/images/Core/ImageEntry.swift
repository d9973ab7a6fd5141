/// What all nodes know of an image, or of one that was removed.
public struct ImageEntry: Sendable, Equatable {
  /// Which of two entries of an image is right: of the later term, and in a term the later one. One node leads in a
  /// term and numbers what it does, so no two are the same.
  public struct Version: Sendable, Hashable, Comparable, CustomStringConvertible {
    public var term: UInt64
    public var number: UInt64

    public init(term: UInt64, number: UInt64) { (self.term, self.number) = (term, number) }

    public static func < (left: Version, right: Version) -> Bool {
      (left.term, left.number) < (right.term, right.number)
    }
    public var description: String { "\(term).\(number)" }
  }

  /// How closely it was looked at before it was taken.
  public enum Check: UInt8, Sendable { case header = 0, decoded }

  public var id: ImageID
  public var version: Version
  /// A removed image leaves its entry, so that no node that was away brings the image back.
  public var isRemoved = false
  public var bytes = 0
  public var format = ImageFormat.jpeg
  public var width = 0
  public var height = 0
  /// Milliseconds since 1970.
  public var stored: Int64 = 0
  public var check = Check.header

  public init(id: ImageID, version: Version, isRemoved: Bool = false) {
    (self.id, self.version, self.isRemoved) = (id, version, isRemoved)
  }

  func write(to writer: inout ByteWriter) {
    for part in id.parts { writer.put(part) }
    writer.put(version.term)
    writer.put(version.number)
    writer.put(UInt8(isRemoved ? 1 : 0))
    writer.put(format.rawValue)
    writer.put(check.rawValue)
    writer.put(UInt64(bytes))
    writer.put(UInt32(width))
    writer.put(UInt32(height))
    writer.put(UInt64(bitPattern: stored))
  }

  init?(_ reader: inout ByteReader) {
    guard let first = reader.uint64(), let second = reader.uint64(), let third = reader.uint64(),
      let fourth = reader.uint64(), let term = reader.uint64(), let number = reader.uint64(),
      let flags = reader.uint8(), flags <= 1, let format = reader.uint8().flatMap(ImageFormat.init),
      let check = reader.uint8().flatMap(Check.init), let bytes = reader.uint64().flatMap({ Int(exactly: $0) }),
      let width = reader.uint32(), let height = reader.uint32(), let stored = reader.uint64()
    else { return nil }
    self.init(
      id: ImageID(first, second, third, fourth), version: Version(term: term, number: number), isRemoved: flags == 1)
    (self.bytes, self.format, self.check) = (bytes, format, check)
    (self.width, self.height, self.stored) = (Int(width), Int(height), Int64(bitPattern: stored))
  }

  /// What stands in the store.
  private static let storeVersion: UInt8 = 1

  var storedBytes: [UInt8] {
    var writer = ByteWriter()
    writer.put(Self.storeVersion)
    write(to: &writer)
    return writer.bytes
  }

  init?(storedBytes: [UInt8]) {
    var reader = ByteReader(storedBytes)
    guard reader.uint8() == Self.storeVersion else { return nil }
    self.init(&reader)
  }
}
