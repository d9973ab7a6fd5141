import FuzzSupport
import ImagesCore
import Testing

@Suite struct ImagesFuzzTests {
  @Test func whateverClientsAndNodesSendIsReadOrRefused() throws { try fuzz("images", fuzzImages) }
}
