import NodeTesting
import Testing

@testable import ImagesCore

/// Uploads that go to the other nodes while they come.
@Suite struct CopyingTests {
  private static let picture = Pictures.large(300_000)
  private var picture: [UInt8] { Self.picture }

  private func led() throws -> Sinks {
    let sinks = try Sinks()
    sinks.elect(3)
    return sinks
  }

  /// An upload at node 3 of which so much has come.
  private func begun(_ sinks: Sinks, _ count: Int = 200_000, of picture: [UInt8]) -> PendingRequest {
    let request = sinks[3].openRequest("PUT", "/images", headers: ["content-length": "\(picture.count)"])
    request.send(Array(picture.prefix(count)))
    sinks.pass(.milliseconds(50))
    return request
  }

  private func end(_ request: PendingRequest, _ sinks: Sinks, wait: Duration = .milliseconds(200)) {
    request.send(Array(picture[200_000...]))
    request.finish()
    sinks.pass(wait)
  }

  private func kinds(_ sinks: Sinks, _ node: Int, to other: Int) -> [UInt8] {
    sinks[node].sent.filter { $0.node == other }.map { $0.bytes[1] }
  }

  private func hasNothing(_ sinks: Sinks, _ node: Int) -> Bool {
    let status = try? sinks[node].call("status") as JSON
    return sinks[node].blobs.objects.isEmpty && sinks[node].blobs.unfinished.isEmpty && status?["beginnings"] == 0
      && status?["images"] == 0
  }

  @Test func othersHaveItWhenItHasCome() throws {
    let sinks = try led()
    let request = begun(sinks, of: picture)
    for node in 1...2 {
      #expect(sinks[node].blobs.unfinished.values.first?.count ?? 0 >= 128 << 10, "node \(node)")
      #expect(sinks[node].blobs.objects.isEmpty)
    }
    // Nobody is given anything of it.
    let id = ImageID(ContentName.of(picture))!
    #expect(sinks.get("/images/\(id)", at: 3).status == 404)
    end(request, sinks)
    #expect(try request.status == 201 && request.json()["copies"]?.int ?? 0 >= 2, "\(request.status) \(request.text)")
    for node in 1...3 { #expect(sinks[node].blobs.objects["\(id)"]?.bytes == picture, "node \(node)") }
    for node in 1...2 {
      let sent = kinds(sinks, 3, to: node)
      // Begun, whole and sealed once, and never sent again as a whole.
      for kind: UInt8 in [15, 16, 17] { #expect(sent.count { $0 == kind } == 1, "kind \(kind)") }
      #expect(!sent.contains(7))
      #expect(sinks[node].misuse.isEmpty && sinks[node].blobs.unfinished.isEmpty)
    }
  }

  @Test func aClientThatGoesLeavesNothingAnywhere() throws {
    let sinks = try led()
    let request = begun(sinks, of: picture)
    request.hangUp()
    sinks.pass(.milliseconds(100))
    for node in 1...3 { #expect(hasNothing(sinks, node), "node \(node)") }
  }

  @Test func whatIsNoImageLeavesNothingAnywhere() throws {
    let sinks = try led()
    let wrong = sinks.put(
      picture, at: 3, ["repr-digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"], wait: .seconds(1))
    #expect(wrong.status == 422)
    let cut = sinks.put(Array(picture.dropLast(120)), at: 3, wait: .seconds(1))
    #expect(cut.status == 415, "\(cut.status) \(cut.text)")
    for node in 1...2 { #expect(kinds(sinks, 3, to: node).count { $0 == 16 } == 2) }
    for node in 1...3 { #expect(hasNothing(sinks, node), "node \(node)") }
  }

  @Test func aFollowerDiesMeanwhile() throws {
    let sinks = try led()
    let request = begun(sinks, of: picture)
    sinks.network.crash(sinks[1])
    end(request, sinks)
    #expect(try request.status == 201 && request.json()["copies"] == 2, "\(request.text)")
    #expect(!sinks[1].blobs.unfinished.isEmpty)
    try sinks.restart(1)
    #expect(sinks[1].blobs.unfinished.isEmpty && sinks[1].blobs.objects.isEmpty)
    sinks.pass(.seconds(4))
    #expect(sinks[1].blobs.objects[try sinks.id(of: request)]?.bytes == picture)
  }

  @Test func theLeaderDiesMeanwhile() throws {
    let sinks = try led()
    _ = begun(sinks, of: picture)
    sinks.network.crash(sinks[3])
    sinks.pass(.milliseconds(10))
    for node in 1...2 { #expect(hasNothing(sinks, node), "node \(node)") }
    sinks.elect(2, hear: [1, 2])
    #expect(sinks.put(picture, at: 2, wait: .seconds(1)).status == 201)
    #expect(sinks[1].blobs.objects.count == 1 && sinks[1].blobs.unfinished.isEmpty)
  }

  @Test func aDeposedLeadersBeginningsAreRefused() throws {
    let sinks = try led()
    let request = begun(sinks, of: picture)
    sinks.elect(2, hear: [1, 2])
    for node in 1...2 { #expect(hasNothing(sinks, node), "node \(node)") }
    #expect(sinks[1].sent.contains { ImageMessage($0.bytes).map(Self.isOfEarlierTerm) == true })
    end(request, sinks)
    #expect(request.status == 503, "\(request.status) \(request.text)")
    tell(sinks, .begin(term: 1, number: 9, format: .png))
    sinks.pass(.milliseconds(10))
    for node in 1...2 { #expect(hasNothing(sinks, node), "node \(node)") }
  }

  private static func isOfEarlierTerm(_ message: ImageMessage) -> Bool {
    if case .refused(_, 2, .earlierTerm) = message { true } else { false }
  }

  /// Node 1 gets it as if node 3 had sent it.
  private func tell(_ sinks: Sinks, _ message: ImageMessage) { sinks[1].receive(message.bytes, from: 3) }

  private func entry(_ bytes: [UInt8], _ size: Int? = nil) -> ImageEntry {
    var entry = ImageEntry(id: ImageID(ContentName.of(bytes))!, version: .init(term: 1, number: 1))
    (entry.bytes, entry.format, entry.width, entry.height) = (size ?? bytes.count, .png, 8, 6)
    return entry
  }

  /// A leader that says another length, or another digest, than that of what it has sent.
  @Test func lengthsAndDigestsThatLie() throws {
    let sinks = try led(), bytes = Pictures.png(), other = Pictures.png(seed: 1)
    let lies: [(UInt64, UInt64, ImageEntry)] = [
      (20, UInt64(bytes.count + 1), entry(bytes)), (21, UInt64(bytes.count), entry(other, bytes.count)),
      (22, UInt64(bytes.count), entry(bytes, bytes.count + 1)),
    ]
    for (number, size, entry) in lies {
      tell(sinks, .begin(term: 1, number: number, format: .png))
      tell(sinks, .chunk(number: number, offset: 0, bytes: bytes[...]))
      tell(sinks, .whole(number: number, size: size))
      tell(sinks, .seal(term: 1, copy: number, number: number + 100, entry: entry))
      sinks.pass(.milliseconds(50))
      #expect(hasNothing(sinks, 1), "\(number)")
      let answers = sinks[1].sent.compactMap { ImageMessage($0.bytes) }
      #expect(answers.contains(.refused(number: number + 100, term: 1, reason: number == 20 ? .busy : .damaged)))
    }
    // Nor does a chunk count that is not what comes next.
    tell(sinks, .begin(term: 1, number: 23, format: .png))
    tell(sinks, .chunk(number: 23, offset: 5, bytes: bytes[...]))
    sinks.pass(.milliseconds(50))
    #expect(hasNothing(sinks, 1))
  }

  @Test func whoIsSlowIsNotWaitedFor() throws {
    let sinks = try led()
    sinks[1].blobs.takes = .milliseconds(700)
    let request = sinks.put(picture, at: 3, wait: .milliseconds(300))
    #expect(try request.status == 201 && request.json()["copies"] == 2, "\(request.status)")
    sinks.pass(.seconds(8))
    #expect(sinks[1].blobs.objects.count == 1 && !kinds(sinks, 3, to: 1).contains(7))
  }

  /// As long as something comes now and then, the others get it.
  @Test func aSlowClientIsCopiedAllTheSame() throws {
    let sinks = try led()
    let request = sinks[3].openRequest("PUT", "/images", headers: ["content-length": "\(picture.count)"])
    var rest = picture[...]
    while !rest.isEmpty {
      request.send(Array(rest.prefix(70_000)))
      rest = rest.dropFirst(70_000)
      sinks.pass(.seconds(2))
    }
    request.finish()
    sinks.pass(.milliseconds(200))
    #expect(request.status == 201)
    for node in 1...2 { #expect(!kinds(sinks, 3, to: node).contains(7) && sinks[node].blobs.objects.count == 1) }
  }

  @Test func aFullDiskIsPassedOver() throws {
    let sinks = try led()
    sinks[1].blobs.room = 100_000
    let request = sinks.put(picture, at: 3, wait: .seconds(1))
    #expect(try request.status == 201 && request.json()["copies"] == 2, "\(request.status)")
    #expect(sinks[1].blobs.objects.isEmpty)
    sinks[1].blobs.room = nil
    sinks.pass(.seconds(40))
    #expect(sinks[1].blobs.objects.count == 1 && sinks[1].blobs.unfinished.isEmpty)
  }

  /// Who says nothing more, and whose link is there all the same.
  @Test func whoIsSilentIsForgotten() throws {
    let sinks = try led()
    tell(sinks, .begin(term: 1, number: 20, format: .png))
    tell(sinks, .chunk(number: 20, offset: 0, bytes: picture[..<60_000]))
    sinks.pass(.milliseconds(20))
    #expect(!sinks[1].blobs.unfinished.isEmpty)
    sinks.pass(.seconds(7))
    #expect(hasNothing(sinks, 1))
  }

  @Test func messagesAreReadAsTheyWereWritten() {
    let atHand = BytesAtHand(MemoryRoom())
    for piece in [[1, 2, 3], [4, 5], [6]] as [[UInt8]] { #expect(atHand.add(piece)) }
    var cursor = BytesCursor(atHand)
    let chunks = (0..<3).map { ImageMessage.chunk(7, 4 * $0, &cursor, upTo: 4) }
    #expect(ImageMessage(chunks[0]) == .chunk(number: 7, offset: 0, bytes: [1, 2, 3, 4]))
    #expect(ImageMessage(chunks[1]) == .chunk(number: 7, offset: 4, bytes: [5, 6]))
    #expect(chunks[2].count == ImageMessage.chunkHead)
    let messages: [ImageMessage] = [
      .begin(term: 1, number: 2, format: .webp), .whole(number: 3, size: .max),
      .seal(term: 4, copy: 5, number: 6, entry: entry(Pictures.png())),
    ]
    for message in messages {
      #expect(ImageMessage(message.bytes) == message)
      for count in 0..<message.bytes.count { #expect(ImageMessage(Array(message.bytes.prefix(count))) == nil) }
      #expect(ImageMessage(message.bytes + [0]) == nil)
    }
    // A format that there is not.
    #expect(ImageMessage(Array(messages[0].bytes.dropLast()) + [99]) == nil)
  }

  @Test func onlySoManyAtATime() throws {
    let sinks = try led()
    let pictures = (0..<Copying.limit + 4).map { Pictures.png(seed: $0) }
    let requests = pictures.map { begun(sinks, 60, of: $0) }
    #expect(try (sinks[1].call("status") as JSON)["beginnings"] == JSON(Beginning.limit))
    for (request, picture) in zip(requests, pictures) {
      request.send(Array(picture[60...]))
      request.finish()
    }
    sinks.pass(.seconds(1))
    for request in requests { #expect(request.status == 201, "\(request.status) \(request.text)") }
    for node in 1...3 {
      #expect(sinks[node].blobs.objects.count == pictures.count && sinks[node].blobs.unfinished.isEmpty)
    }
    // More than a node gives a leader that does not count.
    for number: UInt64 in 0...UInt64(Beginning.limit) {
      tell(sinks, .begin(term: 1, number: 50 + number, format: .png))
    }
    sinks.pass(.milliseconds(10))
    let answers = sinks[1].sent.compactMap { ImageMessage($0.bytes) }
    #expect(answers.last == .refused(number: 50 + UInt64(Beginning.limit), term: 1, reason: .busy))
  }
}
