internal import NodeKit
internal import Tensors

/// A trainer's model as it is exchanged: two trainers meet in the middle, at the places where either has changed most.
///
/// The one that asks sends its numbers at the places where it has changed most since these were last exchanged; the
/// other goes to the mean there, and answers with it and with its own numbers where it has changed most of what is
/// left; the asker goes to the mean there, too, and tells it. Then both have the same numbers at all those places, and
/// the mean over all trainers is what it was: nothing that was learned is lost. What a round leaves out stays a change,
/// grows, and is sent in another (error feedback).
///
/// Belongs to one job at a time.
final class GossipModel: @unchecked Sendable {
  let values: FloatBuffer
  /// At each place the number that was last exchanged there.
  private let reference: FloatBuffer

  /// With a copy of it.
  init(_ start: FloatBuffer) { (values, reference) = (FloatBuffer(copying: start), FloatBuffer(copying: start)) }

  var count: Int { values.count }

  /// How many numbers a share of them is.
  func number(of share: Double) -> Int { min(count, max(1, Int((Double(count) * share).rounded()))) }

  /// The asker's first word.
  func offer(_ number: Int) -> SparseNumbers {
    SparseNumbers(changedMostIn: values, since: reference, count: number)
  }

  /// What the other one answers: the means at the places that were offered, and an offer of its own.
  func answer(_ offer: SparseNumbers, _ number: Int) throws(RoleError) -> (means: [Float], own: SparseNumbers) {
    try check(offer)
    let means = meet(offer)
    return (means, self.offer(number))
  }

  /// The asker takes the answer to its offer, and says what the means are at the other one's places.
  func take(_ means: [Float], of offer: SparseNumbers, _ theirs: SparseNumbers) throws(RoleError) -> [Float] {
    try check(theirs)
    try settle(means, at: offer.places)
    return meet(theirs)
  }

  /// The other one takes those.
  func settle(_ means: [Float], at places: [UInt32]) throws(RoleError) {
    guard means.count == places.count, means.allSatisfy(\.isFinite) else {
      throw RoleError(.invalidArgument, "\(means.count) means for \(places.count) places, or one that is no number")
    }
    for (place, mean) in zip(places, means) { set(Int(place), mean) }
  }

  private func meet(_ theirs: SparseNumbers) -> [Float] {
    zip(theirs.places, theirs.values).map { place, value in
      let mean = (values.base[Int(place)] + value) / 2
      set(Int(place), mean)
      return mean
    }
  }

  private func set(_ place: Int, _ value: Float) { (values.base[place], reference.base[place]) = (value, value) }

  private func check(_ numbers: SparseNumbers) throws(RoleError) {
    guard numbers.places.count == numbers.values.count,
      zip(numbers.places, numbers.places.dropFirst()).allSatisfy({ $0 < $1 }),
      numbers.places.last.map({ Int($0) < count }) ?? true,
      numbers.values.allSatisfy({ abs($0) <= WeightedSum.valueLimit })
    else { throw RoleError(.invalidArgument, "what is offered is not some numbers of a model of \(count)") }
  }
}
