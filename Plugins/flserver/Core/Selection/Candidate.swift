/// What is known of a trainer when it is decided who trains next.
struct Candidate: Equatable {
  var id: String
  /// Of its share of the data.
  var samples = 0
  /// How long it takes for a round, as far as was seen; nil before the first.
  var seconds: Double?
  /// Of its last training, at its end.
  var loss: Double?
  var successes = 0
  var failures = 0
  /// How often each label occurs in its data, if it tells.
  var labels: [Double] = []
  var capabilities: Set<String> = []

  /// How likely it is to bring its work to an end. One of each is assumed, so that a single failure does not shut
  /// anybody out for good.
  var reliability: Double { Double(successes + 1) / Double(successes + failures + 2) }
}
