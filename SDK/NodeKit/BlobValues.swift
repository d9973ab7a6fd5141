/// A part of an object.
public struct BlobPiece: Sendable, Equatable {
  public var offset: Int
  public var bytes: [UInt8]

  public init(offset: Int, bytes: [UInt8]) {
    self.offset = offset
    self.bytes = bytes
  }
}

/// What came of an upload.
public struct StoredBlob: Sendable, Equatable {
  /// The object's name: the SHA-256 of its bytes in small hexadecimal digits.
  public var sha256: String
  public var size: Int
  /// There was such an object already.
  public var isDuplicate: Bool

  public init(sha256: String, size: Int, isDuplicate: Bool) {
    self.sha256 = sha256
    self.size = size
    self.isDuplicate = isDuplicate
  }

  init(_ json: JSON) throws {
    guard let name = json["sha256"]?.string, let size = json["size"]?.int, let isDuplicate = json["duplicate"]?.bool
    else { throw RoleError(.internal, "the host tells an upload in a way that is not known") }
    self.init(sha256: name, size: Int(size), isDuplicate: isDuplicate)
  }
}

/// What is known of an object.
public struct BlobInfo: Sendable, Equatable {
  public var sha256: String
  public var size: Int
  /// Empty if none was given.
  public var mediaType: String
  /// Since 1970-01-01 UTC.
  public var created: Duration
  /// The id of the key that seals it, if it is sealed; not in a list.
  public var key: String?
  /// Why it cannot be read, in a list; `hostctl blob scrub` looks for these. Its size and age are not known then.
  public var problem: String?

  public init(sha256: String, size: Int, mediaType: String = "", created: Duration = .zero, problem: String? = nil) {
    self.sha256 = sha256
    self.size = size
    self.mediaType = mediaType
    self.created = created
    self.problem = problem
  }

  init(_ json: JSON) throws {
    guard let name = json["sha256"]?.string else {
      throw RoleError(.internal, "the host tells an object in a way that is not known")
    }
    self.init(
      sha256: name, size: Int(json["size"]?.int ?? 0), mediaType: json["media_type"]?.string ?? "",
      created: .milliseconds(json["created_ms"]?.int ?? 0), problem: json["problem"]?.string)
    key = json["key"]?.string
  }
}
