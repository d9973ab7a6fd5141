import NodeKit
import ProtoFields
import Testing

@Suite struct ProtoFieldsTests {
  @Test func scalarsComeBackAsTheyWere() throws {
    for number in [Int64.min, -1, 0, 1, 127, 128, 300, 1 << 35, .max] {
      var writer = ProtoWriter()
      writer.int64(1, number)
      writer.signed(2, number)
      writer.uint64(3, UInt64(bitPattern: number))
      writer.fixed64(4, UInt64(bitPattern: number))
      writer.fixed32(5, UInt32(truncatingIfNeeded: number))
      writer.int32(6, Int32(truncatingIfNeeded: number))
      writer.double(536_870_911, Double(number))
      var reader = ProtoReader(writer.bytes)
      var seen: [Int] = []
      while try reader.next() {
        seen.append(reader.field)
        switch reader.field {
        case 1: #expect(try reader.int64() == number)
        case 2: #expect(try reader.signed() == number)
        case 3: #expect(try reader.uint64() == UInt64(bitPattern: number))
        case 4: #expect(try reader.fixed64() == UInt64(bitPattern: number))
        case 5: #expect(try reader.fixed32() == UInt32(truncatingIfNeeded: number))
        case 6: #expect(try reader.int32() == Int32(truncatingIfNeeded: number))
        default: #expect(try reader.double() == Double(number))
        }
      }
      // Zero is left out.
      #expect(number == 0 ? seen.isEmpty : seen.count >= 5)
    }
  }

  @Test(arguments: [0, 1, 127, 128, 16_383, 16_384, 70_000]) func lengthsOfAnySize(_ count: Int) throws {
    let text = String(repeating: "x", count: count)
    var writer = ProtoWriter(reserving: 16)
    writer.message(7) { part in
      part.element(1, text)
      part.message(2) { $0.string(1, text) }
    }
    writer.bool(8, true)
    var reader = ProtoReader(writer.bytes), texts: [String] = []
    #expect(try reader.next())
    var part = try reader.message()
    while try part.next() {
      if part.field == 1 { texts.append(try part.string()) }
      guard part.field == 2 else { continue }
      var inner = try part.message()
      while try inner.next() { texts.append(try inner.string()) }
    }
    #expect(texts == (count == 0 ? [""] : [text, text]))
    #expect(try reader.next() && reader.field == 8)
    #expect(try reader.bool())
    #expect(try !reader.next())
  }

  @Test func numbersPackedAndAlone() throws {
    // 3: [1, 300] packed, 3: 5 alone, 4: [1.5] packed.
    let bytes: [UInt8] = [0x1A, 3, 1, 0xAC, 2, 0x18, 5, 0x22, 8, 0, 0, 0, 0, 0, 0, 0xF8, 0x3F]
    var reader = ProtoReader(bytes), ints: [Int32] = [], doubles: [Double] = []
    while try reader.next() {
      if reader.field == 3 { try reader.ints(into: &ints, limit: 3) } else { try reader.doubles(into: &doubles) }
    }
    #expect(ints == [1, 300, 5])
    #expect(doubles == [1.5])

    reader = ProtoReader(bytes)
    ints = []
    #expect(throws: RoleError(.invalidArgument, "field 3 of the message has more numbers than are taken", at: "byte 1"))
    {
      while try reader.next() { try reader.ints(into: &ints, limit: 1) }
    }
  }

  @Test func whatIsWrongIsToldWithItsPlace() {
    func complaint(_ bytes: [UInt8], _ body: (inout ProtoReader) throws -> Void = { _ in }) -> String {
      var reader = ProtoReader(bytes)
      do {
        while try reader.next() { try body(&reader) }
        return "none"
      } catch {
        return "\(error)"
      }
    }
    #expect(complaint([0x08]) == "byte 1: field 1 of the message is cut off in a number")
    #expect(complaint([0x0A, 5, 1]) == "byte 1: field 1 of the message is 5 bytes long, and 1 are left")
    #expect(complaint([0x08, 1, 0x0F, 0]).hasPrefix("byte 2: these bytes are no message"))
    #expect(complaint([0x00, 1]).hasPrefix("byte 0: these bytes are no message"))
    #expect(complaint([0x0B, 0x0C]).contains("is a group"))
    #expect(complaint([0x08] + [UInt8](repeating: 0xFF, count: 9) + [2]).contains("more than 64 bits"))
    #expect(complaint([0x0A, 1, 0xFF]) { _ = try $0.string() }.contains("not UTF-8"))
    #expect(complaint([0x08, 1]) { _ = try $0.string() }.contains("kind 0, not 2"))
    #expect(complaint([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1]).contains("are left"))
    #expect(
      complaint([0x08, 1]) {
        _ = try $0.int32(); _ = try $0.int32()
      }.contains("read twice"))
  }

  @Test func messagesInMessagesEndSomewhere() throws {
    var bytes: [UInt8] = []
    for _ in 0..<60 {
      var writer = ProtoWriter()
      writer.message(1) { $0.append(bytes) }
      bytes = writer.bytes
    }
    var reader = ProtoReader(bytes), depth = 0
    #expect(throws: RoleError.self) {
      while try reader.next() {
        reader = try reader.message()
        depth += 1
      }
    }
    #expect(depth == ProtoReader.depthLimit)
  }
}
