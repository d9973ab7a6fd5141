internal import CTensors

/// The weighted mean of many updates, whatever the order in which they come: it is kept as a sum of whole numbers,
/// which, unlike floats, have only one. So a server that was killed and goes on with what it had, or hears its clients
/// in another order, arrives at the same bits; what was added can be taken away again without a trace; and the memory
/// that it takes does not grow with the number of updates.
///
/// A number of an update is at most ``valueLimit``. The mean of updates of like weights is right to within 2^-34.
public struct WeightedSum: ~Copyable {
  public let count: Int
  public let weightLimit: UInt32
  public private(set) var updates = 0
  public private(set) var weight: UInt64 = 0
  private let sum: UnsafeMutablePointer<Int64>
  /// What a weight of one is multiplied by.
  private let unit: Double

  public static let valueLimit: Float = 65_536
  /// So that no sum can overflow: 63 bits hold 2^12 of what a single update may bring.
  public static let updateLimit = 4096

  /// - Parameter weightLimit: the greatest weight that an update will have; samples, say.
  public init(count: Int, weightLimit: UInt32) {
    (self.count, self.weightLimit) = (count, max(1, weightLimit))
    sum = .allocate(capacity: max(1, count))
    sum.initialize(repeating: 0, count: count)
    let bits = 32 - (self.weightLimit - 1).leadingZeroBitCount
    unit = Double(sign: .plus, exponent: 50 - 16 - bits, significand: 1)
  }

  deinit { sum.deallocate() }

  public struct Update {
    public var values: UnsafePointer<Float>
    public var weight: UInt32
    public init(_ values: UnsafePointer<Float>, weight: UInt32) { (self.values, self.weight) = (values, weight) }
  }

  /// Several at once are faster than one after the other. All of them are added, or none.
  public mutating func add(_ new: [Update]) throws(TensorError) {
    try check(new)
    let done = withFactors(new, 1) { ct_add(sum, $0, $1, new.count, Self.valueLimit, count) }
    guard done == count else {
      // Whole numbers go as they came.
      _ = withFactors(new, -1) { ct_add(sum, $0, $1, new.count, Self.valueLimit, done) }
      throw Self.badNumber(new, from: done, count)
    }
    updates += new.count
    weight += Self.weight(of: new)
  }

  /// Of one that was added before.
  public mutating func remove(_ old: Update) {
    _ = withFactors([old], -1) { ct_add(sum, $0, $1, 1, Self.valueLimit, count) }
    updates -= 1
    weight -= UInt64(old.weight)
  }

  /// The same as a sum of just these, and faster, since they are all there.
  public func mean(of all: [Update], into mean: UnsafeMutablePointer<Float>) throws(TensorError) {
    try check(all)
    guard !all.isEmpty else { return }
    let inverse = 1 / (unit * Double(Self.weight(of: all)))
    let done = withFactors(all, 1) { ct_mean_of($0, $1, all.count, inverse, Self.valueLimit, mean, count) }
    if done < count { throw Self.badNumber(all, from: done, count) }
  }

  private func check(_ new: [Update]) throws(TensorError) {
    guard updates + new.count <= Self.updateLimit else {
      throw TensorError("more than \(Self.updateLimit) updates cannot be summed up")
    }
    for update in new where !(1...weightLimit).contains(update.weight) {
      throw TensorError("an update of weight \(update.weight): from 1 to \(weightLimit) is expected")
    }
  }

  private static func weight(of updates: [Update]) -> UInt64 { updates.reduce(0) { $0 + UInt64($1.weight) } }

  private static func badNumber(_ updates: [Update], from start: Int, _ count: Int) -> TensorError {
    let largest = updates.map { ct_largest($0.values + start, count - start) }.max() ?? 0
    return TensorError(
      largest.isFinite ? "a number of the update is \(largest)" : "a number of the update is infinite or none")
  }

  private func withFactors<R>(
    _ updates: [Update], _ sign: Double,
    _ body: (UnsafePointer<UnsafePointer<Float>>, UnsafePointer<Double>) -> R
  ) -> R {
    let factors = updates.map { Double($0.weight) * unit * sign }
    return updates.map(\.values).withUnsafeBufferPointer { values in
      factors.withUnsafeBufferPointer { body(values.baseAddress!, $0.baseAddress!) }
    }
  }

  /// Nothing happens to `mean` if there is no update.
  public func mean(into mean: UnsafeMutablePointer<Float>) {
    guard weight > 0 else { return }
    ct_mean(sum, 1 / (unit * Double(weight)), mean, count)
  }

  /// What to keep on a disk, and ``init(state:)`` of it.
  public func withState<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try body(UnsafeRawBufferPointer(start: sum, count: count * MemoryLayout<Int64>.stride))
  }

  public mutating func restore(_ state: UnsafeRawBufferPointer, updates: Int, weight: UInt64) throws(TensorError) {
    guard state.count == count * MemoryLayout<Int64>.stride, (0...Self.updateLimit).contains(updates) else {
      throw TensorError("a kept sum of \(state.count) bytes and \(updates) updates is none of \(count) numbers")
    }
    UnsafeMutableRawBufferPointer(start: sum, count: state.count).copyMemory(from: state)
    (self.updates, self.weight) = (updates, weight)
  }
}
