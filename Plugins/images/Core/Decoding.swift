internal import NodeKit

/// Images that wait to be decoded: a few at a time, so that memory stays bounded however many come.
struct Decoding {
  static let atATime = 2
  /// More wait on the disk, as uploads that are not answered.
  var waiting: [() -> Void] = []
  var running = 0
}

/// A decoding that is under way, for who will want to know how it ended.
final class Checking {
  typealias Outcome = Result<ImageEntry.Check, IntakeProblem>

  private var outcome: Outcome?
  private var then: ((Outcome) -> Void)?

  func end(_ outcome: Outcome) {
    self.outcome = outcome
    then?(outcome)
    then = nil
  }

  func whenOver(_ body: @escaping (Outcome) -> Void) {
    if let outcome { body(outcome) } else { then = body }
  }
}

extension ImagesNode {
  /// An upload to be; what comes of it is decoded as soon as it is here, and not only when it is on the disk.
  func intake(
    _ name: String, size: Int?, sha256: String?, done: @escaping (Result<Intake.Whole, IntakeProblem>) -> Void
  ) -> Intake {
    let intake = Intake(
      context.blobs, name, size: size, sha256: sha256, settings.header, limit: settings.imageLimit, memory,
      atHandLimit: settings.decodeLimit, done: done)
    let promised = sha256.flatMap { ImageID($0) }
    intake.onWhole = { [self] bytes, header in
      // One that is there already needs no decoding.
      if let promised, catalogue.live(promised) != nil { return nil }
      let checking = Checking(), pieces = bytes.pieces
      inTurn { [self] over in
        check(pieces, header) {
          over()
          checking.end($0)
        }
      }
      return checking
    }
    return intake
  }

  /// Whether the bytes are what their header says. Larger ones than the limit are taken at its word.
  func decode(
    _ whole: Intake.Whole, _ id: ImageID, then done: @escaping (Result<ImageEntry.Check, IntakeProblem>) -> Void
  ) {
    guard whole.stored.size <= settings.decodeLimit else { return done(.success(.header)) }
    if let checking = whole.checking { return checking.whenOver(done) }
    inTurn { [self] over in
      let end = { (result: Result<ImageEntry.Check, IntakeProblem>) in
        over()
        done(result)
      }
      if let bytes = whole.bytes { return check(bytes.pieces, whole.header, end) }
      collect(id) { [self] result in
        switch result {
        case .success(let bytes): check([bytes], whole.header, end)
        case .failure(let error): end(.failure(IntakeProblem(error)))
        }
      }
    }
  }

  private func check(
    _ pieces: [[UInt8]], _ header: ImageHeader, _ done: @escaping (Result<ImageEntry.Check, IntakeProblem>) -> Void
  ) {
    let (frames, pixels) = (settings.maxFrames, settings.maxPixels)
    do {
      try context.work.run { _ in
        try ImageCodec.check(BytesAtHand.joined(pieces), header.format, frames: frames, pixels: pixels)
      } then: { result in
        switch result {
        case .success(let facts) where facts.width == header.width && facts.height == header.height:
          done(.success(.decoded))
        case .success(let facts):
          let words = "its header says \(header.width) × \(header.height), and it is \(facts.width) × \(facts.height)"
          done(.failure(IntakeProblem(415, words)))
        case .failure(let error) where error.status == .invalidArgument:
          done(.failure(IntakeProblem(415, "it cannot be decoded: \(error.message)")))
        case .failure(let error): done(.failure(IntakeProblem(error)))
        }
      }
    } catch { done(.failure(IntakeProblem(RoleError(error)))) }
  }

  /// Runs `body` when not too many others run; it says when it is over.
  func inTurn(_ body: @escaping (_ over: @escaping () -> Void) -> Void) {
    guard decoding.running < Decoding.atATime else {
      return decoding.waiting.append { [self] in inTurn(body) }
    }
    decoding.running += 1
    body { [self] in
      decoding.running -= 1
      if !decoding.waiting.isEmpty { decoding.waiting.removeFirst()() }
    }
  }

  /// All bytes of a small enough object.
  func collect(_ id: ImageID, then done: @escaping (Result<[UInt8], RoleError>) -> Void) {
    var bytes: [UInt8] = []
    do {
      try context.blobs.read(id.description) {
        bytes += $0.bytes
      } then: { [self] result in
        if case .failure(let error) = result, error.status == .dataLoss { foundDamaged(id, error.message) }
        done(result.map { bytes })
      }
    } catch { done(.failure(RoleError(error))) }
  }
}
