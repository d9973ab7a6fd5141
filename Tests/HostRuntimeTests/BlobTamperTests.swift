import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// What is done to the files behind the host's back is found out.
@Suite struct BlobTamperTests {
  /// RFC 5869, test case 1, as far as one hash goes.
  @Test func keysAreDerivedAsTheStandardSays() {
    let key = BlobCipher.derive(
      [UInt8](repeating: 0x0B, count: 22), salt: (0...0x0C).map { UInt8($0) }, info: (0xF0...0xF9).map { UInt8($0) })
    #expect(BlobName.hexadecimal(key) == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")
  }

  /// What a whole read and a scrub say of the object.
  private func verdict(_ place: BlobPlace, _ name: BlobName) -> nh_status {
    do throws(BlobFailure) {
      _ = try place.get(name)
      return NH_OK
    } catch { return error.status }
  }

  @Test(arguments: BlobStoreTests.kinds) func everyFlippedByteIsFound(_ settings: BlobSettings) throws {
    let place = BlobPlace(settings), content = BlobPlace.content(100)
    let name = try place.put(content).record.name
    let path = place.path(of: content)
    let whole = try #require(readFile(path, limit: 1 << 20))
    for byte in whole.indices {
      var damaged = whole
      damaged[byte] ^= 0x10
      #expect(writeFile(path, damaged, mode: 0o600))
      let status = verdict(place, name)
      // Another key's id is another finding.
      #expect(status == NH_DATA_LOSS || status == NH_FAILED_PRECONDITION, "byte \(byte): \(status)")
    }
    #expect(writeFile(path, whole, mode: 0o600))
    #expect(verdict(place, name) == NH_OK)
  }

  @Test(arguments: BlobStoreTests.kinds) func everyCutIsFound(_ settings: BlobSettings) throws {
    let place = BlobPlace(settings), content = BlobPlace.content(100)
    let name = try place.put(content).record.name
    let path = place.path(of: content)
    let whole = try #require(readFile(path, limit: 1 << 20))
    for count in 0..<whole.count {
      #expect(writeFile(path, Array(whole.prefix(count)), mode: 0o600))
      #expect(verdict(place, name) == NH_DATA_LOSS, "cut to \(count)")
    }
    #expect(writeFile(path, whole + [0], mode: 0o600))
    #expect(verdict(place, name) == NH_DATA_LOSS)
  }

  @Test func aWholeChunkLessIsFound() throws {
    let place = BlobPlace(BlobPlace.sealed), content = BlobPlace.content(3 * 65_536)
    let name = try place.put(content).record.name
    let path = place.path(of: content)
    let whole = try #require(readFile(path, limit: 1 << 20))
    let layout = BlobLayout(isSealed: true)
    // The last chunk moves up, so that even the end looks right.
    let last = whole[layout.offset(ofChunk: 3)...]
    #expect(writeFile(path, Array(whole.prefix(layout.offset(ofChunk: 2))) + last, mode: 0o600))
    #expect(verdict(place, name) == NH_DATA_LOSS)
  }

  @Test func swappedChunksAreFound() throws {
    let place = BlobPlace(BlobPlace.sealed), content = BlobPlace.content(3 * 65_536 + 5)
    let name = try place.put(content).record.name
    let path = place.path(of: content)
    var bytes = try #require(readFile(path, limit: 1 << 20))
    let layout = BlobLayout(isSealed: true)
    let (first, second) = (layout.offset(ofChunk: 0), layout.offset(ofChunk: 1))
    let one = Array(bytes[first..<second])
    bytes.replaceSubrange(first..<second, with: bytes[second..<layout.offset(ofChunk: 2)])
    bytes.replaceSubrange(second..<layout.offset(ofChunk: 2), with: one)
    #expect(writeFile(path, bytes, mode: 0o600))
    #expect(verdict(place, name) == NH_DATA_LOSS)
    // Also by who reads only a part of it.
    #expect(throws: BlobFailure.self) { try place.get(name, 65_536, 10) }
    #expect(try place.get(name, 2 * 65_536, 10) == Array(content[131_072..<131_082]), "that is where it was")
  }

  @Test func chunksAndFilesOfAnotherObjectAreFound() throws {
    let place = BlobPlace(BlobPlace.sealed)
    let (one, other) = (BlobPlace.content(100_000, seed: 1), BlobPlace.content(100_000, seed: 2))
    for content in [one, other] { try place.put(content) }
    let foreign = try #require(readFile(place.path(of: other), limit: 1 << 20))
    var mixed = try #require(readFile(place.path(of: one), limit: 1 << 20))
    let layout = BlobLayout(isSealed: true)
    let chunk = layout.offset(ofChunk: 0)..<layout.offset(ofChunk: 1)
    mixed.replaceSubrange(chunk, with: foreign[chunk])
    #expect(writeFile(place.path(of: one), mixed, mode: 0o600))
    #expect(verdict(place, BlobPlace.name(of: one)) == NH_DATA_LOSS)
    // A whole file under another's name is in itself in order.
    #expect(writeFile(place.path(of: one), foreign, mode: 0o600))
    let failure = #expect(throws: BlobFailure.self) { try place.get(BlobPlace.name(of: one), 0, 1) }
    #expect(failure?.message.contains("its file holds another object") == true)
  }

  @Test func withoutItsKeyAnObjectIsClosedAndNotDamaged() throws {
    let place = BlobPlace(BlobPlace.sealed), content = BlobPlace.content(1000)
    let name = try place.put(content).record.name
    place.startAgain(BlobPlace.plain)
    let failure = #expect(throws: BlobFailure.self) { try place.get(name) }
    #expect(failure?.status == NH_FAILED_PRECONDITION && failure?.message.contains("key `one`") == true)
    let scrub = place.scrub()
    #expect(scrub["unreadable"]?.array?.count == 1 && scrub["damaged"]?.array?.isEmpty == true)
    #expect(place.files.first?.hasPrefix("objects/") == true, "a key that is missing is no damage")
    // Another key under the same id.
    var settings = BlobPlace.sealed
    settings.keys = [.init(id: "one", bytes: BlobPlace.otherKey.bytes)]
    place.startAgain(settings)
    #expect(verdict(place, name) == NH_DATA_LOSS)
    place.startAgain(BlobPlace.sealed)
    #expect(try place.get(name) == content)
  }

  @Test func keysAreExchangedOneAfterTheOther() throws {
    let place = BlobPlace(), contents = (0..<3).map { BlobPlace.content(1000, seed: UInt64($0)) }
    try place.put(contents[0])
    place.startAgain(BlobPlace.sealed)
    try place.put(contents[1])
    var settings = BlobPlace.sealed
    settings.keys.append(BlobPlace.otherKey)
    settings.sealingKey = BlobPlace.otherKey.id
    place.startAgain(settings)
    try place.put(contents[2])
    for content in contents { #expect(try place.get(BlobPlace.name(of: content)) == content) }
    let keys = try contents.map { try place.store.open(BlobPlace.name(of: $0)).file.header.seal?.keyID }
    #expect(keys == [nil, "one", "two"])
    // Whoever writes an object again seals it anew, in its place.
    for content in contents { #expect(try place.put(content).isDuplicate) }
    let newKeys = try contents.map { try place.store.open(BlobPlace.name(of: $0)).file.header.seal?.keyID }
    #expect(newKeys == ["two", "two", "two"] && place.files.count == 3)
    for content in contents { #expect(try place.get(BlobPlace.name(of: content)) == content) }
  }

  @Test(arguments: BlobStoreTests.kinds) func aScrubFindsAFlippedBitAndTakesTheObjectOutOfTheWay(
    _ settings: BlobSettings
  ) throws {
    let place = BlobPlace(settings)
    let contents = (0..<5).map { BlobPlace.content(5_000_000, seed: UInt64($0)) }
    for content in contents { try place.put(content) }
    #expect(place.scrub()["findings"] == 0)
    let name = BlobPlace.name(of: contents[3]), path = place.path(of: contents[3])
    let file = open(path, O_RDWR)
    var byte: UInt8 = 0
    #expect(pread(file, &byte, 1, 4_000_000) == 1)
    byte ^= 1
    #expect(pwrite(file, &byte, 1, 4_000_000) == 1)
    close(file)
    let scrub = place.scrub()
    #expect(scrub["objects"] == 5 && scrub["bytes"] == 20_000_000 && scrub["findings"] == 1, "\(scrub)")
    #expect(scrub["damaged"]?[0]?["sha256"]?.string == name.text)
    #expect(place.files.contains("quarantine/\(name)") && access(path, F_OK) != 0)
    #expect(throws: BlobFailure.damaged(name, "it was put into quarantine")) { try place.get(name) }
    // Whoever has the content heals it.
    #expect(try !place.put(contents[3]).isDuplicate)
    #expect(try place.get(name) == contents[3])
    #expect(place.scrub()["findings"] == 0 && !place.files.contains("quarantine/\(name)"))
  }

  /// Nobody else would find it before the next scrub.
  @Test func aDamagedObjectIsNoDuplicate() throws {
    let place = BlobPlace(), content = BlobPlace.content(1000)
    let name = try place.put(content).record.name
    #expect(truncate(place.path(of: content), 4500) == 0)
    #expect(try !place.put(content).isDuplicate)
    #expect(try place.get(name) == content)
  }
}
