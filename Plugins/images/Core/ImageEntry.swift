internal import NodeKit

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
    for part in id.parts { writer.add(part) }
    writer.add(version.term)
    writer.add(version.number)
    writer.add(isRemoved)
    writer.add(format.rawValue)
    writer.add(check.rawValue)
    writer.add(UInt64(bytes))
    writer.add(UInt32(width))
    writer.add(UInt32(height))
    writer.add(UInt64(bitPattern: stored))
  }

  init(from reader: inout ByteReader) throws(MalformedBytes) {
    let id = try ImageID(from: &reader)
    let version = Version(term: try reader.number(), number: try reader.number())
    self.init(id: id, version: version, isRemoved: try reader.truth())
    guard let format = ImageFormat(rawValue: try reader.number()), let check = Check(rawValue: try reader.number()),
      let bytes = Int(exactly: try reader.number(UInt64.self))
    else { throw MalformedBytes() }
    (self.format, self.check, self.bytes) = (format, check, bytes)
    (width, height) = (Int(try reader.number(UInt32.self)), Int(try reader.number(UInt32.self)))
    stored = try reader.number()
  }

  /// What stands in the store.
  private static let storeVersion: UInt8 = 1

  var storedBytes: [UInt8] {
    var writer = ByteWriter()
    writer.add(Self.storeVersion)
    write(to: &writer)
    return writer.bytes
  }

  init?(storedBytes: [UInt8]) {
    var reader = ByteReader(storedBytes)
    guard (try? reader.number(UInt8.self)) == Self.storeVersion, let entry = try? ImageEntry(from: &reader) else {
      return nil
    }
    self = entry
  }
}
