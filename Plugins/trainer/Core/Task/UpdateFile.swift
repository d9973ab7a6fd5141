internal import Tensors
internal import TrainerWire

/// An update as it is sent: bytes, and behind them numbers where they lie, so that a plain update is nowhere else.
struct UpdateFile: Sendable {
  private let beginning: [UInt8]
  private let numbers: FloatBuffer?

  init(_ bytes: [UInt8] = []) { (beginning, numbers) = (bytes, nil) }

  init(plain weights: Weights) {
    (beginning, numbers) = (UpdateEncoder.plainHeader(weights.layout), weights.buffer)
  }

  var count: Int { beginning.count + (numbers?.count ?? 0) * MemoryLayout<Float>.stride }

  /// A message with the bytes from `place` on, at most so many, and how many those are.
  func message(from place: Int, upTo most: Int) -> (bytes: [UInt8], holds: Int) {
    if place < beginning.count || numbers == nil {
      let piece = beginning[place...].prefix(most)
      return (TrainingAnswer.piece(piece).bytes, piece.count)
    }
    return numbers!.withBytes { bytes in
      let piece = bytes[(place - beginning.count)...].prefix(most)
      return (TrainingAnswer.message(of: UnsafeRawBufferPointer(rebasing: piece)), piece.count)
    }
  }
}
