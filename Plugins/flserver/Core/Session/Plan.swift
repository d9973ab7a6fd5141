/// How a session goes on, apart from what is learned.
struct Plan: Equatable {
  enum Pace: Equatable {
    /// A step takes the updates of all who were asked in a round.
    case synchronous
    /// Whoever is done is asked again at once, and a step takes so many updates as they come: 1 is FedAsync (Xie and
    /// others, 2019), more is FedBuff (Nguyen and others, 2022).
    case asynchronous(buffer: Int)
    /// Each tier of like speed has its own rounds (FedAT: Chai and others, 2021).
    case tiered(Int)
  }

  var rounds = 1
  var pace = Pace.synchronous
  var selection = Selection()
  /// The role that chooses, instead of a rule.
  var chooser: String?
  var seed: UInt64 = 1
  /// For a round, or for an answer where there are no rounds.
  var deadline: Duration = .seconds(600)
  /// So many more are asked than are waited for, as a share.
  var overSelection = 0.0
  /// With fewer updates there is no step.
  var leastUpdates = 1
  /// How many may be asked at a time where there are no rounds.
  var concurrency = 100
  /// An update of a model that is so many steps old is of no use.
  var stalenessLimit = 50
  /// Ends early when the validation reaches it.
  var targetAccuracy: Double?
  /// Rounds in a row that may bring nothing before the session ends with an error.
  var emptyLimit = 5
  /// An update is masked for its round, and of no use in any other.
  var isSecure = false
}
