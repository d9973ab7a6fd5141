import FuzzSupport
import NodeTesting
import Testing

@testable import ImageFramesCore

/// The frames of the first image cloud.
@Suite struct FrameTests {
  private let seal = Seal(hexadecimal: String(repeating: "0f", count: 32))!
  private let nonce = [UInt8](1...12)

  @Test func whatIsSealedIsOpenedAndNothingElse() throws {
    let sealed = try #require(seal.seal(Array("a picture".utf8), nonce: nonce))
    #expect(sealed.count == 12 + 9 + 16 && Array(sealed[..<12]) == nonce)
    #expect(seal.open(sealed) == Array("a picture".utf8))
    for place in sealed.indices {
      var changed = sealed
      changed[place] ^= 1
      #expect(seal.open(changed) == nil)
    }
    #expect(seal.open([]) == nil && seal.open(Array(sealed[..<27])) == nil)
    #expect(Seal(hexadecimal: "00") == nil && Seal(hexadecimal: String(repeating: "zz", count: 32)) == nil)
    #expect(Seal(hexadecimal: String(repeating: "0", count: 64))!.open(sealed) == nil)
  }

  @Test func framesAreCutAsTheyCome() throws {
    var reader = FrameReader(limit: 100)
    let bytes = FrameReader.frame([1, 2, 3]) + FrameReader.frame([]) + FrameReader.frame([4])
    var frames: [[UInt8]] = []
    for byte in bytes {
      reader.feed([byte])
      while let frame = try reader.next() { frames.append(frame) }
    }
    #expect(frames == [[1, 2, 3], [], [4]])
    reader.feed([0, 0, 0, 101])
    #expect(throws: FrameReader.TooLong.self) { try reader.next() }
  }

  @Test func messagesAreThoseOfTheFirstCloud() throws {
    func read(_ text: String) throws -> SeedMessage { try SeedMessage(Array(text.utf8)) }
    #expect(try read("\"QueryLeader\"") == .queryLeader)
    #expect(try read("{\"QueryLeader\": null}") == .queryLeader)
    #expect(try read("{\"Hello\":{\"from\":3}}") == .betweenNodes("Hello"))
    let asked = try read(
      """
      {"EncryptRequest":{"from":9,"req_id":"3f2a","user":"ada","image_bytes":[137, 80,78,71],
      "client_addr":"10.0.0.7:9000"}}
      """)
    #expect(asked == .encryptRequest(id: "3f2a", user: "ada", image: [137, 80, 78, 71], client: "10.0.0.7:9000"))
    #expect(try SeedMessage(asked.bytes) == asked)
    #expect(
      String(decoding: SeedMessage.leaderInfo(leader: 3, term: 7).bytes, as: UTF8.self)
        == "{\"LeaderInfo\":{\"leader_id\":3,\"term\":7}}")
    let reply = SeedMessage.encryptReply(
      id: "3f2a", isDone: true, image: [0, 9, 10, 99, 100, 255], name: "x", error: "")
    let json = try JSON(parsing: reply.bytes)
    #expect(json["EncryptReply"]?["encrypted_image"] == [0, 9, 10, 99, 100, 255])
    #expect(json["EncryptReply"]?["ok"] == true && json["EncryptReply"]?["req_id"] == "3f2a")
  }

  @Test(arguments: [
    "", "{}", "[]", "nonsense", "{\"Nobody\":{}}", "{\"EncryptRequest\":{\"req_id\":\"x\"}}",
    "{\"EncryptRequest\":{\"image_bytes\":[256]}}", "{\"EncryptRequest\":{\"image_bytes\":[1,,2]}}",
    "{\"EncryptRequest\":{\"image_bytes\":[1,]}}", "{\"EncryptRequest\":{\"image_bytes\":[1", "{\"image_bytes\"",
    "{\"EncryptRequest\":{\"image_bytes\":[-1]}}", "{\"EncryptRequest\":{\"image_bytes\":\"AAAA\"}}",
  ])
  func otherMessagesAreRefused(_ text: String) {
    #expect(throws: SeedMessage.Unreadable.self) { try SeedMessage(Array(text.utf8)) }
  }

  @Test func noBytesEndTheReader() throws {
    try fuzz("image-frames") { bytes in
      if let message = try? SeedMessage(bytes) { _ = message.bytes }
      var reader = FrameReader(limit: 1 << 16)
      reader.feed(bytes)
      while let frame = try? reader.next() { _ = seal.open(frame) }
    }
  }
}
