import CNodeABI
import HostCore
import NodeValues
import Synchronization

/// The objects of a role, for an operator. The role need not run.
extension Node {
  func blobs(_ role: ManagedRole, _ query: BlobQuery, _ reply: @escaping Reply) {
    guard let store = services.blobs.store(of: role.name) else {
      return reply(.failure(.init(.unavailable, "this node has no state folder", place: role.name)))
    }
    switch query {
    case .list(let last, let limit):
      onDisk(store, reply) { () throws(BlobFailure) in
        try store.prepare()
        let names = store.list(after: last, limit: limit)
        let more: JSON = ["blobs": .array(names.compactMap(store.entry)), "more": .bool(names.count == limit)]
        return .json(more)
      }
    case .stat(let name, checks: false):
      onDisk(store, reply) { () throws(BlobFailure) in .json(try store.told(BlobName(name)!)) }
    case .stat(let name, checks: true):
      let reference = UncheckedReference(role)
      read(store, name, 0, 0, reply) { [self] _ in blobs(reference.value, .stat(name, checks: false), reply) }
    case .bytes(let name, let offset, let length):
      read(store, name, offset, UInt64(length), reply) { reply(.bytes($0)) }
    case .scrub, .scrubbed:
      let scrub = query == .scrub ? services.blobs.scrub(role.name) : services.blobs.lastScrub(of: role.name)
      if let scrub { return reply(.json(scrub.json)) }
      let text = "its objects have not been scrubbed since the node started; `hostctl blob scrub \(role.name)` does it"
      reply(.failure(.init(.notFound, text, place: role.name)))
    }
  }

  private func onDisk(
    _ store: BlobStore, _ reply: @escaping Reply, _ work: @escaping @Sendable () throws(BlobFailure) -> ControlReply
  ) {
    services.blobs.pool.submit(for: self) { [control] in
      let answer: ControlReply
      do throws(BlobFailure) { answer = try work() } catch { answer = .failure(error.controlFailure(store.role)) }
      control.post { reply(answer) }
    }
  }

  /// Reads as a role would. `done` gets the bytes on the control loop, unless all of the object is read, which only
  /// checks it.
  private func read(
    _ store: BlobStore, _ name: String, _ offset: UInt64, _ length: UInt64, _ reply: @escaping Reply,
    _ done: @escaping @Sendable ([UInt8]) -> Void
  ) {
    let found = Mutex<[UInt8]>([])
    let reading = ReadingHolder()
    let collects = length > 0
    let buffers = services.blobs.buffers
    let made = BlobReading(BlobName(name)!, offset, length, store, services.blobs) { [control] news in
      switch news {
      case .piece(let buffer, let range, _):
        if collects { found.withLock { $0 += buffer.content[range] } }
        buffers.give([buffer])
        reading.reading?.credit(UInt64(range.count))
      case .failed(let failure): control.post { reply(.failure(failure.controlFailure(store.role))) }
      default:
        reading.reading = nil
        let bytes = found.withLock { $0 }
        control.post { done(bytes) }
      }
    }
    reading.reading = made
    made.begin()
  }
}

/// A read that its own news keep alive and drive.
private final class ReadingHolder: @unchecked Sendable {
  /// Set before the first news, and then touched by them only, one after the other.
  var reading: BlobReading?
}

extension BlobFailure {
  func controlFailure(_ place: String) -> ControlFailure {
    ControlFailure(StatusCode(rawValue: status) ?? .unknown, message, place: place)
  }
}

extension BlobStore {
  /// With the key that it is sealed with: when none is left of an old key, that can go.
  func told(_ name: BlobName) throws(BlobFailure) -> JSON {
    let (file, record) = try open(name)
    guard var object = record.json.object, let key = file.header.seal?.keyID else { return record.json }
    object["key"] = .string(key)
    return .object(object)
  }

  func entry(_ name: BlobName) -> JSON? { (try? told(name)) ?? item(name) }
}
