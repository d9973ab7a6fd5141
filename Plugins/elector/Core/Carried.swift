import NodeKit

/// An elector's state on its way from one build to the next. It counts only for a moment, and only once: for whoever
/// finds the turn as it was when it was saved.
struct Carried {
  /// The revision of the turn.
  var turn: UInt64
  var monotonic: Int64
  var sinceEpoch: Int64
  var state: JSON

  var text: String {
    let json: JSON = [
      "turn": JSON(turn), "monotonic_ns": .int(monotonic), "since_epoch_ns": .int(sinceEpoch), "state": state,
    ]
    return "\(json)"
  }

  init(turn: UInt64, monotonic: Int64, sinceEpoch: Int64, state: JSON) {
    (self.turn, self.monotonic, self.sinceEpoch, self.state) = (turn, monotonic, sinceEpoch, state)
  }

  /// Nil for what no build of this version has saved.
  init?(_ text: String) {
    guard let json = try? JSON(parsing: text), let turn = json["turn"]?.int.flatMap({ UInt64(exactly: $0) }),
      let monotonic = json["monotonic_ns"]?.int, let sinceEpoch = json["since_epoch_ns"]?.int,
      let state = json["state"], state.object != nil
    else { return nil }
    self.init(turn: turn, monotonic: monotonic, sinceEpoch: sinceEpoch, state: state)
  }

  /// By both clocks: after a restart of the machine, the monotonic one may show anything.
  func isFresh(_ monotonic: Int64, _ sinceEpoch: Int64, limit: Int64) -> Bool {
    let ages = [
      monotonic.subtractingReportingOverflow(self.monotonic), sinceEpoch.subtractingReportingOverflow(self.sinceEpoch),
    ]
    return ages.allSatisfy { !$0.overflow && (0...limit).contains($0.partialValue) }
  }
}
