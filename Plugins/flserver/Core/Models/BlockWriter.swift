internal import NodeKit

/// Writes an object one stretch after the other, as fast as the disk takes it.
final class BlockWriter {
  private let fail: (any Error) -> Void
  private var upload: BlobUpload?
  private var isReady = false
  private var waiting: (bytes: ArraySlice<UInt8>, then: () -> Void)?
  private var whenFinished: ((String) -> Void)?

  init(_ blobs: Blobs, _ name: String, size: Int, failed fail: @escaping (any Error) -> Void) throws {
    self.fail = fail
    upload = try blobs.upload(name, size: size) { [self] upload, event in
      switch event {
      case .ready:
        // What is there of an earlier try may have been made of other updates.
        guard upload.offset == 0 || isReady else { return fail(RoleError(.aborted, "an earlier try is in the way")) }
        isReady = true
        try goOn()
      case .finished(let stored): whenFinished?(stored.sha256)
      case .failed(let error): fail(error)
      }
    }
  }

  /// One at a time.
  func write(_ bytes: ArraySlice<UInt8>, then: @escaping () -> Void) {
    waiting = (bytes, then)
    do { try goOn() } catch { fail(error) }
  }

  private func goOn() throws {
    guard isReady, let upload, let (all, then) = waiting else { return }
    var bytes = all
    while !bytes.isEmpty {
      let piece = bytes.prefix(BlobUpload.pieceLimit)
      guard try upload.write(piece) else { return waiting = (bytes, then) }
      bytes = bytes.dropFirst(piece.count)
    }
    waiting = nil
    then()
  }

  func finish(then: @escaping (String) -> Void) {
    whenFinished = then
    do { try upload?.finish() } catch { fail(error) }
  }

  func abandon() { upload?.abandon() }
}
