import ElectorCore
import FuzzSupport
import Testing

@Suite struct ElectorFuzzTests {
  @Test func whateverElectorsSayIsReadOrRefused() throws { try fuzz("elector", fuzzElector) }
}
