internal import NodeKit
internal import Tensors

/// Takes the file of an update as it comes, and has it on the disk in the end as a file of plain floats, in which every
/// number is one. A plain update goes there piece by piece; one in another form is smaller and is collected, and
/// unpacked on the CPU pool.
final class UpdateReceiver {
  private let context: RoleContext
  private let layout: TensorLayout
  private let form: UpdateForm
  private let base: Weights?
  private let name: String
  private let size: Int
  private let wantMore: () -> Void
  private let done: (Result<ModelFile, RoleError>) -> Void
  private var check: WeightsCheck?
  private var upload: BlobUpload?
  private var isReady = false
  private var waiting: ArraySlice<UInt8> = []
  private var collected: [UInt8] = []
  private var hasAll = false
  private var isOver = false

  /// - Parameters:
  ///   - base: what the trainer was given, for forms with differences.
  ///   - wantMore: may be asked for after each piece.
  init(
    _ context: RoleContext, _ layout: TensorLayout, _ form: UpdateForm, base: Weights?, name: String, size: Int,
    wantMore: @escaping () -> Void, then done: @escaping (Result<ModelFile, RoleError>) -> Void
  ) throws {
    (self.context, self.layout, self.form, self.base) = (context, layout, form, base)
    (self.name, self.size, self.wantMore, self.done) = (name, size, wantMore, done)
    if form == .plain {
      check = try Self.words { () throws(TensorError) in try WeightsCheck(layout, size: size) }
      upload = try context.blobs.upload(name, size: size) { [self] in try uploadTold($0, $1) }
    } else {
      let limit = UpdateDecoder(layout).limit
      guard size <= limit else {
        throw RoleError(.invalidArgument, "an update of \(size) bytes; \(form.text) takes at most \(limit)")
      }
      collected.reserveCapacity(size)
    }
  }

  private static func words<R>(_ body: () throws(TensorError) -> R) throws -> R {
    do { return try body() } catch { throw RoleError(.invalidArgument, error.description) }
  }

  private func end(_ result: Result<ModelFile, RoleError>) {
    guard !isOver else { return }
    isOver = true
    if case .failure = result { upload?.abandon() }
    done(result)
  }

  func stop() { end(.failure(RoleError(.cancelled, "the update is not wanted any more"))) }

  func take(_ piece: ArraySlice<UInt8>) {
    guard !isOver else { return }
    do {
      guard upload != nil else {
        guard collected.count + piece.count <= size else {
          throw RoleError(.invalidArgument, "more than the \(size) bytes come that were announced")
        }
        collected += piece
        return wantMore()
      }
      try Self.words { () throws(TensorError) in try check?.take(piece) }
      // Mostly there is room, and it goes on as it came.
      if waiting.isEmpty { waiting = piece } else { waiting += piece }
      try goOn()
    } catch { end(.failure(RoleError(error))) }
  }

  /// The trainer has sent its last.
  func last() {
    guard !isOver else { return }
    hasAll = true
    do { if upload == nil { try unpack() } else { try goOn() } } catch { end(.failure(RoleError(error))) }
  }

  // MARK: Plain

  private func uploadTold(_ upload: BlobUpload, _ event: Blobs.UploadEvent) throws {
    switch event {
    case .ready:
      // Of an earlier try, of which nobody knows what it was.
      guard isReady || upload.offset == 0 else {
        throw RoleError(.aborted, "an update of that number came before")
      }
      isReady = true
      try goOn()
    case .finished(let stored):
      guard let start = try check.map({ check in try Self.words { () throws(TensorError) in try check.end() } }) else {
        return
      }
      end(.success(ModelFile(object: stored.sha256, start: start, count: layout.count)))
    case .failed(let error): end(.failure(error))
    }
  }

  private func goOn() throws {
    guard isReady, let upload else { return }
    while !waiting.isEmpty {
      guard try upload.write(waiting.prefix(BlobUpload.pieceLimit)) else { return }
      waiting = waiting.dropFirst(BlobUpload.pieceLimit)
    }
    guard hasAll else { return wantMore() }
    _ = try Self.words { () throws(TensorError) in try check?.end() }
    try upload.finish()
  }

  // MARK: In another form

  private func unpack() throws {
    let bytes = collected, form = form, base = base, layout = layout
    collected = []
    try context.work.run { _ in
      do {
        let weights = try UpdateDecoder(layout).decode(bytes, form, base: base)
        guard weights.largest <= WeightedSum.valueLimit else {
          throw TensorError("a number of the update is \(weights.largest)")
        }
        return weights.file()
      } catch { throw RoleError(.invalidArgument, "\(error)") }
    } then: { [self] result in
      guard !isOver else { return }
      do { try keep(result.get()) } catch { end(.failure(RoleError(error))) }
    }
  }

  private func keep(_ file: [UInt8]) throws {
    let start = file.count - 4 * layout.count
    try context.blobs.put(file, as: name) { [self] result in
      end(result.map { ModelFile(object: $0.sha256, start: start, count: layout.count) })
    }
  }
}
