import FuzzSupport
import Glibc
@testable import HostRuntime
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
  /// A journal of three batches, and the operations of one.
  @Test func storeJournal() throws {
    if getenv("NODEHOST_RECORD") != nil {
      let folder = "\(Place.repository)/Tests/Fuzz/corpus/commits"
      try #require(makeFolder(folder))
      let put: [UInt8] = [2, 0, 3, 0, 2, 0, 0, 0] + Array("keyva".utf8)
      let both: [UInt8] = [0, 0, 1, 0, 0, 0, 0, 0, 7, 3, 0, 2, 0, 0, 0, 0, 0] + Array("no".utf8)
      let batches = [put, both + put, put].enumerated().flatMap { place, operations in
        StoreRecord.sealed(operations, salt: 5, after: [1, 2, 4][place])
      }
      let journal = StoreJournal.head(5) + batches + [UInt8](repeating: 0, count: 64)
      for (name, bytes) in [("journal", journal), ("one", put), ("two", both + put)] {
        try #require(writeFile("\(folder)/\(name)", bytes, mode: 0o644))
      }
    }
    try fuzz("commits", fuzzStoreJournal)
  }
  @Test func manifest() throws { try fuzz("manifest") { bytes in bytes.withUnsafeBytes(fuzzManifest) } }
}
