internal import NodeKit
internal import Tensors

/// A model as it comes, piece by piece: an object, so that each piece is added in place, whoever looks at it.
final class ModelIntake {
  private(set) var bytes: [UInt8] = []
  private let size: Int

  /// Addresses, which take no memory before bytes come, and of which a small machine may not have more. What is
  /// announced beyond that is believed as far as it has come.
  private static let roomAtFirst = 128 << 20

  /// - Parameter room: what it has in it is not looked at. New memory costs as much as what is put there.
  init(size: Int, in room: consuming [UInt8] = []) {
    self.size = size
    if room.capacity >= size {
      // Before it is anybody else's: of an array that two have, another is made.
      room.removeAll(keepingCapacity: true)
      bytes = room
    } else {
      bytes = [UInt8](unsafeUninitializedCapacity: min(size, Self.roomAtFirst)) { room, count in
        NewMemory.willBeFilled(UnsafeMutableRawBufferPointer(room))
        count = 0
      }
    }
  }

  /// The whole, once it is there.
  func add(_ piece: ArraySlice<UInt8>) throws -> [UInt8]? {
    guard bytes.count + piece.count <= size else {
      throw RoleError(.invalidArgument, "more than the \(size) bytes of the model come that were announced")
    }
    bytes += piece
    guard bytes.count == size else { return nil }
    defer { bytes = [] }
    return bytes
  }
}
