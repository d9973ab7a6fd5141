/// Which tensors a model has, by name and shape, and where each stands when all of them are one row of numbers.
public struct TensorLayout: Sendable, Hashable {
  public struct Tensor: Sendable, Hashable {
    public let name: String
    public let shape: [Int]
    /// Of its first number, and how many they are.
    public let offset: Int
    public let count: Int
  }

  public private(set) var tensors: [Tensor] = []
  /// Of all tensors together.
  public private(set) var count = 0

  public static let tensorLimit = 65_536
  public static let dimensionLimit = 8
  /// Of all tensors together: 16 GiB of floats.
  public static let countLimit = 1 << 32

  public init() {}

  public init(_ shapes: [(String, [Int])]) throws(TensorError) {
    var names = Set<String>()
    for (name, shape) in shapes {
      guard names.insert(name).inserted else { throw TensorError("there are two tensors `\(name)`") }
      try append(name, shape)
    }
  }

  /// Of the file's tensors, whatever their numbers are.
  public init(_ header: SafetensorsHeader) throws(TensorError) {
    for entry in header.entries { try append(entry.name, entry.shape) }
  }

  /// The caller sees to it that no name comes twice.
  mutating func append(_ name: String, _ shape: [Int]) throws(TensorError) {
    guard tensors.count < Self.tensorLimit else { throw TensorError("there are more than \(Self.tensorLimit) tensors") }
    let size = try Self.count(of: shape, name)
    guard size <= Self.countLimit - count else {
      throw TensorError("the tensors up to `\(name)` have more than \(Self.countLimit) numbers")
    }
    tensors.append(Tensor(name: name, shape: shape, offset: count, count: size))
    count += size
  }

  static func count(of shape: [Int], _ name: String) throws(TensorError) -> Int {
    guard shape.count <= dimensionLimit else {
      throw TensorError("`\(name)` has \(shape.count) dimensions; \(dimensionLimit) are the most")
    }
    var count = 1
    for length in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: length)
      guard length >= 0, !overflow, product <= countLimit else {
        throw TensorError("`\(name)` cannot be of the shape \(shape)")
      }
      count = product
    }
    return count
  }

  public subscript(name: String) -> Tensor? { tensors.first { $0.name == name } }

  /// What differs between this layout, which is wanted, and `other`; nil if nothing does.
  public func difference(to other: TensorLayout) -> String? {
    if self == other { return nil }
    for (mine, theirs) in zip(tensors, other.tensors) {
      if mine.name != theirs.name { return "`\(mine.name)` is expected where `\(theirs.name)` stands" }
      if mine.shape != theirs.shape { return "`\(mine.name)` should be \(mine.shape) and is \(theirs.shape)" }
    }
    return "\(tensors.count) tensors are expected, and \(other.tensors.count) are there"
  }
}

/// What is wrong with tensors that somebody has sent.
public struct TensorError: Error, Equatable, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}
