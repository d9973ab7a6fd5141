import NodeTesting
import Testing

/// Objects, as a Swift role sees them on a fake host.
@Suite struct BlobTests {
  final class Album: Role {
    static let about = About("album", version: "1.0.0", "Keeps pictures.")
    static let needs: [Need] = [.blob]
    static let methods = [
      Method("keep(name, size)", "Keeps a picture.", keep), Method("open(name)", "Begins one.", open),
      Method("show(sha256)", "Shows a picture.", show), Method("first(sha256)", "The first bytes of one.", first),
      Method("names()", "All of them.", names), Method("drop(sha256)", "Forgets one.", drop),
      Method("abandon()", "Gives the open one up.", abandon),
    ]

    private let context: RoleContext
    private var upload: BlobUpload?
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
    func start() {}

    func keep(_ name: String, _ size: Int, _ reply: Reply<String>) throws {
      let picture = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
      try context.blobs.put(picture, as: name, mediaType: "image/png") { result in
        switch result {
        case .success(let stored): reply.send("\(stored.sha256) \(stored.isDuplicate)")
        case .failure(let error): reply.fail(error)
        }
      }
    }

    func open(_ name: String, _ reply: Reply<Int>) throws {
      upload = try context.blobs.upload(name) { upload, event in
        guard case .ready = event else { return }
        let start = upload.offset
        _ = try upload.write([1, 2, 3])
        reply.send(start)
      }
    }

    func abandon() { upload?.abandon() }

    func show(_ sha256: String, _ reply: Reply<[UInt8]>) throws {
      var bytes: [UInt8] = []
      try context.blobs.read(sha256) {
        bytes += $0.bytes
      } then: { result in
        switch result {
        case .success: reply.send(bytes)
        case .failure(let error): reply.fail(error)
        }
      }
    }

    func first(_ sha256: String, _ reply: Reply<Int>) throws {
      var count = 0
      var read: BlobRead?
      read = try context.blobs.read(sha256, asksItself: false) { piece in
        count += piece.bytes.count
        if count >= 256 << 10 { read?.cancel() }
      } then: { result in
        guard case .failure(let error) = result, error.status == .cancelled else {
          return reply.fail(.internal, "\(result)")
        }
        reply.send(count)
      }
    }

    func names(_ reply: Reply<String>) throws {
      try context.blobs.list { result in
        let blobs = try result.get()
        reply.send(blobs.map { "\($0.size) \($0.mediaType)" }.joined(separator: ", "))
      }
    }

    func drop(_ sha256: String, _ reply: Reply<Bool>) throws {
      try context.blobs.remove(sha256) { result in
        switch result {
        case .success: reply.send(true)
        case .failure(let error): reply.fail(error)
        }
      }
    }
  }

  private func host() throws -> FakeHost {
    let host = try FakeHost(Album.self)
    try host.start()
    return host
  }

  private func status<Answer: MethodValue>(_ body: () throws -> Answer) -> Status? {
    do {
      _ = try body()
      return nil
    } catch { return (error as? RoleError)?.status }
  }

  /// The second is longer than what may wait for the disk.
  @Test(arguments: [0, 100, 3_000_000]) func whatIsKeptIsShown(_ size: Int) throws {
    let host = try host()
    let picture = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    let answer: String = try host.call("keep", "a", size)
    let name = String(answer.split(separator: " ")[0])
    #expect(answer.hasSuffix("false") && host.blobs.objects[name]?.bytes == picture)
    #expect(try host.call("keep", "b", size) as String == "\(name) true")
    #expect(try host.call("show", name) as [UInt8] == picture)
    #expect(try host.call("names") as String == "\(size) image/png")
    #expect(try host.call("drop", name) as Bool)
    #expect(status { try host.call("drop", name) as Bool } == .notFound)
    #expect(status { try host.call("show", name) as [UInt8] } == .notFound)
    #expect(host.misuse.isEmpty && host.blobs.unfinished.isEmpty)
  }

  /// The vectors of FIPS 180-4.
  @Test func namesAreThoseOfANode() {
    var blobs = FakeBlobs()
    #expect(blobs.add([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(blobs.add(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    let long = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
    #expect(
      blobs.add(Array(long.utf8)) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
  }

  @Test func aFullDiskIsTold() throws {
    let host = try host()
    host.blobs.room = 1000
    #expect(status { try host.call("keep", "a", 1001) as String } == .resourceExhausted)
    #expect(status { try host.call("keep", "b", 900) as String } == nil)
    #expect(host.blobs.room == 100)
  }

  @Test func aFlippedBitIsTold() throws {
    let host = try host()
    let name = host.blobs.add([1, 2, 3])
    host.blobs.flipBit(9, of: name)
    #expect(status { try host.call("show", name) as [UInt8] } == .dataLoss)
  }

  @Test func aReadStopsWhereNobodyAsks() throws {
    let host = try host()
    let name = host.blobs.add([UInt8](repeating: 1, count: 1 << 20))
    #expect(try host.call("first", name) as Int == 256 << 10)
    #expect(host.misuse.isEmpty)
  }

  /// Whoever throws in the middle hears of it in the end, and nothing stays open.
  @Test func whatAClosureThrowsEndsTheRequest() throws {
    final class Thrower: Role {
      static let about = About("thrower", version: "1.0.0", "Throws.")
      static let needs: [Need] = [.blob]
      static let methods = [Method("write()", "Throws while writing.", write), Method("read(sha256)", "", read)]
      private let context: RoleContext
      init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
      func start() {}

      func write(_ reply: Reply<String>) throws {
        try context.blobs.upload("u") { _, event in
          switch event {
          case .ready: throw RoleError(.aborted, "no ink")
          case .finished: reply.send("finished")
          case .failed(let error): reply.send(error.message)
          }
        }
      }

      func read(_ sha256: String, _ reply: Reply<String>) throws {
        try context.blobs.read(sha256) { _ in
          throw RoleError(.aborted, "no eyes")
        } then: { result in
          if case .failure(let error) = result { reply.send(error.message) }
        }
      }
    }
    let host = try FakeHost(Thrower.self)
    try host.start()
    #expect(try host.call("write") as String == "no ink")
    #expect(try host.call("read", host.blobs.add([1])) as String == "no eyes")
    host.clock.advance(by: .zero)
    #expect(host.misuse.isEmpty && !host.log.contains { $0.level == .error })
  }

  @Test func anUploadGoesOnAfterASwap() throws {
    let host = try host()
    #expect(try host.call("open", "u") as Int == 0)
    host.clock.advance(by: .zero)
    let next = try host.swap(to: Album.self)
    #expect(try next.call("open", "u") as Int == 3)
    _ = try next.begin("abandon")
    next.clock.advance(by: .zero)
    #expect(next.blobs.unfinished.isEmpty && next.misuse.isEmpty)
  }

  @Test func whatTheRoleDoesNotSayItNeedsItDoesNotGet() throws {
    final class Silent: Role {
      static let about = About("silent", version: "1.0.0", "Says nothing.")
      static let needs: [Need] = []
      private let context: RoleContext
      init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
      func start() throws { try context.blobs.remove("") { _ in } }
    }
    #expect(throws: RoleError.self) { try FakeHost(Silent.self).start() }
  }
}
