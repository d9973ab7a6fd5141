import NodeTesting
import Testing

@testable import ImagesCore

/// Uploads and downloads of one node.
@Suite struct UploadTests {
  private func sink(_ config: JSON = [:]) throws -> Sinks {
    let sinks = try Sinks(1, config)
    sinks.elect(1)
    return sinks
  }

  @Test func allFormatsAreTaken() throws {
    let sinks = try sink()
    for (picture, type) in [
      (Pictures.png(), "image/png"), (Pictures.jpeg, "image/jpeg"), (Pictures.gif, "image/gif"),
      (Pictures.webp, "image/webp"),
    ] {
      let put = sinks.put(picture, at: 1)
      let receipt = try put.json()
      #expect(put.status == 201 && receipt["type"] == .string(type), "\(put.text)")
      #expect(receipt["width"] == 8 && receipt["height"] == 6 && receipt["checked"] == "decoded")
    }
  }

  @Test func whatIsNoImageIsRefusedWithTheReason() throws {
    let sinks = try sink(["max_side": 1000])
    for (bytes, status, words) in [
      (Array("hello".utf8), 415, "no JPEG, PNG, GIF or WebP"),
      (Array(Pictures.png().prefix(20)), 415, "ends before"),
      (Pictures.png(announced: (60_000, 60_000)), 415, "longest side"),
      (Pictures.png(announced: (9, 7)), 415, "decoded"),
      (Array(Pictures.png().dropLast(120)), 415, "decoded"),
      (Array(Pictures.jpeg.dropLast(20)), 415, "decoded"),
      (Array(Pictures.webp.prefix(40)), 415, "decoded"),
    ] {
      let put = sinks.put(bytes, at: 1)
      #expect(put.status == status && put.text.contains(words), "\(put.status) \(put.text)")
    }
    sinks.pass(.seconds(1))
    #expect(sinks[1].blobs.objects.isEmpty && sinks[1].blobs.unfinished.isEmpty)
    #expect(try (sinks[1].call("status") as JSON)["uploads"] == 0)
  }

  @Test func lengthsAndDigestsThatLie() throws {
    let sinks = try sink(["max_image_mb": 1])
    let huge = sinks[1].openRequest("PUT", "/images", headers: ["content-length": "10737418240"])
    #expect(huge.status == 413, "\(huge.status)")
    let chunked = sinks[1].openRequest("PUT", "/images")
    chunked.send(Pictures.large(1_500_000))
    sinks.pass(.milliseconds(100))
    #expect(chunked.status == 413, "\(chunked.status) \(chunked.text)")
    let aborted = sinks[1].openRequest("PUT", "/images", headers: ["content-length": "5000"])
    aborted.send(Array(Pictures.large(6000).prefix(3000)))
    sinks.pass(.milliseconds(10))
    aborted.hangUp()
    sinks.pass(.milliseconds(100))
    let wrong = sinks.put(
      Pictures.png(), at: 1, ["repr-digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"])
    #expect(wrong.status == 422, "\(wrong.status) \(wrong.text)")
    let right = sinks.put(
      Pictures.png(), at: 1, ["repr-digest": "sha-256=:\(base64(ImageCodec.sha256(Pictures.png()))):"])
    #expect(right.status == 201)
    #expect(sinks[1].blobs.objects.count == 1 && sinks[1].blobs.unfinished.isEmpty)
    #expect(try (sinks[1].call("status") as JSON)["uploads"] == 0)
  }

  @Test func partsAndHeads() throws {
    let sinks = try sink()
    let large = Pictures.large(700_000)
    let put = sinks.put(large, at: 1, wait: .seconds(1))
    let id = try sinks.id(of: put)
    let part = sinks.get("/images/\(id)", at: 1, ["range": "bytes=100-199"])
    #expect(part.status == 206 && part.body == Array(large[100..<200]))
    let head = sinks.get("/images/\(id)", at: 1, [], "HEAD")
    #expect(head.status == 200 && head.headers["content-length"] == "\(large.count)" && head.body.isEmpty)
    #expect(sinks.get("/images/\(id)", at: 1).body == large)
    #expect(sinks.get("/images/" + String(repeating: "0", count: 64), at: 1).status == 404)
    #expect(sinks.get("/images/nonsense", at: 1).status == 404)
  }

  @Test func pagesOfAList() throws {
    let sinks = try sink()
    let ids = try (0..<7).map { try sinks.id(of: sinks.put(Pictures.png(seed: $0), at: 1)) }.sorted()
    var seen: [String] = [], after = ""
    repeat {
      let page = try sinks.get("/images?limit=3\(after)", at: 1).json()
      seen += (page["images"]?.array ?? []).compactMap { $0["id"]?.string }
      after = page["next"]?.string.map { "&after=\($0)" } ?? ""
    } while !after.isEmpty
    #expect(seen == ids)
    #expect(sinks.get("/images?limit=0", at: 1).status == 400)
  }

  @Test func thumbnailsAreSmallerAndKept() throws {
    let sinks = try sink()
    let id = try sinks.id(of: sinks.put(Pictures.png(400, 300), at: 1))
    let small = sinks.get("/images/\(id)?width=40", at: 1)
    #expect(small.status == 200 && small.headers["content-type"] == "image/png")
    guard case .image(let header) = ImageHeader.find(in: small.body, isWhole: true) else {
      Issue.record("no image: \(small.text)")
      return
    }
    #expect(header.width == 40 && header.height == 30)
    #expect(sinks[1].blobs.objects.count == 2)
    #expect(sinks.get("/images/\(id)?width=40", at: 1).body == small.body)
    #expect(sinks.get("/images/\(id)?width=5", at: 1).status == 400)
    #expect(sinks.get("/images/\(id)", at: 1, [], "DELETE").status == 204)
    sinks.pass(.seconds(1))
    #expect(sinks[1].blobs.objects.isEmpty)
  }

  @Test func uploadsGoOnByTus() throws {
    let sinks = try sink()
    let picture = Pictures.large(600_000)
    let tus: HTTPHeaders = ["tus-resumable": "1.0.0"]
    let made = sinks[1].request("POST", "/images", headers: tus + [HTTPHeader("upload-length", "\(picture.count)")])
    sinks.pass(.milliseconds(10))
    let place = try #require(made.headers["location"])
    #expect(made.status == 201 && place.hasPrefix("/uploads/"))
    func patch(_ offset: Int, _ bytes: [UInt8], _ more: HTTPHeaders = []) -> PendingRequest {
      let request = sinks[1].request(
        "PATCH", place,
        headers: tus + more + [
          HTTPHeader("content-type", "application/offset+octet-stream"), HTTPHeader("upload-offset", "\(offset)"),
        ], body: bytes)
      sinks.pass(.milliseconds(100))
      return request
    }
    #expect(patch(0, Array(picture[..<100_000])).headers["upload-offset"] == "100000")
    #expect(patch(50_000, [1]).status == 409)
    let sum = base64(ImageCodec.sha1(Array(picture[100_000..<200_000])))
    #expect(
      patch(100_000, Array(picture[100_000..<200_000]), ["upload-checksum": "sha1 \(base64([1, 2, 3]))"]).status == 460)
    #expect(patch(100_000, Array(picture[100_000..<200_000]), ["upload-checksum": "sha1 \(sum)"]).status == 204)
    #expect(sinks.get(place, at: 1, tus, "HEAD").headers["upload-offset"] == "200000")
    let last = patch(200_000, Array(picture[200_000...]))
    #expect(last.status == 204 && last.headers["upload-offset"] == "\(picture.count)", "\(last.status) \(last.text)")
    let id = try JSON(parsing: last.headers["image-receipt"] ?? "")["id"]?.string ?? ""
    #expect(sinks.get("/images/\(id)", at: 1).body == picture)
    #expect(sinks.get(place, at: 1, tus, "DELETE").status == 204)
    #expect(sinks.get(place, at: 1, tus, "HEAD").status == 404)
    #expect(sinks.get("/images", at: 1, [], "OPTIONS").headers["tus-extension"] == "creation,termination,checksum")
    #expect(sinks[1].misuse.isEmpty, "\(sinks[1].misuse)")
  }

  @Test func tusRefusesWhatIsNoImageAndForgetsIt() throws {
    let sinks = try sink()
    let tus: HTTPHeaders = ["tus-resumable": "1.0.0"]
    let made = sinks[1].request("POST", "/images", headers: tus + [HTTPHeader("upload-length", "5")])
    sinks.pass(.milliseconds(10))
    let place = try #require(made.headers["location"])
    let patch = sinks[1].request(
      "PATCH", place,
      headers: tus + [
        HTTPHeader("content-type", "application/offset+octet-stream"), HTTPHeader("upload-offset", "0"),
      ], body: "hello")
    sinks.pass(.milliseconds(100))
    #expect(patch.status == 415)
    #expect(sinks.get(place, at: 1, tus, "HEAD").status == 404)
    #expect(sinks[1].blobs.unfinished.isEmpty)
  }

  @Test func rotationWritesAllAnew() throws {
    let sinks = try sink()
    sinks[1].blobs.key = "k1"
    for seed in 0..<5 { sinks.put(Pictures.png(seed: seed), at: 1) }
    _ = try sinks[1].call("rotate_key", "k2") as JSON
    sinks.pass(.seconds(1))
    let early = try (sinks[1].call("status") as JSON)["rotation"]
    #expect(early?["failed"] == 1 && sinks[1].log.contains { $0.message.contains("set `blobs.key`") })
    sinks[1].blobs.key = "k2"
    _ = try sinks[1].call("rotate_key", "k2") as JSON
    sinks.pass(.seconds(1))
    let told = try (sinks[1].call("status") as JSON)["rotation"]
    #expect(sinks[1].blobs.objects.values.allSatisfy { $0.key == "k2" })
    #expect(told?["done"] == 5 && told?["running"] == false && told?["failed"] == 0, "\(told ?? .null)")
  }

  private func base64(_ bytes: [UInt8]) -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let part = bytes[start..<min(start + 3, bytes.count)]
      let bits = (0..<3).reduce(0) { $0 << 8 | ($1 < part.count ? Int(part[start + $1]) : 0) }
      for digit in 0..<4 { text.append(digit <= part.count ? letters[bits >> (18 - 6 * digit) & 63] : "=") }
    }
    return text
  }
}
