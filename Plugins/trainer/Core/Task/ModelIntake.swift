internal import NodeKit

/// A model as it comes, piece by piece: an object, so that each piece is added in place, whoever looks at it.
final class ModelIntake {
  private(set) var bytes: [UInt8] = []
  private let size: Int

  /// Addresses, which take no memory before bytes come, and of which a small machine may not have more. What is
  /// announced beyond that is believed as far as it has come.
  private static let roomAtFirst = 128 << 20

  init(size: Int) {
    self.size = size
    bytes.reserveCapacity(min(size, Self.roomAtFirst))
  }

  /// The whole, once it is there.
  func add(_ piece: [UInt8]) throws -> [UInt8]? {
    guard bytes.count + piece.count <= size else {
      throw RoleError(.invalidArgument, "more than the \(size) bytes of the model come that were announced")
    }
    bytes += piece
    guard bytes.count == size else { return nil }
    defer { bytes = [] }
    return bytes
  }
}
