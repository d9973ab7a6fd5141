public import NodeKit

/// What all of a round know of it: who it is for, and how numbers are written so that their sums are exact.
///
/// A number, times its trainer's weight, becomes a whole number of 32 bits, and sums go round at 2^32 as masks do. The
/// steps are as fine as they can be so that no sum of `participants` numbers of at most `range` goes over: the mean is
/// right to within about `range` * 2^-31 * sqrt(participants) if the weights are alike.
public struct SecurePlan: Sendable, Equatable {
  /// A name of its own for each round; keys of one are of no use in another.
  public var round: String
  /// So many must bring their numbers to the end, and no fewer learn anything. More than half of all.
  public var threshold: Int
  /// The most that take part.
  public var participants: Int
  /// Of numbers.
  public var count: Int
  /// The greatest magnitude of a number. What is greater is cut to it.
  public var range: Float
  /// The greatest weight: samples, say.
  public var weightLimit: Int

  /// Each has a share of each other's secrets.
  public static let participantLimit = 512
  public static let countLimit = 1 << 32

  public init(
    round: String, threshold: Int, participants: Int, count: Int, range: Float, weightLimit: Int
  ) throws(RoleError) {
    (self.round, self.threshold, self.participants) = (round, threshold, participants)
    (self.count, self.range, self.weightLimit) = (count, range, weightLimit)
    guard (2...Self.participantLimit).contains(participants) else {
      throw Self.wrong("\(participants) participants; from 2 to \(Self.participantLimit) take part", "participants")
    }
    guard (2...participants).contains(threshold), 2 * threshold > participants else {
      throw Self.wrong(
        "a threshold of \(threshold) of \(participants): more than half is needed, or two groups could be asked "
          + "different things of one trainer", "threshold")
    }
    guard (1...Self.countLimit).contains(count) else { throw Self.wrong("a sum of \(count) numbers", "count") }
    guard range.isFinite, range > 0 else { throw Self.wrong("a range of \(range); take one above 0", "range") }
    guard weightLimit > 0, weightLimit <= Int(UInt32.max) / participants else {
      throw Self.wrong("weights up to \(weightLimit): their sum must be below 2^32", "weight_limit")
    }
  }

  private static func wrong(_ message: String, _ place: String) -> RoleError {
    RoleError(.invalidArgument, message, at: "the plan's \(place)")
  }

  /// Of a sum's bytes: the numbers, and the sum of the weights behind them.
  public var bytes: Int { 4 * (count + 1) }

  /// Steps of a number of weight 1.
  var factor: Double {
    let each = Double(Int32.max) / Double(participants) - 1
    return each / (Double(range) * Double(weightLimit))
  }
}
