import NodeKit
import Testing

@testable import TrainerCore

@Suite struct ModelTests {
  @Test func shippedModelsTakeWhatTheyShould() throws {
    for (name, parameters) in [("mlp", 101_770), ("lenet-5", 61_706), ("resnet-8", 78_042 + 2 * 16 * 3 + 2 * 32 * 3 + 2 * 64 * 3)] {
      let engine = try TrainingEngine(ModelDescription(json: .string(name)))
      #expect(engine.parameterCount == parameters, "\(name)")
    }
  }
}
