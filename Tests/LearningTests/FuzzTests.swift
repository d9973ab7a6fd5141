import FuzzSupport
import LearningCore
import Testing

@Suite struct LearningFuzzTests {
  @Test func whateverUsersAndServersSendIsReadOrRefused() throws { try fuzz("sessions", fuzzLearning) }
}
