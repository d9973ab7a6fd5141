import FuzzSupport
import Glibc
import HostRuntime
import Testing

/// The seeds of HostRuntime's fuzz targets and mutations of them, the same in every run.
@Suite struct RuntimeFuzzTests {
  /// `NODEHOST_RECORD=1` makes the seeds anew.
  @Test func blobFile() throws {
    if getenv("NODEHOST_RECORD") != nil {
      let folder = "\(Place.repository)/Tests/Fuzz/corpus/blob"
      try #require(makeFolder(folder))
      for (name, content, sealed) in [
        ("plain", "hello", false), ("sealed", "hello", true), ("empty", "", false), ("empty-sealed", "", true),
      ] {
        try #require(writeBlobFile(Array(content.utf8), to: "\(folder)/\(name)", sealed: sealed))
      }
    }
    try fuzz("blob", fuzzBlobFile)
  }
  @Test func manifest() throws { try fuzz("manifest") { bytes in bytes.withUnsafeBytes(fuzzManifest) } }
}
