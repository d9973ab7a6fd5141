import NodeTesting
import Testing

@testable import ImagesCore

/// Images on several nodes: who takes them, when they are acknowledged, and what becomes of them.
@Suite struct ReplicationTests {
  @Test func theLeaderTakesAndTwoNodesHaveIt() throws {
    let sinks = try Sinks()
    sinks.elect(3)
    let picture = Pictures.png()
    let put = sinks.put(picture, at: 3)
    #expect(put.status == 201, "\(put.text) \(sinks[3].log.map(\.message))")
    let receipt = try put.json(), id = try sinks.id(of: put)
    #expect(receipt["bytes"] == JSON(picture.count) && receipt["type"] == "image/png" && receipt["width"] == 8)
    #expect(receipt["height"] == 6 && receipt["term"] == 1 && receipt["duplicate"] == false)
    #expect((receipt["copies"]?.int ?? 0) >= 2 && receipt["checked"] == "decoded")
    for node in 1...3 { #expect(sinks[node].blobs.objects[id]?.bytes == picture, "node \(node)") }
    let again = sinks.put(picture, at: 3)
    #expect(try again.status == 200 && again.json()["duplicate"] == true)
    let got = sinks.get("/images/\(id)", at: 3)
    #expect(got.status == 200 && got.body == picture && got.headers["content-type"] == "image/png")
    #expect(sinks[3].published.map(\.topic) == ["images.stored"])
    for node in 1...3 { #expect(sinks[node].misuse.isEmpty) }
  }

  @Test func othersSayWhoLeads() throws {
    let sinks = try Sinks()
    #expect(sinks.put(Pictures.png(), at: 1).status == 503)
    sinks.elect(2)
    let referred = sinks[1].request("PUT", "/images?x=1", body: Pictures.png())
    #expect(referred.status == 307 && referred.headers["location"] == "http://node-2:7002/images?x=1")
    #expect(try referred.json() == ["leader": 2, "address": "http://node-2:7002"])
    #expect(sinks.get("/images", at: 3).status == 307)
    let told = try sinks.get("/leader", at: 3).json()
    #expect(told == ["leader": 2, "address": "node-2:7002", "term": 1, "node": 3, "self": false], "\(told)")
    #expect(try sinks.get("/leader", at: 2).json()["self"] == true)
  }

  @Test func withoutAMajorityNothingIsAcknowledged() throws {
    let sinks = try Sinks()
    sinks.elect(3)
    sinks.network.part([3], from: [1, 2])
    let put = sinks.put(Pictures.png(), at: 3, wait: .seconds(11))
    #expect(put.status == 503 && put.headers["retry-after"] != nil, "\(put.status)")
    let id = ImageID(ContentName.of(Pictures.png()))!
    // It may or may not be kept: nobody is told of it until a majority has it.
    #expect(sinks.get("/images/\(id)", at: 3).status != 200)
    sinks.network.heal([3], with: [1, 2])
    sinks.pass(.seconds(2))
    #expect(sinks.get("/images/\(id)", at: 3).status == 200)
  }

  @Test func theNextLeaderHasWhatWasAcknowledged() throws {
    let sinks = try Sinks()
    sinks.elect(3)
    sinks.network.part([3], from: [1])
    let ids = try (0..<5).map { try sinks.id(of: sinks.put(Pictures.png(seed: $0), at: 3)) }
    #expect(sinks[1].blobs.objects.isEmpty)
    sinks.network.crash(sinks[3])
    // Node 1 has nothing of it, and learns it from node 2.
    sinks.elect(1, hear: [1, 2])
    for (seed, id) in ids.enumerated() {
      let got = sinks.get("/images/\(id)", at: 1)
      #expect(got.status == 200 && got.body == Pictures.png(seed: seed), "\(got.status) \(got.text)")
    }
    #expect(try sinks.get("/images?limit=3", at: 1).json()["images"]?.array?.count == 3)
  }

  /// What a leader still does that was replaced, and does not know it.
  @Test func aDeposedLeadersWritesAreRefused() throws {
    let sinks = try Sinks()
    sinks.elect(3)
    sinks.elect(2, hear: [1, 2])
    let late = sinks.put(Pictures.png(seed: 7), at: 3, wait: .seconds(1))
    #expect(late.status == 503 || late.status == 307, "\(late.status)")
    for node in 1...2 { #expect(sinks[node].blobs.objects.isEmpty) }
    #expect(sinks[3].log.contains { $0.message.contains("leads no more") })
    #expect(sinks.put(Pictures.png(seed: 8), at: 2).status == 201)
  }

  @Test func aLeaseThatHasEndedAcknowledgesNothing() throws {
    let sinks = try Sinks()
    sinks.elect(3, for: .milliseconds(300))
    sinks.network.delay = .milliseconds(150)
    let put = sinks.put(Pictures.png(), at: 3, wait: .seconds(2))
    #expect(put.status == 503, "\(put.status)")
  }

  @Test func whatWasRemovedStaysRemoved() throws {
    let sinks = try Sinks()
    sinks.elect(3)
    let id = try sinks.id(of: sinks.put(Pictures.png(), at: 3))
    sinks.network.part([1], from: [2, 3])
    #expect(sinks.get("/images/\(id)", at: 3, [], "DELETE").status == 204)
    #expect(sinks.get("/images/\(id)", at: 3).status == 404)
    #expect(sinks[1].blobs.objects[id] != nil && sinks[2].blobs.objects[id] == nil)
    // Node 1 leads with the help of 2, and its image does not come back.
    sinks.network.crash(sinks[3])
    sinks.network.heal([1], with: [2])
    sinks.elect(1, hear: [1, 2])
    #expect(sinks.get("/images/\(id)", at: 1).status == 404)
    #expect(sinks[1].blobs.objects[id] == nil)
    // But it may be sent again.
    #expect(sinks.put(Pictures.png(), at: 1).status == 201)
    #expect(sinks.get("/images/\(id)", at: 1).status == 200)
  }

  @Test func whoWasAwayGetsWhatItLacks() throws {
    let sinks = try Sinks()
    sinks.elect(3)
    sinks.network.part([1], from: [2, 3])
    let large = Pictures.large(400_000)
    let id = try sinks.id(of: sinks.put(large, at: 3, wait: .seconds(2)))
    sinks.network.heal([1], with: [2, 3])
    sinks.pass(.seconds(4))
    #expect(sinks[1].blobs.objects[id]?.bytes == large)
  }

  @Test func damageIsFoundAndRepaired() throws {
    let sinks = try Sinks()
    sinks.elect(3)
    let id = try sinks.id(of: sinks.put(Pictures.png(), at: 3))
    sinks[1].blobs.flipBit(100, of: id)
    let found = try sinks[1].begin("verify")
    sinks.pass(.seconds(3))
    #expect(try (found.answer() as JSON)["damaged"] == [.string(id)])
    #expect(sinks[1].blobs.objects[id]?.bytes == Pictures.png())
    #expect(sinks[1].log.contains { $0.message.contains("1 damaged") })
    let again = try sinks[1].call("status") as JSON
    #expect(again["missing"] == 0 && again["verification"]?["damaged"]?.array?.count == 1)
  }

  @Test func aNodeThatStartsAnewKnowsItsImages() throws {
    let sinks = try Sinks(1)
    sinks.elect(1)
    let id = try sinks.id(of: sinks.put(Pictures.png(), at: 1))
    // A write that was killed before anybody was told of it leaves nothing behind.
    let stray = sinks[1].blobs.add(Pictures.png(seed: 99))
    try sinks.restart(1)
    sinks.elect(1)
    #expect(sinks.get("/images/\(id)", at: 1).body == Pictures.png())
    #expect(sinks[1].blobs.objects[stray] == nil)
  }

  /// A node that is alone leads for ever, and its elector says so once, before this role runs.
  @Test func whoStartsAfterItsElectionLeads() throws {
    let sinks = try Sinks(1, start: false)
    sinks[1].stub("elector", "status") {
      ["mode": "quorum", "state": "leading", "leader": 1, "term": 4, "majority": 1] as JSON
    }
    try sinks[1].start()
    sinks.pass(.milliseconds(20))
    #expect(try sinks.put(Pictures.png(), at: 1).json()["term"] == 4)
  }

  @Test func fiveNodesAgree() throws {
    let sinks = try Sinks(5)
    sinks.elect(5)
    sinks.network.part([1, 2], from: [3, 4, 5])
    let id = try sinks.id(of: sinks.put(Pictures.png(), at: 5))
    sinks.network.crash(sinks[5])
    sinks.network.crash(sinks[4])
    sinks.network.heal([1, 2], with: [3])
    sinks.elect(1, hear: [1, 2, 3])
    #expect(sinks.get("/images/\(id)", at: 1).status == 200)
  }
}

enum ContentName {
  static func of(_ bytes: [UInt8]) -> String { ImagesNode.hexadecimal(ImageCodec.sha256(bytes)) }
}
