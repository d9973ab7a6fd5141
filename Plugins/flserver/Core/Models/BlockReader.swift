internal import NodeKit
internal import Tensors

/// Brings the same stretch of several files into memory.
final class BlockReader {
  private let blobs: Blobs

  init(_ blobs: Blobs) { self.blobs = blobs }

  /// The floats from `first` on of each file; all of them, or why not.
  func read(
    _ files: [(file: ModelFile, width: Int)], from first: Int, count: Int,
    then done: @escaping (Result<[FloatBuffer], RoleError>) -> Void
  ) {
    let buffers = files.map { FloatBuffer(count: count * $0.width) }
    var left = files.count, failure: RoleError?
    func ended(_ result: Result<Void, RoleError>) {
      if case .failure(let error) = result { failure = failure ?? error }
      left -= 1
      if left == 0 { done(failure.map { .failure($0) } ?? .success(buffers)) }
    }
    if files.isEmpty { return done(.success([])) }
    for ((file, width), buffer) in zip(files, buffers) {
      let start = file.start + 4 * first * width, size = 4 * count * width
      do {
        try blobs.read(file.object, from: start, length: size) { piece in
          let place = piece.offset - start
          guard place >= 0, place + piece.bytes.count <= size else {
            throw RoleError(.dataLoss, "more of \(file.object) comes than there should be")
          }
          buffer.withBytes { room in
            piece.bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: room[place...]).copyMemory(from: $0) }
          }
        } then: {
          ended($0)
        }
      } catch { ended(.failure(RoleError(error))) }
    }
  }
}
