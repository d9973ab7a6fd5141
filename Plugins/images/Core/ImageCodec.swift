internal import CImages
internal import NodeKit

/// Decoding and digests, for threads of the pool.
enum ImageCodec {
  struct Facts: Sendable, Equatable {
    var width: Int
    var height: Int
    var frames: Int
  }

  /// Throws with the library's own words if it is no image.
  static func check(_ bytes: [UInt8], _ format: ImageFormat, frames: Int, pixels: Int) throws -> Facts {
    var facts = images_facts()
    let status = bytes.withUnsafeBytes {
      images_check(UInt32(format.rawValue), $0.baseAddress!, UInt64($0.count), UInt32(frames), UInt64(pixels), &facts)
    }
    guard status == 0 else { throw RoleError(.invalidArgument, words(&facts)) }
    return Facts(width: Int(facts.width), height: Int(facts.height), frames: Int(facts.frames))
  }

  static func thumbnail(_ bytes: [UInt8], _ format: ImageFormat, width: Int) throws -> [UInt8] {
    var facts = images_facts(), result = images_bytes()
    let status = bytes.withUnsafeBytes {
      images_thumbnail(
        UInt32(format.rawValue), $0.baseAddress!, UInt64($0.count), UInt32(width), &result, &facts)
    }
    guard status == 0 else { throw RoleError(.internal, words(&facts)) }
    defer { images_release(result) }
    return Array(UnsafeRawBufferPointer(start: result.start, count: Int(result.count)))
  }

  static func sha1(_ bytes: [UInt8]) -> [UInt8] { digest(bytes, 20, images_sha1) }
  static func sha256(_ bytes: [UInt8]) -> [UInt8] { digest(bytes, 32, images_sha256) }

  private static func digest(
    _ bytes: [UInt8], _ size: Int, _ make: (UnsafeRawPointer, UInt64, UnsafeMutablePointer<UInt8>) -> Int32
  ) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: size)
    let status = bytes.withUnsafeBytes { bytes in
      // Of nothing, too, there is a digest, and it wants a place.
      withUnsafeBytes(of: UInt8(0)) { make(bytes.baseAddress ?? $0.baseAddress!, UInt64(bytes.count), &result) }
    }
    return status == 0 ? result : []
  }

  private static func words(_ facts: inout images_facts) -> String {
    withUnsafeBytes(of: &facts.error) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }
}
