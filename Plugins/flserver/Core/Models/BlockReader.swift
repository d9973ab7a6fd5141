internal import NodeKit
internal import Tensors

/// Brings the same stretch of several files into memory.
final class BlockReader {
  private let blobs: Blobs
  /// Of the last stretch: memory that the next one has if nobody holds it any more. New memory costs more than what is
  /// put there.
  private var last: [FloatBuffer] = []

  init(_ blobs: Blobs) { self.blobs = blobs }

  private func buffers(_ counts: [Int]) -> [FloatBuffer] {
    if last.count != counts.count { last = counts.map { FloatBuffer(unwritten: $0) } }
    for (place, count) in counts.enumerated()
    where last[place].count != count || !isKnownUniquelyReferenced(&last[place]) {
      last[place] = FloatBuffer(unwritten: count)
    }
    return last
  }

  /// The floats from `first` on of each file; all of them, or why not.
  func read(
    _ files: [(file: ModelFile, width: Int)], from first: Int, count: Int,
    then done: @escaping (Result<[FloatBuffer], RoleError>) -> Void
  ) {
    let buffers = buffers(files.map { count * $0.width })
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
        try blobs.readInPlace(
          file.object, from: start, length: size,
          onBytes: { offset, bytes in
            let place = offset - start
            guard place >= 0, place + bytes.count <= size else {
              throw RoleError(.dataLoss, "more of \(file.object) comes than there should be")
            }
            buffer.withBytes { UnsafeMutableRawBufferPointer(rebasing: $0[place...]).copyMemory(from: bytes) }
          }, then: { ended($0) })
      } catch { ended(.failure(RoleError(error))) }
    }
  }
}
