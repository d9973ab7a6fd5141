import CSha256
import HostCore
@testable import HostRuntime
import Testing

@Suite struct ContentDigestTests {
  /// What this machine can do.
  private static let widths: [UInt32] = [1, 8, 16].filter { $0 <= csha256_widest() }

  private static func digest(_ parts: [ArraySlice<UInt8>]) -> [UInt8] { ContentDigest.of(parts.flatMap { $0 }) }

  @Test(arguments: widths, [1, 2, 3, 7, 8, 9, 16, 17, 40])
  func manySideBySideAreAsEachAlone(_ width: UInt32, _ count: Int) {
    let content = BlobPlace.content(60_000)
    for (before, length) in [(0, 64), (128, 640), (0, 1000), (5, 256), (0, 0)] {
      let digests = (0..<count).map { _ in csha256_new() }
      content.withUnsafeBytes { bytes in
        for digest in digests { csha256_update(digest, bytes.baseAddress!, before) }
        let starts = digests.indices.map { bytes.baseAddress! + 1000 + 17 * $0 }
        csha256_update_all(digests, starts, length, count, width)
        csha256_update_all(digests, starts, length, count, width)
      }
      for (place, digest) in digests.enumerated() {
        var value = [UInt8](repeating: 0, count: Int(CSHA256_SIZE))
        csha256_value(digest, &value)
        let part = content[(1000 + 17 * place)...].prefix(length)
        #expect(value == Self.digest([content.prefix(before), part, part]))
        csha256_free(digest)
      }
    }
  }

  @Test(arguments: widths, [1, 99, 100, 101, 1_600, 1_601, 5_050])
  func leavesAreHashedEachForItself(_ width: UInt32, _ size: Int) {
    let content = BlobPlace.content(size), starts = stride(from: 0, to: size, by: 100)
    var values = [UInt8](repeating: 0, count: (size + 99) / 100 * Int(CSHA256_SIZE))
    content.withUnsafeBytes { csha256_leaves($0.baseAddress!, size, 100, &values, width) }
    let expected = starts.flatMap { Self.digest([content[$0..<min(size, $0 + 100)]]) }
    #expect(values == expected)
  }

  @Test func uploadsThatAreOpenTogetherAreHashedTogether() throws {
    let place = BlobPlace()
    let contents = (0..<20).map { BlobPlace.content(150_000 + 40_000 * ($0 % 5), seed: UInt64($0 + 1)) }
    let uploads = try contents.indices.map { try BlobPlace.Upload(place, "upload-\($0)", "") }
    for upload in uploads { _ = try upload.start() }
    for end in stride(from: 100_000, through: 350_000, by: 50_000) {
      for (upload, content) in zip(uploads, contents) { try upload.write(Array(content.prefix(end))) }
    }
    for (upload, content) in zip(uploads, contents) {
      let name = try upload.finish().record.name
      #expect(name == BlobPlace.name(of: content))
      #expect(try place.get(name) == content)
    }
  }
}
