public import NodeKit

/// What somebody asks for who starts a session: the sections of Flotilla's `training_config.yaml`, with settings of our
/// own beside its. A key that is misspelt is an error, and not a default.
public struct SessionDocument: RoleConfig {
  @Setting("How the session goes on.") public var sessionConfig = SessionSection()
  @Setting("What is done first, to learn how fast everybody is.") public var benchmarkConfig = BenchmarkSection()
  @Setting("What the server does.") public var serverTrainingConfig = ServerSection()
  @Setting("What trainers do.") public var clientTrainingConfig = ClientSection()
  @Setting("The model.") public var modelConfig = ModelSection()

  public init() {}

  /// Of JSON, where YAML's `None` has become a text: such members are as if they were not there.
  public init(reading json: JSON) throws { try self.init(setting: json.withoutNone, at: "") }
}

public struct SessionSection: RoleConfig {
  @Setting("Its name. One that was used before goes on where it was.", length: 1...100)
  public var sessionId = "session"
  @Setting("Not used: trainers know what they have.") public var useGpu = false
  @Setting(
    "How updates become a model: fedavg, fedavgm, fedadagrad, fedadam, fedyogi, fedasync, fedbuff, fedat, "
      + "trimmed_mean, median, krum, multi_krum, or role:NAME.",
    length: 1...100)
  public var aggregator = "fedavg"
  @Setting("Of the aggregator.") public var aggregatorArgs = AggregatorArguments()
  @Setting(
    "Who trains: all, random_subset, fedavg, fedasync, fedat, haccs, high_loss, low_loss, odd_even, "
      + "probabilistic_high_loss, reliable_fedavg, tiered_roundrobin, tifl, or role:NAME.",
    length: 1...100)
  public var clientSelection = "all"
  @Setting("Of the selection.") public var clientSelectionArgs = SelectionArguments()
  @Setting("Rounds from one checkpoint that is kept to the next; the newest model always is.", in: 1...1_000_000)
  public var checkpointInterval = 1
  @Setting("So many checkpoints are kept, the newest.", in: 1...100_000) public var checkpointsKept = 10
  @Setting("Not used: `hostctl fl plot` draws any session.") public var generatePlots = false
  @Setting("What chance begins with: the same seed draws the same.", in: 0...Int.max) public var seed = 1
  @Setting("Ends early at this accuracy of the validation.", in: 0...1) public var targetAccuracy: Double?
  @Setting(
    "How updates are sent: f32, f16, bf16, int8 or qsgd, and after a + each: delta, top0.01 (the share that is "
      + "sent), zstd3 (a level).",
    length: 1...64)
  public var updateForm = "f32"
  @Setting("The server sees no trainer's update, but only the sum of all (Bonawitz and others, 2017).")
  public var secureAggregation = false
  @Setting("Of secure aggregation.") public var secureAggregationArgs = SecureArguments()
  @Setting(
    "With noise: epsilon is told for this delta, which is to be far below one in the number of trainers.",
    in: 1e-15...0.1)
  public var privacyDelta = 1e-5
  public init() {}
}

public struct AggregatorArguments: RoleConfig {
  @Setting("Of the server's step; 1 takes the mean as it is.", in: 1e-6...10) public var learningRate: Double?
  @Setting("Of the momentum.", in: 0...0.9999) public var beta1 = 0.9
  @Setting("Of the second moment.", in: 0...0.9999) public var beta2 = 0.99
  @Setting("The least that a difference is divided by.", in: 1e-9...1) public var tau = 1e-3
  @Setting("fedasync: the share of an update in the model.", in: 0...1) public var alpha = 0.6
  @Setting(
    "fedasync, fedbuff: an update of a model s steps old counts (1 + s)^-a of a fresh one; this is a.", in: 0...10)
  public var staleness = 0.5
  @Setting("fedbuff: updates of a step.", in: 1...4096) public var bufferSize = 10
  @Setting("fedat: tiers.", in: 1...100) public var tiers = 3
  @Setting("trimmed_mean: the share that is cut off at each end.", in: 0...0.49) public var trim = 0.1
  @Setting("krum, multi_krum: how many trainers may be faulty.", in: 0...1000) public var faulty = 1
  public init() {}
}

public struct SelectionArguments: RoleConfig {
  @Setting("How many; 0 takes the fraction.", in: 0...1_000_000) public var numClients = 0
  @Setting("What share of those that are there.", in: 0...1) public var fraction = 0.1
  @Setting("Tiers of like speed.", in: 1...100) public var tiers = 3
  @Setting("What a trainer must be able to do.") public var capabilities: [String] = []
  @Setting("So many more are asked than are waited for, as a share.", in: 0...5) public var overSelection = 0.0
  public init() {}
}

public struct BenchmarkSection: RoleConfig {
  @Setting("Whether to begin without.") public var skipBenchmark = true
  @Setting("As in client_training_config.") public var modelId = ""
  @Setting("Not used.") public var modelDir = ""
  @Setting("Not used.") public var modelClass = ""
  @Setting("As in client_training_config.") public var dataset = ""
  @Setting("Samples of a step.", in: 1...65_536) public var batchSize = 16
  @Setting("Of the steps.", in: 1e-9...1000) public var learningRate = 0.001
  @Setting("Batches that are timed.", in: 1...100_000) public var benchMinibatchCount = 10
  @Setting("For all of it.", in: 1...86_400) public var timeoutDurationS = 60.0
  public init() {}
}

public struct ServerSection: RoleConfig {
  @Setting("Not used.") public var modelDir = ""
  @Setting("Samples of a step of the validation.", in: 1...65_536) public var globalModelValidationBatchSize = 64
  @Setting("Models that are made, one after the other.", in: 1...1_000_000) public var numTrainingRounds = 10
  @Setting("For the whole session; 0 is no limit.", in: 0...31_536_000) public var globalTimeoutDurationS = 0.0
  @Setting("The data that each model is tried on; without it trainers try it on theirs.") public var validationDataset =
    ""
  @Setting("With fewer updates there is no model.", in: 1...4096) public var leastUpdates = 1
  @Setting("How many trainers work at a time where there are no rounds.", in: 1...4096) public var concurrency = 100
  @Setting("An update of a model that is so many steps old is of no use.", in: 0...100_000) public var stalenessLimit =
    50
  public init() {}
}

public struct ClientSection: RoleConfig {
  @Setting(
    "A shipped model: mlp, lenet5 or resnet8; or the name under which model_config describes one.", length: 1...100)
  public var modelId = "mlp"
  @Setting("Not used: models are described.") public var modelClass = ""
  @Setting(
    "Times that a trainer goes through its data in a round. 0: it tries the model on them and sends it back as it "
      + "came, which shows what a round costs without the training.", in: 0...10_000)
  public var epochs = 1
  @Setting("The data, as trainers call it.", length: 1...200) public var dataset = "digits"
  @Setting("Samples of a step.", in: 1...65_536) public var batchSize = 32
  @Setting("Of the steps.", in: 1e-9...1000) public var learningRate = 0.01
  @Setting("For a round.", in: 0.001...86_400) public var trainTimeoutDurationS = 600.0
  @Setting("crossentropy or mse.") public var lossFunction = "crossentropy"
  @Setting("Not used.") public var lossFunctionCustom = false
  @Setting("sgd, adam or adamw.") public var optimizer = "sgd"
  @Setting("Not used.") public var optimizerCustom = false
  @Setting("Of sgd.", in: 0...0.9999) public var momentum = 0.0
  @Setting("Pulls weights towards zero.", in: 0...10) public var weightDecay = 0.0
  @Setting("FedProx: pulls weights towards the model of the round (Li and others, 2020).", in: 0...100) public
    var proximal = 0.0
  @Setting(
    "Differential privacy: longer updates are shortened to this length, and all count the same. 0: none is.",
    in: 0...1e6)
  public var clip = 0.0
  @Setting(
    "Normal noise that each trainer adds to its update, in clips. The noise of a sum of n is sqrt(n) times that.",
    in: 0...1000)
  public var noiseMultiplier = 0.0
  public init() {}
}

public struct ModelSection: RoleConfig {
  @Setting("Not used: trainers read their data as it is.") public var useCustomDataloader = false
  @Setting("Not used.") public var customLoaderArgs: JSON = .object(JSONObject())
  @Setting("Not used.") public var useCustomTrainer = false
  @Setting("Not used.") public var customTrainerArgs: JSON = .object(JSONObject())
  @Setting("Not used.") public var useCustomValidator = false
  @Setting("Not used.") public var customValidatorArgs: JSON = .object(JSONObject())
  @Setting("Begins with the tensors of this object, which `POST /models` has named.", length: 0...64)
  public var initial = ""
  @Setting("Of a model that is described elsewhere.") public var modelArgs: JSON = .object(JSONObject())
  @Setting("The model itself: input, layers and loss; see the README of the role trainer.") public var description:
    JSON = .null
  public init() {}
}

extension JSON {
  /// `None` is how Python says null, and what YAML readers make a text of.
  var withoutNone: JSON {
    switch self {
    case .object(let object):
      .object(
        JSONObject(
          object.members.filter { $0.value != .null && $0.value != "None" }.map { ($0.key, $0.value.withoutNone) }))
    case .array(let items): .array(items.map(\.withoutNone))
    default: self
    }
  }
}
