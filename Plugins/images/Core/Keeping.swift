public import NodeKit

/// What a client gets for an image that is kept.
public struct Receipt: Sendable, Equatable {
  var entry: ImageEntry
  /// On so many nodes' disks when this was said.
  var copies: Int
  var isDuplicate: Bool

  public var json: JSON {
    [
      "id": .string(entry.id.description), "bytes": JSON(entry.bytes), "type": .string(entry.format.mediaType),
      "width": JSON(entry.width), "height": JSON(entry.height), "term": JSON(entry.version.term),
      "copies": JSON(copies), "duplicate": .bool(isDuplicate),
      "checked": .string(entry.check == .decoded ? "decoded" : "header"),
    ]
  }
}

extension ImagesNode {
  typealias Outcome = Result<Receipt, IntakeProblem>

  static let notLeading = IntakeProblem(503, "this node does not lead any more; ask again who does", retryAfter: 1)

  /// The object of an upload that is whole becomes an image: it is decoded, given an entry, and brought to the others.
  /// Every way by which images come ends here.
  func keep(_ whole: Intake.Whole, then done: @escaping (Outcome) -> Void) {
    guard let id = ImageID(whole.stored.sha256) else { return done(.failure(IntakeProblem(500, "no digest"))) }
    alone(with: id) { [self] turn in
      let end = { [self] (outcome: Outcome) in
        turn.over()
        whole.copying?.end()
        if catalogue.live(id) == nil { dropObject(id) }
        done(outcome)
      }
      lookFor(id) { [self] isThere in
        guard isThere else {
          return end(.failure(IntakeProblem(503, "the image was being removed; send it again", retryAfter: 1)))
        }
        guard isSure else { return end(.failure(Self.notLeading)) }
        if let known = catalogue.live(id) {
          holdNow(id)
          return keepAgain(known, whole.copying, end)
        }
        decode(whole, id) { [self] result in
          switch result {
          case .failure(let problem): end(.failure(problem))
          case .success(let check): keepNew(whole, id, check, end)
          }
        }
      }
    }
  }

  private func keepNew(
    _ whole: Intake.Whole, _ id: ImageID, _ check: ImageEntry.Check, _ done: @escaping (Outcome) -> Void
  ) {
    guard isSure else { return done(.failure(Self.notLeading)) }
    guard catalogue.count < settings.maxImages || catalogue[id] != nil else {
      let words = "this sink keeps \(settings.maxImages) images and no more; `max_images` says so"
      return done(.failure(IntakeProblem(507, words)))
    }
    var entry = ImageEntry(id: id, version: nextVersion())
    (entry.bytes, entry.format, entry.check) = (whole.stored.size, whole.header.format, check)
    (entry.width, entry.height) = (whole.header.width, whole.header.height)
    entry.stored = Int64(context.timeSince1970 / .milliseconds(1))
    catalogue.hold(id)
    bring(entry, whole.bytes, whole.copying, isDuplicate: false, done)
  }

  /// An image that was there gets a later version if it is of an earlier term: whatever one of that term still wanted
  /// with it is over.
  private func keepAgain(_ known: ImageEntry, _ copying: Copying?, _ done: @escaping (Outcome) -> Void) {
    var entry = known
    if entry.version.term < leadership.term { entry.version = nextVersion() }
    bring(entry, nil, copying, isDuplicate: true, done)
  }

  private func bring(
    _ entry: ImageEntry, _ bytes: BytesAtHand?, _ copying: Copying?, isDuplicate: Bool,
    _ done: @escaping (Outcome) -> Void
  ) {
    let term = leadership.term
    propose(entry, bytes, copying) { [self] result in
      switch result {
      case .failure(let error): done(.failure(IntakeProblem(503, error.message, retryAfter: 1)))
      case .success(let copies):
        // Another may lead by now, and not know of it.
        guard mayAcknowledge(term) else { return done(.failure(Self.notLeading)) }
        measures?.stored(entry, isDuplicate: isDuplicate)
        if !isDuplicate { tellStored(entry, copies) }
        done(.success(Receipt(entry: entry, copies: copies, isDuplicate: isDuplicate)))
      }
    }
  }

  private func tellStored(_ entry: ImageEntry, _ copies: Int) {
    publish(
      "images.stored",
      [
        "id": .string(entry.id.description), "bytes": JSON(entry.bytes), "type": .string(entry.format.mediaType),
        "term": JSON(entry.version.term), "node": JSON(context.nodeID), "copies": JSON(copies),
      ])
  }

  func publish(_ topic: String, _ payload: JSON) { attempt(topic) { try context.bus.publish(topic, payload) } }

  // MARK: Removing

  func remove(_ id: ImageID, then done: @escaping (Result<Void, IntakeProblem>) -> Void) {
    alone(with: id) { [self] turn in
      let end = { (result: Result<Void, IntakeProblem>) in
        turn.over()
        done(result)
      }
      settle(id) { [self] isSettled in
        guard isSettled, isSure else { return end(.failure(Self.notLeading)) }
        guard catalogue.live(id) != nil else { return end(.failure(IntakeProblem(404, "there is no image \(id)"))) }
        let term = leadership.term
        propose(ImageEntry(id: id, version: nextVersion(), isRemoved: true)) { [self] result in
          if case .failure(let error) = result {
            return end(.failure(IntakeProblem(503, error.message, retryAfter: 1)))
          }
          guard mayAcknowledge(term) else { return end(.failure(Self.notLeading)) }
          measures?.removed.add()
          publish(
            "images.removed",
            ["id": .string(id.description), "term": JSON(term), "node": JSON(context.nodeID)])
          end(.success(()))
        }
      }
    }
  }
}
