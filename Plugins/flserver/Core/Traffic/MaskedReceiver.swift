internal import NodeKit

/// What a call gives the pieces of an update to.
protocol UpdateTaking: AnyObject {
  func take(_ piece: ArraySlice<UInt8>)
  /// The trainer has sent its last.
  func last()
  func stop()
}

extension UpdateReceiver: UpdateTaking {}

/// Takes masked numbers as they come, and has them on the disk in the end. There is nothing in them that could be
/// looked at but how many they are.
final class MaskedReceiver: UpdateTaking {
  private let size: Int
  private let wantMore: () -> Void
  private let done: (Result<ModelFile, RoleError>) -> Void
  private var writer: BlockWriter?
  private var taken = 0
  private var written = 0
  private var hasAll = false
  private var isOver = false

  init(
    _ context: RoleContext, name: String, announced: Int, size: Int, wantMore: @escaping () -> Void,
    then done: @escaping (Result<ModelFile, RoleError>) -> Void
  ) throws {
    (self.size, self.wantMore, self.done) = (size, wantMore, done)
    guard announced == size else {
      throw RoleError(.invalidArgument, "\(announced) bytes of masked numbers are announced; \(size) were agreed on")
    }
    writer = try BlockWriter(context.blobs, name, size: size) { [self] in end(.failure(RoleError($0))) }
  }

  func take(_ piece: ArraySlice<UInt8>) {
    guard !isOver, !piece.isEmpty else { return isOver ? () : wantMore() }
    taken += piece.count
    guard taken <= size else {
      return end(.failure(RoleError(.invalidArgument, "more than the \(size) bytes come that were announced")))
    }
    // One piece is asked for at a time, so the last one is written.
    writer?.write(piece) { [self] in
      written = taken
      if hasAll { finish() } else { wantMore() }
    }
  }

  func last() {
    hasAll = true
    if written == taken { finish() }
  }

  private func finish() {
    guard !isOver else { return }
    guard taken == size else {
      return end(.failure(RoleError(.invalidArgument, "\(taken) of \(size) bytes came")))
    }
    writer?.finish { [self] object in end(.success(ModelFile(object: object, start: 0, count: size / 4))) }
  }

  func stop() { end(.failure(RoleError(.cancelled, "the numbers are not wanted any more"))) }

  private func end(_ result: Result<ModelFile, RoleError>) {
    guard !isOver else { return }
    isOver = true
    if case .failure = result { writer?.abandon() }
    writer = nil
    done(result)
  }
}
