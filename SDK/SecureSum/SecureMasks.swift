internal import CSecureSum
public import NodeKit

/// Streams of numbers that are added to others or taken away, each made of its seed.
struct MaskStreams: Sendable {
  private var seeds: [UInt8] = []
  private var signs: [Int8] = []

  mutating func add(_ seed: [UInt8], sign: Int8) {
    seeds += seed
    signs.append(sign)
  }

  var count: Int { signs.count }

  /// The mask that two of a round have in common: the one of the lower place adds it, the other one takes it away.
  mutating func add(pairOf own: Int, with other: Int, _ seed: [UInt8], negated: Bool = false) {
    add(seed, sign: (own < other) != negated ? 1 : -1)
  }

  func apply(to words: UnsafeMutablePointer<UInt32>, first: Int, count: Int) throws(RoleError) {
    precondition(first % Int(CSS_STEP) == 0, "masks begin at multiples of \(CSS_STEP)")
    guard css_mask(seeds, signs, signs.count, words, UInt64(first), count) == 1 else {
      throw RoleError(.internal, "the library of ciphers fails")
    }
  }
}

/// Makes a trainer's numbers ones that say nothing to whoever has them alone. For jobs: it takes a while.
public struct SecureMasking: Sendable {
  public let plan: SecurePlan
  let streams: MaskStreams

  /// What a trainer sends.
  public struct Masked: Sendable {
    /// Whole numbers of 32 bits, the least byte first; behind the numbers one for the weight.
    public var bytes: [UInt8]
    /// Numbers that were greater than the plan's range, and were cut to it.
    public var cut: Int
  }

  /// - Parameters:
  ///   - base: what is taken away from the values first: the model that the training began with.
  ///   - weight: from 1 to the plan's limit.
  public func mask(
    _ values: UnsafePointer<Float>, base: UnsafePointer<Float>? = nil, weight: Int
  ) throws(RoleError) -> Masked {
    guard (1...plan.weightLimit).contains(weight) else {
      throw RoleError(.invalidArgument, "a weight of \(weight); the plan takes 1 to \(plan.weightLimit)")
    }
    var outcome = Result<Int, RoleError>.success(0)
    let bytes = [UInt8](unsafeUninitializedCapacity: plan.bytes) { room, filled in
      UnsafeMutableRawBufferPointer(room).withMemoryRebound(to: UInt32.self) { words in
        outcome = Result { () throws(RoleError) in try write(values, base, weight, words.baseAddress!) }
      }
      filled = plan.bytes
    }
    return Masked(bytes: bytes, cut: try outcome.get())
  }

  /// Returns how many were cut.
  private func write(
    _ values: UnsafePointer<Float>, _ base: UnsafePointer<Float>?, _ weight: Int, _ words: UnsafeMutablePointer<UInt32>
  ) throws(RoleError) -> Int {
    let cut = css_to_words(values, base, plan.range, plan.factor * Double(weight), words, plan.count)
    guard cut >= 0 else { throw RoleError(.invalidArgument, "a number of the update is none") }
    words[plan.count] = UInt32(weight)
    try streams.apply(to: words, first: 0, count: plan.count + 1)
    return Int(cut)
  }
}

/// What turns the sum of a round's masked numbers into the sum of the numbers. For jobs.
public struct SecureOpening: Sendable {
  public let plan: SecurePlan
  let streams: MaskStreams
  /// Whose numbers must be in the sum: these and no others.
  public let survivors: [String]

  /// Stretches of a sum begin at multiples of it.
  public static let step = Int(CSS_STEP)

  /// Adds a stretch of one trainer's words to those of others.
  public static func add(_ words: UnsafePointer<UInt32>, to sum: UnsafeMutablePointer<UInt32>, count: Int) {
    css_add(words, sum, count)
  }

  /// Takes the masks from a stretch of the sum of all survivors' words.
  ///
  /// - Parameter first: its place in the whole.
  public func open(_ sum: UnsafeMutablePointer<UInt32>, first: Int, count: Int) throws(RoleError) {
    try streams.apply(to: sum, first: first, count: count)
  }

  /// The mean of a stretch that was opened.
  ///
  /// - Parameters:
  ///   - weight: the word behind all numbers, opened too.
  ///   - base: what each trainer has taken away.
  public func mean(
    _ sum: UnsafePointer<UInt32>, weight: UInt32, base: UnsafePointer<Float>? = nil,
    into mean: UnsafeMutablePointer<Float>, count: Int
  ) throws(RoleError) {
    // Every weight is one at least; a sum that is none was not of these masks.
    guard (survivors.count...survivors.count * plan.weightLimit).contains(Int(weight)) else {
      throw RoleError(.dataLoss, "the weights' sum is \(weight): somebody's numbers are not masked as was agreed")
    }
    css_from_words(sum, base, 1 / (plan.factor * Double(weight)), mean, count)
  }
}
