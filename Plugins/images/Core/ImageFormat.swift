/// The formats that are taken. The numbers stand in stores and messages.
public enum ImageFormat: UInt8, Sendable, CaseIterable {
  case jpeg = 1
  case png, gif, webp

  public var mediaType: String {
    switch self {
    case .jpeg: "image/jpeg"
    case .png: "image/png"
    case .gif: "image/gif"
    case .webp: "image/webp"
    }
  }

  /// As receipts say it.
  public var name: String { String(mediaType.dropFirst("image/".count)) }
}
