internal import NodeKit

/// Brings objects from another server's disk to this one.
final class ObjectFetcher {
  private static let timeout = Duration.seconds(600)

  private let context: RoleContext

  init(_ context: RoleContext) { self.context = context }

  /// Those that are here already are not fetched.
  func fetch(_ objects: [String], from place: String, then done: @escaping (RoleError?) -> Void) {
    guard let object = objects.first else { return done(nil) }
    let rest = Array(objects.dropFirst())
    let next = { [self] (error: RoleError?) in
      if let error { done(error) } else { fetch(rest, from: place, then: done) }
    }
    do {
      try context.blobs.stat(object) { [self] found in
        if case .success = found { return next(nil) }
        try get(object, place, then: next)
      }
    } catch { done(RoleError(error)) }
  }

  private func get(_ object: String, _ place: String, then done: @escaping (RoleError?) -> Void) throws {
    let arrival = ObjectArrival(done)
    arrival.upload = try context.blobs.upload("from-\(object)", sha256: object) { try arrival.told($0, $1) }
    arrival.request = try context.client.open(
      "GET", "\(place)/objects/\(object)", timeout: Self.timeout, byCredit: true
    ) {
      arrival.heard($1)
    }
  }
}

/// One object on its way.
private final class ObjectArrival {
  var upload: BlobUpload?
  var request: ClientRequest?
  private var done: ((RoleError?) -> Void)?
  private var waiting: ArraySlice<UInt8> = []
  private var owed = 0
  private var skipped = 0
  private var isReady = false
  private var hasAll = false

  init(_ done: @escaping (RoleError?) -> Void) { self.done = done }

  func heard(_ event: Client.Event) {
    switch event {
    case .answered(let answer) where answer.status != 200:
      end(RoleError(.unavailable, "the other server answers with HTTP status \(answer.status)"))
    case .body(let bytes):
      waiting += bytes
      owed += bytes.count
      goOn()
    case .ended:
      hasAll = true
      goOn()
    case .failed(let error): end(error)
    default: break
    }
  }

  func told(_ upload: BlobUpload, _ event: Blobs.UploadEvent) throws {
    switch event {
    case .ready:
      if !isReady { skipped = upload.offset }
      isReady = true
      goOn()
    case .finished: end(nil)
    case .failed(let error): end(error)
    }
  }

  private func goOn() {
    guard isReady, done != nil, let upload else { return }
    do {
      // An earlier try has brought the beginning.
      let known = min(skipped, waiting.count)
      waiting = waiting.dropFirst(known)
      skipped -= known
      while !waiting.isEmpty {
        guard try upload.write(waiting.prefix(BlobUpload.pieceLimit)) else { return }
        waiting = waiting.dropFirst(BlobUpload.pieceLimit)
      }
      request?.wantMore(owed)
      owed = 0
      guard hasAll else { return }
      hasAll = false
      try upload.finish()
    } catch { end(RoleError(error)) }
  }

  private func end(_ error: RoleError?) {
    guard let done else { return }
    self.done = nil
    if error != nil {
      request?.cancel()
      upload?.cancel()
    }
    done(error)
  }
}
