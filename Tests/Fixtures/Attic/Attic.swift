import NodeKit

/// A role that keeps objects, for tests and benchmarks.
@main
final class Attic: Role {
  static let about = About("attic", version: "1.0.0", "Keeps objects.")
  static let needs: [Need] = [.blob]
  static let methods = [
    Method("put(name, bytes)", "Keeps bytes; answers with their SHA-256.", put),
    Method("make(name, size, seed)", "Makes an object of so many bytes; answers with its SHA-256.", make),
    Method("begin(name, bytes)", "Begins an upload; answers where it went on. It stays open.", begin),
    Method("get(sha256, offset, length)", "Reads; a length of 0 reads to the end.", get),
    Method("stat(sha256)", "What is known of an object.", stat),
    Method("list(last, limit)", "The names behind one.", list),
    Method("remove(sha256)", "Removes an object.", remove),
    Method("measure(size, rounds)", "Bytes a second of writing objects of a size, one after the other.", measure),
  ]

  private static let largest = 32 << 20
  private let context: RoleContext
  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
  func start() {}

  func put(_ name: String, _ bytes: [UInt8], _ reply: Reply<String>) throws {
    try context.blobs.put(bytes, as: name, mediaType: "application/octet-stream") { result in
      switch result {
      case .success(let stored): reply.send(stored.sha256)
      case .failure(let error): reply.fail(error)
      }
    }
  }

  private func check(_ size: Int) throws {
    guard (0...Self.largest).contains(size) else {
      throw RoleError(.invalidArgument, "\(size) bytes; up to \(Self.largest) are made")
    }
  }

  func make(_ name: String, _ size: Int, _ seed: Int, _ reply: Reply<String>) throws {
    try check(size)
    let content = Content(seed: seed)
    try context.blobs.upload(name, size: size) { upload, event in
      switch event {
      case .ready:
        while upload.offset < size {
          guard try upload.write(content.bytes(from: upload.offset, to: min(size, upload.offset + 100_000))) else {
            return
          }
        }
        try upload.finish()
      case .finished(let stored): reply.send(stored.sha256)
      case .failed(let error): reply.fail(error)
      }
    }
  }

  func begin(_ name: String, _ bytes: [UInt8], _ reply: Reply<Int>) throws {
    var isAnswered = false
    try context.blobs.upload(name) { [self] upload, event in
      switch event {
      case .ready:
        guard !isAnswered else { return }
        isAnswered = true
        let start = upload.offset
        _ = try upload.write(bytes)
        reply.send(start)
      case .finished: break
      case .failed(let error):
        context.log.info("\(name): \(error)")
        if !isAnswered { reply.fail(error) }
      }
    }
  }

  func get(_ sha256: String, _ offset: Int, _ length: Int, _ reply: Reply<[UInt8]>) throws {
    var bytes: [UInt8] = []
    try context.blobs.read(sha256, from: offset, length: length == 0 ? nil : length) {
      bytes += $0.bytes
    } then: { result in
      switch result {
      case .success: reply.send(bytes)
      case .failure(let error): reply.fail(error)
      }
    }
  }

  func stat(_ sha256: String, _ reply: Reply<String>) throws {
    try context.blobs.stat(sha256) { result in
      switch result {
      case .success(let blob): reply.send("\(blob.size) \(blob.mediaType)")
      case .failure(let error): reply.fail(error)
      }
    }
  }

  func list(_ last: String, _ limit: Int, _ reply: Reply<String>) throws {
    try context.blobs.list(after: last, limit: limit == 0 ? nil : limit) { result in
      switch result {
      case .success(let blobs): reply.send(blobs.map { $0.problem ?? $0.sha256 }.joined(separator: "\n"))
      case .failure(let error): reply.fail(error)
      }
    }
  }

  func remove(_ sha256: String, _ reply: Reply<Bool>) throws {
    try context.blobs.remove(sha256) { result in
      switch result {
      case .success: reply.send(true)
      case .failure(let error): reply.fail(error)
      }
    }
  }

  func measure(_ size: Int, _ rounds: Int, _ reply: Reply<Double>) throws {
    try check(size)
    guard (1...1000).contains(rounds) else { throw RoleError(.invalidArgument, "\(rounds) rounds") }
    let body = Content(seed: 1).bytes(from: 0, to: size)
    try write(body, rounds, since: context.now, of: rounds, reply)
  }

  /// Each object begins with its number, or it would be a duplicate. The pieces are as long as a socket gives them.
  private func write(_ body: [UInt8], _ left: Int, since start: Moment, of rounds: Int, _ reply: Reply<Double>) throws {
    let number = (0..<8).map { UInt8(truncatingIfNeeded: left >> (8 * $0)) }
    try context.blobs.upload("measure", size: 8 + body.count) { [self] upload, event in
      switch event {
      case .ready:
        if upload.offset == 0, try !upload.write(number) { return }
        while case let place = upload.offset - 8, place < body.count {
          guard try upload.write(body[place..<min(body.count, place + 65_536)]) else { return }
        }
        try upload.finish()
      case .finished:
        if left > 1 { return try write(body, left - 1, since: start, of: rounds, reply) }
        let nanoseconds = context.now.nanoseconds - start.nanoseconds
        reply.send(Double(body.count * rounds) * 1e9 / Double(nanoseconds))
      case .failed(let error): reply.fail(error)
      }
    }
  }
}

/// Bytes that a seed repeats, from any place on.
struct Content {
  let seed: Int

  func bytes(from start: Int, to end: Int) -> [UInt8] {
    (start..<max(start, end)).map { place in
      let mixed = (UInt64(truncatingIfNeeded: seed) << 40 ^ UInt64(place >> 3)) &* 0x9E37_79B9_7F4A_7C15
      return UInt8(truncatingIfNeeded: (mixed ^ mixed >> 29) >> UInt64(8 * (place & 7)))
    }
  }
}
