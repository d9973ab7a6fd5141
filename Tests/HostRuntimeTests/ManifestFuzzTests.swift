import FuzzSupport
import HostRuntime
import Testing

/// The seeds of the manifest's fuzz target and mutations of them, the same in every run.
@Suite struct ManifestFuzzTests {
  @Test func manifest() throws { try fuzz("manifest") { bytes in bytes.withUnsafeBytes(fuzzManifest) } }
}
