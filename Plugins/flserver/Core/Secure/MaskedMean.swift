internal import NodeKit
internal import SecureSum
internal import Tensors

/// Makes one file of a round's masked ones, a block at a time as ``Combiner`` does: the same block of all comes from
/// the disk, is summed up and unmasked on the CPU pool, and the mean goes back to the disk, as bare floats.
final class MaskedMean {
  struct Made: Equatable {
    var file: ModelFile
    var weight: Int
  }

  /// Of all trainers' words together.
  private static let room = 1 << 20
  private static let longestBlock = 1 << 17

  private let context: RoleContext
  private let opening: SecureOpening
  private let rows: [ModelFile]
  private let base: ModelFile
  private let reader: BlockReader
  private let name: String
  private var writer: BlockWriter?
  private var weight: UInt32 = 0
  private var place = 0
  private var done: ((Result<Made, RoleError>) -> Void)?

  init(_ context: RoleContext, _ opening: SecureOpening, _ rows: [ModelFile], base: ModelFile, name: String) {
    (self.context, self.opening, self.rows, self.base, self.name) = (context, opening, rows, base, name)
    reader = BlockReader(context.blobs)
  }

  private var count: Int { opening.plan.count }
  private var blockLength: Int {
    let length = min(Self.longestBlock, Self.room / (rows.count + 2))
    return max(1, length / 1024) * 1024
  }

  func run(then done: @escaping (Result<Made, RoleError>) -> Void) {
    self.done = done
    guard base.count == count else {
      return fail(RoleError(.internal, "a sum of \(count) numbers for a model of \(base.count)"))
    }
    // The weights' sum stands behind all numbers, and is needed for each of them.
    let first = count / SecureOpening.step * SecureOpening.step, length = count + 1 - first
    sum(from: first, length) { [opening] words, _ in
      try opening.open(words, first: first, count: length)
      return words[length - 1]
    } then: { [self] (weight: UInt32, _) in
      self.weight = weight
      do { writer = try BlockWriter(context.blobs, name, size: 4 * count) { [self] in fail($0) } } catch {
        return fail(error)
      }
      goOn()
    }
  }

  private func fail(_ error: any Error) { end(.failure(RoleError(error))) }

  private func end(_ result: Result<Made, RoleError>) {
    if case .failure = result { writer?.abandon() }
    // It holds this object, too.
    writer = nil
    let done = done
    self.done = nil
    done?(result)
  }

  /// Sums a stretch up, and gives it, with the model's same stretch where there is one, to `body` on the pool.
  private func sum<Answer: Sendable>(
    from first: Int, _ length: Int,
    _ body: @escaping @Sendable (UnsafeMutablePointer<UInt32>, FloatBuffer?) throws -> Answer,
    then goOn: @escaping (Answer, FloatBuffer?) -> Void
  ) {
    let hasBase = first + length <= count
    let files = (rows + (hasBase ? [base] : [])).map { (file: $0, width: 1) }
    reader.read(files, from: first, count: length) { [self] result in
      do {
        var buffers = try result.get()
        let base = hasBase ? buffers.removeLast() : nil
        let words = buffers
        try context.work.run { _ in
          try Self.sum(words, length) { try body($0, base) }
        } then: { [self] result in
          guard done != nil else { return }
          do { goOn(try result.get(), base) } catch { fail(error) }
        }
      } catch { fail(error) }
    }
  }

  private static func sum<R>(
    _ words: [FloatBuffer], _ length: Int, _ body: (UnsafeMutablePointer<UInt32>) throws -> R
  ) throws -> R {
    try words[0].withBytes { raw in
      try raw.withMemoryRebound(to: UInt32.self) { sum in
        for other in words.dropFirst() {
          other.withBytes { raw in
            raw.withMemoryRebound(to: UInt32.self) {
              SecureOpening.add($0.baseAddress!, to: sum.baseAddress!, count: length)
            }
          }
        }
        return try body(sum.baseAddress!)
      }
    }
  }

  private func goOn() {
    guard place < count else { return finish() }
    let first = place, length = min(blockLength, count - first), weight = weight
    sum(from: first, length) { [opening] words, base in
      guard let base else { return }
      try opening.open(words, first: first, count: length)
      try opening.mean(words, weight: weight, base: base.base, into: base.base, count: length)
    } then: { [self] (_: Void, base) in
      place += length
      writer?.write(base?.withBytes { Array($0)[...] } ?? []) { [self] in goOn() }
    }
  }

  private func finish() {
    writer?.finish { [self] object in
      end(.success(Made(file: ModelFile(object: object, start: 0, count: count), weight: Int(weight))))
    }
  }
}
