import NodeKit
import Tensors
import Testing

@testable import LearningCore

@Suite struct DocumentTests {
  /// As Flotilla's session script sends it, defaults of its own file among it.
  private static let flotillas = """
    {"session_config": {"session_id": "s1", "use_gpu": false, "aggregator": "fedavg", "aggregator_args": {},
      "client_selection": "fedavg", "client_selection_args": {"fraction": 0.5}, "checkpoint_interval": 5,
      "generate_plots": true},
     "benchmark_config": {"skip_benchmark": true, "model_id": "LeNet5", "model_dir": "None", "batch_size": 16},
     "server_training_config": {"model_dir": "x", "num_training_rounds": 20, "validation_dataset": "None"},
     "client_training_config": {"model_id": "lenet5", "epochs": 2, "dataset": "digits", "batch_size": 16,
       "learning_rate": 0.005, "train_timeout_duration_s": "None", "optimizer": "sgd"},
     "model_config": {"use_custom_dataloader": false, "custom_loader_args": "None"}}
    """

  @Test func flotillasDocumentsAreRead() throws {
    let document = try SessionDocument(reading: JSON(parsing: Self.flotillas)), plan = try document.plan()
    #expect(plan.rounds == 20 && plan.pace == .synchronous && plan.deadline == .seconds(600))
    #expect(plan.selection == Selection(rule: .fedavg, share: 0.5))
    #expect(try document.aggregation() == .mean(.init(.fedavg)))
    #expect(document.clientTrainingConfig.epochs == 2 && document.serverTrainingConfig.validationDataset == "")
  }

  @Test(arguments: [
    (#"{"session_config": {"aggregatr": "fedavg"}}"#, "/session_config/aggregatr"),
    (#"{"session": {}}"#, "/session"),
    (#"{"client_training_config": {"epochs": -1}}"#, "/client_training_config/epochs"),
    (#"{"client_training_config": {"learning_rate": "fast"}}"#, "/client_training_config/learning_rate"),
    (#"{"server_training_config": {"num_training_rounds": 1.5}}"#, "/server_training_config/num_training_rounds"),
  ]) func mistakesAreToldByTheirPlace(_ text: String, _ place: String) throws {
    let error = #expect(throws: RoleError.self) { try SessionDocument(reading: JSON(parsing: text)) }
    #expect(error?.place == place)
  }

  @Test func whatNobodyKnowsIsRefused() throws {
    var document = SessionDocument()
    document.sessionConfig.clientSelection = "everyone"
    let selection = #expect(throws: RoleError.self) { try document.plan() }
    #expect(selection?.place == "/session_config/client_selection")
    document.sessionConfig.clientSelection = "all"
    document.sessionConfig.aggregator = "fedsum"
    let aggregator = #expect(throws: RoleError.self) { try document.plan() }
    #expect(aggregator?.place == "/session_config/aggregator")
  }

  @Test func aModelThatTheServerDoesNotTakeIsNotMade() throws {
    let together = try Together(trainers: 0)
    var refused: RoleError?
    try together.server.begin([
      "session_config": ["session_id": "s"],
      "model_config": ["description": ["input": [784], "layers": [["dense": 40_000], ["dense": 40_000]]]],
    ]) { if case .failure(let error) = $0 { refused = error } }
    #expect(refused?.status == .resourceExhausted && refused?.place == "/model_config/description")
    #expect(refused?.message.contains("`model_bytes`") == true)
    #expect(throws: RoleError.self) { try together.server.session("s") }
  }

  @Test func pacesFollowTheAggregator() throws {
    var document = SessionDocument()
    for (word, pace) in [
      ("fedasync", Plan.Pace.asynchronous(buffer: 1)), ("fedbuff", .asynchronous(buffer: 10)), ("fedat", .tiered(3)),
      ("krum", .synchronous),
    ] {
      document.sessionConfig.aggregator = word
      #expect(try document.plan().pace == pace)
    }
    #expect(try document.plan().leastUpdates == 5)
  }

  @Test func staleUpdatesCountLess() {
    #expect(Aggregation.weight(ofAge: 0, staleness: 0.5) == 1)
    #expect(abs(Aggregation.weight(ofAge: 3, staleness: 0.5) - 0.5) < 1e-14)
    #expect(abs(Aggregation.weight(ofAge: 9, staleness: 2) - 0.01) < 1e-15)
    #expect(abs(Aggregation.weight(ofAge: 999_999, staleness: 1) - 1e-6) < 1e-18)
  }
}
