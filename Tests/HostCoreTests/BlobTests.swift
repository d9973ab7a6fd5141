import HostCore
import NodeValues
import Testing

/// How objects lie on the disk, without a disk.
@Suite struct BlobFormatTests {
  private static let digest = (0..<32).map { UInt8($0 * 7 & 0xFF) }
  private static let seal = BlobHeader.Seal(keyID: "key-1", salt: (0..<32).map { UInt8($0) })

  @Test func aNameIsSixtyFourSmallDigits() {
    let name = BlobName(digest: Self.digest)
    #expect(name.text.hasPrefix("00070e15") && BlobName(name.text) == name)
    #expect(name.folders.outer == "00" && name.folders.inner == "07")
    for wrong in ["", "00", name.text + "0", name.text.uppercased(), String(name.text.dropLast()) + "g"] {
      #expect(BlobName(wrong) == nil, "\(wrong)")
    }
    #expect(BlobName(String(repeating: "../", count: 21) + "a") == nil)
  }

  @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 10 << 20] as [UInt64])
  func chunksCoverAllContentAndEndWithTheFile(_ size: UInt64) {
    for layout in [BlobLayout(isSealed: false), BlobLayout(isSealed: true)] {
      let last = BlobLayout.lastChunk(of: size)
      let lengths = (0...last).map { BlobLayout.length(ofChunk: $0, of: size) }
      #expect(UInt64(lengths.reduce(0, +)) == size)
      #expect(lengths.dropLast().allSatisfy { $0 == BlobLayout.chunkSize } && lengths.last! < BlobLayout.chunkSize)
      #expect(layout.offset(ofChunk: 0) == BlobLayout.headerSize)
      #expect(layout.fileSize(of: size) == layout.offset(ofChunk: last) + lengths.last! + layout.overhead)
      if last > 0 {
        let step = layout.offset(ofChunk: last) - layout.offset(ofChunk: last - 1)
        #expect(step == BlobLayout.chunkSize + layout.overhead)
      }
    }
  }

  @Test(arguments: [nil, seal]) func aHeaderSurvivesBeingWritten(_ seal: BlobHeader.Seal?) throws {
    let header = BlobHeader(seal: seal)
    #expect(header.bytes.count == BlobHeader.size)
    #expect(try BlobHeader(header.bytes) == header)
  }

  /// Each byte says something, or is zero and stays so.
  @Test(arguments: [nil, seal]) func everyChangeOfAHeaderIsSeen(_ seal: BlobHeader.Seal?) {
    let header = BlobHeader(seal: seal)
    for place in 0..<BlobHeader.size {
      var bytes = header.bytes
      bytes[place] ^= 1
      #expect((try? BlobHeader(bytes)) != header, "byte \(place)")
    }
    for count in [0, 1, 8, 255] {
      #expect(throws: BlobHeader.Problem.self) { try BlobHeader(Array(header.bytes.prefix(count))) }
    }
  }

  @Test func anotherVersionIsTold() {
    var bytes = BlobHeader(seal: nil).bytes
    bytes[11] = 9
    let problem = #expect(throws: BlobHeader.Problem.self) { try BlobHeader(bytes) }
    #expect(problem?.message == "its version is 9, and this host reads 1")
  }

  @Test func aRecordSurvivesBeingWrittenAndNothingElseDoes() {
    let record = BlobRecord(
      size: 1 << 40, createdMilliseconds: -1, digest: Self.digest, mediaType: String(repeating: "x", count: 255))
    #expect(BlobRecord(record.bytes) == record)
    for place in 0..<BlobRecord.size {
      var bytes = record.bytes
      bytes[place] ^= 0x80
      #expect(BlobRecord(bytes) != record, "byte \(place)")
    }
    #expect(BlobRecord(BlobRecord(size: BlobLayout.sizeLimit + 1, digest: Self.digest).bytes) == nil)
    #expect(BlobRecord(Array(record.bytes.dropLast())) == nil)
  }

  @Test func slotsDoNotOverlap() {
    let starts = BlobRecord.Slot.allCases.map(\.offset)
    #expect(starts.first! >= BlobHeader.size && starts.last! + BlobRecord.slotSize <= BlobLayout.headerSize)
    for (one, next) in zip(starts, starts.dropFirst()) { #expect(one + BlobRecord.slotSize <= next) }
  }

  @Test func optionsAreRead() throws {
    let name = BlobName(digest: Self.digest).text
    let options = try BlobOptions(#"{"size": 7, "sha256": "\#(name)", "media_type": "image/png"}"#)
    #expect(options.size == 7 && options.name?.text == name && options.mediaType == "image/png")
    #expect(try BlobOptions("") == BlobOptions() && BlobOptions(#"{"size": null}"#) == BlobOptions())
  }

  @Test(
    arguments: [
      ("[]", "no object"), ("{", "no object"), (#"{"size": -1}"#, "`size`"), (#"{"size": 1.5}"#, "`size`"),
      (#"{"sha256": "abc"}"#, "`sha256`"), (#"{"media_type": "a\nb"}"#, "`media_type`"),
      (#"{"colour": 1}"#, "`colour`"),
    ])
  func wrongOptionsAreTold(_ text: String, _ words: String) {
    let problem = #expect(throws: BlobOptions.Problem.self) { try BlobOptions(text) }
    #expect(problem?.message.contains(words) == true)
  }

  @Test func aKeyIsWrittenInOneOfThreeWays() {
    let bytes = (0..<32).map { UInt8(0xF0 | $0) }
    let base64 = Base64.encode(bytes), hexadecimal = BlobName.hexadecimal(bytes)
    let urlSafe = String(base64.map { $0 == "+" ? "-" : $0 == "/" ? "_" : $0 })
    for text in [base64, hexadecimal, hexadecimal.uppercased(), urlSafe, base64 + "\n"] {
      #expect(BlobSettings.Key(id: "k", text: text)?.bytes == bytes, "\(text)")
    }
    for text in ["", "hunter2", Base64.encode(bytes.dropLast()), hexadecimal + "00", "+f" + hexadecimal.dropFirst(2)] {
      #expect(BlobSettings.Key(id: "k", text: text) == nil, "\(text)")
    }
    let key = BlobSettings.Key(id: "k", bytes: bytes)
    #expect(!"\(key)".contains("24") && "\(key)" == "k (secret)")
    var text = ""
    dump(key, to: &text)
    #expect(!text.contains("240"), "\(text)")
  }
}
