import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// kill -9 while objects are written, again and again: what was acknowledged is there, and nothing half-written shows.
@Suite struct BlobKillTests {
  private static let rounds = wantsLongTests ? 500 : 5
  private static let uploads = 12
  /// More are removed: each round reads them all.
  private static let keptLimit = 40

  let machine = Machine()

  private func start(sealed: Bool) throws -> Child {
    var key = [UInt8](repeating: 0, count: 32)
    for place in key.indices { key[place] = UInt8(place * 5) }
    machine.write("blob.key", Base64.encode(key) + "\n")
    let keys = sealed ? #"keys: { k: "${file:./blob.key}" }, "# : ""
    machine.manifest(
      ["role: attic, limits: { drain_ms: 200 }"], more: "blobs: { \(keys)free_floor_mb: 0 }")
    return try machine.ready()
  }

  /// The bytes that the attic makes.
  private static func expected(_ size: Int, _ seed: Int) -> String {
    let bytes = (0..<size).map { place in
      let mixed = (UInt64(truncatingIfNeeded: seed) << 40 ^ UInt64(place >> 3)) &* 0x9E37_79B9_7F4A_7C15
      return UInt8(truncatingIfNeeded: (mixed ^ mixed >> 29) >> UInt64(8 * (place & 7)))
    }
    return BlobName(digest: ContentDigest.of(bytes)).text
  }

  private struct Wish {
    var number: Int
    var size: Int
    var call: OpenCall
  }

  private func begin(_ number: Int) throws -> Wish {
    let size = [1, 70_000, 400_000, 8_000_000][number % 4]
    let body = #"{"words": ["upload-\#(number)", "\#(size)", "\#(number)"], "timeout_ms": 60000}"#
    let call = try OpenCall(machine.socket, "/v1/roles/attic/call/make", body)
    return Wish(number: number, size: size, call: call)
  }

  /// The name in an answer that came whole; nil for all else.
  private func acknowledged(_ answer: String) -> String? {
    guard answer.hasPrefix("HTTP/1.1 200"), let body = answer.split(separator: "\r\n\r\n").last.map(String.init),
      let json = try? JSON(parsing: body)
    else { return nil }
    return json["value"]?.string
  }

  /// Who was caught goes on in the next round, under the same name.
  @Test(arguments: [false, true]) func whatWasAcknowledgedIsThere(sealed: Bool) throws {
    var kept: Set<String> = [], caught: [Int] = [], catches = 0, count = 0, next = 0
    var node = try start(sealed: sealed)
    for round in 0..<Self.rounds {
      let new = next..<next + Self.uploads - caught.count
      next = new.upperBound
      let wishes = try (caught + new).map(begin)
      waitForMoment(round, wishes)
      node.send(SIGKILL)
      #expect(node.end() == 128 + SIGKILL)
      caught = []
      for wish in wishes {
        guard let name = acknowledged(wish.call.answer()) else {
          caught.append(wish.number)
          continue
        }
        #expect(name == Self.expected(wish.size, wish.number), "round \(round): upload \(wish.number)")
        kept.insert(name)
      }
      catches += caught.count
      node = try start(sealed: sealed)
      try expectWhole(kept, "round \(round)")
      count += kept.count
      if kept.count > Self.keptLimit { removeAll(&kept) }
    }
    #expect(catches > 0 && count > 0, "\(catches) caught, \(count) found: the kills miss what they are for")
    for number in caught {
      let wish = try begin(number)
      #expect(acknowledged(wish.call.answer()) == Self.expected(wish.size, number))
    }
  }

  private func removeAll(_ kept: inout Set<String>) {
    for name in kept {
      let removed = machine.hostctl("call", "attic", "remove", name)
      #expect(removed.output == "true\n", "\(removed.all)")
    }
    kept = []
  }

  /// Each round is caught elsewhere: every other one some time after its first answers, the others at any time.
  private func waitForMoment(_ round: Int, _ wishes: [Wish]) {
    if round % 2 == 0 {
      let wanted = 1 + round / 2 % (Self.uploads / 2)
      for _ in 0..<100_000 where wishes.count(where: \.call.hasAnswer) < wanted { usleep(100) }
    }
    usleep(UInt32(round * 7_919 % 97) * (round % 2 == 0 ? 20 : 500))
  }

  private func expectWhole(_ kept: Set<String>, _ what: String) throws {
    let scrub = machine.hostctl("blob", "scrub", "attic", "--json")
    let json = try JSON(parsing: scrub.output)
    #expect(scrub.code == 0 && json["findings"] == 0, "\(what): \(scrub.all)")
    let blobs = try machine.json("blob", "ls", "attic")["blobs"]?.array ?? []
    let names = Set(blobs.compactMap { $0["sha256"]?.string })
    #expect(json["objects"] == .int(Int64(names.count)))
    #expect(kept.isSubset(of: names), "\(what): \(kept.subtracting(names).count) acknowledged objects are lost")
    let files = run(["find", machine.path("state/roles/attic/blobs/objects"), "-type", "f"]).output
    #expect(files.split(separator: "\n").count == names.count, "\(what): what is no object stands among them")
  }
}

/// `hostctl blob`, as an operator types it.
@Suite struct BlobCommandTests {
  let machine = Machine()

  @Test func theCommandsOfAnOperator() throws {
    machine.manifest(["role: attic"], more: "blobs: { free_floor_mb: 0 }")
    let node = try machine.ready()
    let name = machine.hostctl("call", "attic", "make", "u", "1500000", "1").output.split(separator: "\n").first!
    let sha = String(name)
    let list = machine.hostctl("blob", "ls", "attic")
    #expect(list.code == 0 && list.output.contains(sha) && list.output.contains("1.4 MiB"), "\(list.all)")
    let stat = machine.hostctl("blob", "stat", "attic", sha)
    #expect(stat.code == 0 && stat.output.contains("size     1500000 bytes"), "\(stat.all)")
    let program = "'\(Place.products)/hostctl' --socket '\(machine.socket)' blob get attic \(sha) | sha256sum"
    #expect(run(["sh", "-c", program]).output == "\(sha)  -\n")
    let good = machine.hostctl("blob", "scrub", "attic")
    #expect(good.code == 0 && good.output == "attic: 1 objects, 1.4 MiB, all as they were written\n", "\(good.all)")

    let path = machine.path("state/roles/attic/blobs/objects/\(sha.prefix(2))/\(sha.dropFirst(2).prefix(2))/\(sha)")
    var bytes = try #require(readFile(path, limit: 1 << 22))
    bytes[1_000_000] ^= 1
    #expect(writeFile(path, bytes, mode: 0o600))
    let damaged = machine.hostctl("blob", "get", "attic", sha)
    #expect(damaged.code == 1 && damaged.output.isEmpty && damaged.errors.contains("DATA_LOSS"), "\(damaged.errors)")
    let bad = machine.hostctl("blob", "scrub", "attic")
    #expect(bad.code == 1 && bad.output.contains("damaged: the object \(sha)"), "\(bad.all)")
    #expect(node.errors.contains(" error   attic: the object \(sha) is damaged"))
    #expect(machine.hostctl("blob", "ls", "attic", "--json").output.contains("\"blobs\": []"))

    for (words, complaint) in [
      (["blob", "frobnicate", "attic"], "ACTION is one of"),
      (["blob", "get", "attic"], "needs the object's SHA-256"),
      (["blob", "ls", "attic", sha], "takes no SHA-256"),
    ] {
      let wrong = machine.hostctl(words)
      #expect(wrong.code == 64 && wrong.errors.contains(complaint), "\(wrong.all)")
    }
  }

  /// A key in the log or in an answer would be worth more than all that it seals.
  @Test func keysAreInNoOutput() throws {
    let key = String(repeating: "c0ffee42", count: 8)
    machine.write("blob.key", key)
    machine.manifest(
      ["role: attic"], more: #"blobs: { keys: { k: "${file:./blob.key}" }, free_floor_mb: 0 }"#)
    let node = try machine.ready()
    let made = machine.hostctl("call", "attic", "make", "u", "100", "1")
    #expect(made.code == 0)
    var seen =
      made.all + machine.hostctl("blob", "ls", "attic", "--json").all + machine.hostctl("status", "--json").all
    seen += machine.hostctl("reload", "--json").all + machine.nodehost("validate", "node.yaml").all
    seen += node.errors + machine.hostctl("logs").all
    #expect(!seen.contains("c0ffee42") && seen.contains("\"key\": \"k\""), "\(seen)")
    machine.write("blob.key", String(key.dropLast()))
    let refused = machine.nodehost("validate", "node.yaml")
    #expect(refused.code == 1 && refused.all.contains("is no key of 32 bytes") && !refused.all.contains("c0ffee42"))
  }
}
