import HostCore
import NodeValues
import Testing

/// What travels between nodes, without a network.
@Suite struct PeerTests {
  private struct Parcel: Equatable {
    var kind: PeerFrame.Kind
    var lane: PeerFrame.Lane
    var body: [UInt8]
  }

  private func read(_ bytes: [UInt8], _ reader: inout PeerReader) throws(PeerFault) -> (parcels: [Parcel], used: Int) {
    var parcels: [Parcel] = []
    let used = try bytes.withUnsafeBufferPointer { (bytes) throws(PeerFault) in
      try reader.read(UnsafeRawBufferPointer(bytes)) { (kind, lane, body) throws(PeerFault) in
        parcels.append(Parcel(kind: kind, lane: lane, body: [UInt8](body)))
        return true
      }
    }
    return (parcels, used)
  }

  @Test(arguments: [0, 1, 100, PeerFrame.bodyLimit - 1, PeerFrame.bodyLimit, PeerFrame.bodyLimit + 1, 100_000])
  func parcelsOfAllSizesSurvive(_ size: Int) throws {
    let body = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
    let written = PeerWriter.parcel(.message, .bulk, body)
    #expect(written.count == PeerWriter.size(of: size))
    var reader = PeerReader()
    let (parcels, used) = try read(written, &reader)
    #expect(parcels == [Parcel(kind: .message, lane: .bulk, body: body)] && used == written.count)
  }

  @Test func anUrgentParcelFitsBetweenThePiecesOfAnother() throws {
    let large = [UInt8](repeating: 7, count: 50_000)
    let pieces = PeerWriter.parcel(.message, .bulk, large)
    let first = pieces.withUnsafeBytes { PeerWriter.wholeFrames($0, most: PeerFrame.bodyLimit + PeerFrame.headerSize) }
    #expect(first.parcels == 0 && first.bytes == PeerFrame.bodyLimit + PeerFrame.headerSize)
    let mixed = pieces[..<first.bytes] + PeerWriter.parcel(.message, .urgent, [1]) + pieces[first.bytes...]
    var reader = PeerReader()
    let parcels = try read(Array(mixed), &reader).parcels
    #expect(parcels.map(\.lane) == [.urgent, .bulk] && parcels.last?.body == large)
  }

  /// Parcels of random lanes and sizes, cut anywhere, come out as they went in.
  @Test(arguments: 1...20 as ClosedRange<UInt64>)
  func piecesCutAnywhereAreTheSame(_ seed: UInt64) throws {
    var random = Seeded(state: seed)
    let sent = (0..<30).map { _ in
      let size = Int.random(in: 0...(Bool.random(using: &random) ? 200 : 60_000), using: &random)
      return Parcel(
        kind: .message, lane: PeerFrame.Lane.allCases.randomElement(using: &random)!,
        body: (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
    let bytes = sent.flatMap { PeerWriter.parcel($0.kind, $0.lane, $0.body) }
    var reader = PeerReader(), waiting: [UInt8] = [], came: [Parcel] = [], place = 0
    while place < bytes.count {
      let count = min(Int.random(in: 1...40_000, using: &random), bytes.count - place)
      waiting += bytes[place..<(place + count)]
      place += count
      let (parcels, used) = try read(waiting, &reader)
      came += parcels
      waiting.removeFirst(used)
    }
    #expect(came == sent && waiting.isEmpty)
  }

  @Test(
    arguments: [
      ([0, 0, 0, 1, 6, 1, 3, 0], "a frame of 16777216 bytes; the limit is 16376"),
      ([0, 0, 0, 0, 77, 1, 3, 0], "a frame of the unknown kind 77"),
      ([0, 0, 0, 0, 6, 3, 3, 0], "a frame whose header makes no sense"),
      ([0, 0, 0, 0, 6, 1, 4, 0], "a frame whose header makes no sense"),
      ([1, 0, 0, 0, 6, 1, 0, 0, 9], "a piece of nothing"),
      ([1, 0, 0, 0, 6, 1, 1, 0, 9], "the first piece of a parcel does not say its length"),
      (
        [5, 0, 0, 0, 6, 1, 1, 0, 255, 255, 255, 255, 9], "a parcel of 4294967295 bytes in pieces; the limit is 16778240"
      ),
      (
        [5, 0, 0, 0, 6, 1, 1, 0, 9, 0, 0, 0, 9, 1, 0, 0, 0, 6, 1, 2, 0, 9],
        "a parcel's pieces do not have its length"
      ),
      (
        [5, 0, 0, 0, 6, 1, 1, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 6, 1, 3, 0],
        "a parcel began before the last one's end"
      ),
    ] as [([UInt8], String)])
  func whatNoNodeSendsIsRefused(_ bytes: [UInt8], _ words: String) {
    var reader = PeerReader()
    let fault = #expect(throws: PeerFault.self) { try read(bytes, &reader) }
    #expect(fault?.words == words)
  }

  @Test func callsSurvive() throws {
    let values: [Value] = [
      .int(-5), .unsigned(.max), .double(0.1), .bool(true), .text("é"), .bytes([0, 255]), .json("{}"),
    ]
    for arguments: PeerRequest.Arguments in [
      .values(values + [.nothing]), .values([]), .written(.words(["2", "", "é"])),
      .written(.arguments([1, ["a": [true, nil]], "x"])),
    ] {
      let request = PeerRequest(id: 7, timeout: 5, target: "calc", method: "add", arguments: arguments)
      #expect(try request.body.withUnsafeBytes { try PeerRequest($0) } == request)
    }
    for outcome in [
      PeerResponse.Outcome.value(.int(3), .int64), .value(.text("x"), .text), .value(.nothing, .nothing),
      .error(status: 5, message: "no"),
    ] {
      let response = PeerResponse(id: 9, outcome)
      #expect(try response.body.withUnsafeBytes { try PeerResponse($0) } == response)
    }
  }

  private let own = PeerSelf(PeerHello(id: 2, boot: 20, cluster: "demo", name: "two"))

  @Test(
    arguments: [
      (PeerHello(id: 1, boot: 1, cluster: "demo", name: "one"), nil),
      (PeerHello(version: 2, id: 1, boot: 1, cluster: "demo", name: "one"), "version 2 of the links' protocol"),
      (
        PeerHello(id: 1, boot: 1, cluster: "other", name: "one"),
        "node 1 (one) is of the cluster `other`, and node 2 (two) of `demo`"
      ),
      (PeerHello(id: 2, boot: 20, cluster: "demo", name: "two"), "leads back to node 2 itself"),
      (PeerHello(id: 2, boot: 21, cluster: "demo", name: "deux"), "two nodes have the id 2, two and deux"),
      (
        PeerHello(id: 9, boot: 1, cluster: "demo", name: "nine"),
        "node 9 (nine) is not among the cluster.peers of node 2"
      ),
    ] as [(PeerHello, String?)])
  func hellosAreLookedAt(_ hello: PeerHello, _ words: String?) throws {
    #expect(try hello.body.withUnsafeBytes { try PeerHello($0) } == hello)
    let objection = own.objection(to: hello, expected: nil) { $0 < 5 }
    #expect((objection == nil) == (words == nil) && objection?.contains(words ?? "") != false, "\(objection ?? "")")
  }

  @Test func theOneThatWasMeantMustAnswer() {
    let hello = PeerHello(id: 3, boot: 1, cluster: "demo", name: "three")
    let objection = own.objection(to: hello, expected: 1) { _ in true }
    #expect(objection == "at the address of node 1 is node 3 (three); see cluster.peers")
  }

  @Test func theLowerIdDecidesBetweenTwoConnections() {
    func decide(_ decides: Bool, linked: UInt64?, greeting: Bool, boot: UInt64 = 5) -> PeerRivalry {
      PeerRivalry(.init(decides: decides, linkedBoot: linked, isGreeting: greeting), boot: boot)
    }
    #expect(decide(true, linked: nil, greeting: false) == .proceed)
    #expect(decide(true, linked: nil, greeting: true) == .spare)
    #expect(decide(true, linked: 5, greeting: false) == .spare)
    #expect(decide(false, linked: nil, greeting: true) == .proceed, "the other side decides")
    #expect(decide(false, linked: 5, greeting: false) == .proceed)
    #expect(decide(false, linked: 6, greeting: false) == .probe)
    #expect(decide(true, linked: 6, greeting: true) == .probe)
  }
}

private struct Seeded: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state ^ state >> 29
  }
}
